"""What skills say and get while they run, as their `Context` has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, BinaryIO, Protocol

from pydantic_core import to_jsonable_python

from constellation.errors import SkillError

from .attempts import Attempt, Attempts
from .context import Said
from .handover import Handover
from .streams import DeviceStreams


class ArtifactPort(Protocol):
    """How artifacts reach the fabric and come from it."""

    async def put(self, file: BinaryIO, name: str) -> tuple[str, int]: ...

    async def get(self, digest: str, file: BinaryIO) -> int: ...


class SkillPort:
    """The port of `Context`, for all attempts of a device.

    Args:
        question: puts a question to a person.
        changed: set whenever there may be room for a call again.
        begin: runs what waits and for which there is room.
    """

    def __init__(
        self,
        attempts: Attempts,
        handover: Handover,
        artifacts: ArtifactPort,
        streams: DeviceStreams,
        *,
        question: Callable[[Attempt, str, str, Sequence[str]], Awaitable[Said]],
        changed: asyncio.Event,
        begin: Callable[[], None],
    ) -> None:
        self._attempts = attempts
        self._handover = handover
        self._artifacts = artifacts
        self._streams = streams
        self._question = question
        self._changed = changed
        self._begin = begin

    def progress(self, attempt: str, fraction: float | None, message: str) -> None:
        """See `Context.progress`."""
        if attempt in self._attempts.open:
            self._handover.outgoing.progress(attempt, fraction, message)
            self._handover.flush_soon()

    def output(self, attempt: str, channel: str, data: Any) -> None:
        """See `Context.output`."""
        if attempt in self._attempts.open:
            plain = data if isinstance(data, str) else to_jsonable_python(data, fallback=str)
            self._handover.outgoing.output(attempt, channel, plain)
            self._handover.flush_soon()

    async def emit(self, attempt: str, item: Any) -> None:
        """See `Context.emit`."""
        emitting = self._attempts.open.get(attempt)
        if emitting is not None and emitting.lag:
            if emitting.emitter is None:
                emitting.emitter = self._streams.emitter(attempt, emitting.lag)
            await emitting.emitter.emit(item)

    def inputs(self, attempt: str, source: str) -> AsyncIterator[Any]:
        """See `Context.inputs`."""
        reading = self._attempts.open[attempt]
        if not source and len(reading.inputs) == 1:
            source = reading.inputs[0]
        if source not in reading.inputs:
            known = ", ".join(reading.inputs) or "none"
            raise SkillError(
                f"{attempt} reads no items of {source or 'one task alone'}.",
                remedy=f"It reads those of: {known}.",
            )
        return self._streams.inputs(attempt, source)

    def spent(self, attempt: str, tokens: int, cost: float) -> None:
        """See `Context.spent`."""
        paying = self._attempts.open.get(attempt)
        if paying is not None:
            paying.tokens += tokens
            paying.cost += cost

    async def ask(self, attempt: str, kind: str, prompt: str, options: Sequence[str]) -> Said:
        """See `Context.ask`. A person is asked one thing at a time."""
        asking = self._attempts.open[attempt]
        while asking.question is not None and asking.answered is not None:
            await asyncio.wait([asking.answered])
        return await self._question(asking, kind, prompt, options)

    @asynccontextmanager
    async def calling(self, skill: str, limit: int | None) -> AsyncIterator[None]:
        """See `Context.calling`."""
        while not self._attempts.enter(skill, limit):
            self._changed.clear()
            await self._changed.wait()
        try:
            yield
        finally:
            self._attempts.leave(skill)
            self._changed.set()
            self._begin()

    async def put_artifact(self, file: BinaryIO, name: str) -> tuple[str, int]:
        """See `Context.put_artifact`."""
        digest, size = await self._artifacts.put(file, name)
        self._hold(digest)
        return digest, size

    async def get_artifact(self, digest: str, file: BinaryIO) -> int:
        """See `Context.get_artifact`."""
        size = await self._artifacts.get(digest, file)
        self._hold(digest)
        return size

    def _hold(self, digest: str) -> None:
        """Tell that these bytes are here: work on them is best placed here too."""
        self._handover.outgoing.other("have", {"hashes": [digest]})
        self._handover.flush_soon()
