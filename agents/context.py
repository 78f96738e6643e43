"""What a skill may use while it runs, beside its arguments."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from pathlib import Path
from threading import get_ident
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol, TextIO, TypeVar, overload

from .gang import Gang
from .policy import Policy
from .roots import Roots

T = TypeVar("T")


class Said(NamedTuple):
    """What a person said.

    Attributes:
        answer: to the question.
        by: who said so: the name of a credential, and of its session in brackets; empty if the hub
            did not tell.
    """

    answer: Any
    by: str = ""


class Port(Protocol):
    """What the runtime does for a context; called on the event loop."""

    def progress(self, attempt: str, fraction: float | None, message: str) -> None: ...

    def output(self, attempt: str, channel: str, data: Any) -> None: ...

    async def emit(self, attempt: str, item: Any) -> None: ...

    def inputs(self, attempt: str, source: str) -> AsyncIterator[Any]: ...

    async def ask(self, attempt: str, kind: str, prompt: str, options: Sequence[str]) -> Said: ...

    def calling(self, skill: str, limit: int | None) -> AbstractAsyncContextManager[None]: ...

    async def put_artifact(self, file: BinaryIO, name: str) -> tuple[str, int]: ...

    async def get_artifact(self, digest: str, file: BinaryIO) -> int: ...

    def spent(self, attempt: str, tokens: int, cost: float) -> None: ...


class Context:
    """The attempt that a skill runs for.

    `progress`, `output` and `wait` may be called from the worker thread of a plain function; the
    awaitable methods belong to async ones, or go through `wait`.

    Attributes:
        attempt: its id, ``constellation/task/number``.
        task: what a person reads.
        roots: the folders that the device may use.
        policy: what the device allows.
        max_cost: what the attempt may spend on language models; None if nothing bounds it.
        gang: who else runs this task at the same time; None if nobody does.
        traceparent: the span that the skill runs in, for programs that it starts or asks (W3C
            Trace Context); None if it is not traced.
        emits: True if another task reads what this one puts out while it runs.
        canceled: True once the attempt shall stop. Async skills are canceled in the usual way; a
            plain function looks here.
    """

    def __init__(
        self,
        attempt: str,
        port: Port,
        loop: asyncio.AbstractEventLoop,
        *,
        task: str = "",
        roots: Roots | None = None,
        policy: Policy | None = None,
        traceparent: str | None = None,
        max_cost: float | None = None,
        gang: Gang | None = None,
        emits: bool = False,
    ) -> None:
        self.attempt = attempt
        self.task = task
        self.roots = roots or Roots(())
        self.policy = policy or Policy()
        self.traceparent = traceparent
        self.max_cost = max_cost
        self.gang = gang
        self.emits = emits
        self.canceled = False
        self._port = port
        self._loop = loop
        self._thread = get_ident()

    def progress(self, fraction: float | None = None, message: str = "") -> None:
        """Tell how far it is: a fraction from 0 to 1, a message, or both."""
        self._call(self._port.progress, self.attempt, fraction, message)

    def output(self, data: Any, channel: str = "output") -> None:
        """Send a partial result: text or plain data.

        Text of one channel is joined; if the hub does not keep up, the oldest is dropped. What
        must arrive belongs into the result.
        """
        self._call(self._port.output, self.attempt, channel, data)

    async def emit(self, item: Any) -> None:
        """Put out an item for tasks that read this one while it runs; plain data.

        Waits as long as those are too far behind, and does nothing where nobody reads.

        Raises:
            LimitExceeded: the item is too large, or too much is kept for readers that do not run.
        """
        if self.emits:
            await self._port.emit(self.attempt, item)

    def inputs(self, source: str = "") -> AsyncIterator[Any]:
        """What another task puts out, item by item, as it comes.

        Iterating raises why the stream broke off: `UpstreamFailed` if that task failed, was
        canceled or begins anew.

        Args:
            source: the id of that task; may be left out if this task reads of one alone.

        Raises:
            SkillError: this task reads no stream of that one.
        """
        return self._port.inputs(self.attempt, source)

    async def ask(self, prompt: str) -> str:
        """Ask a person for a text; the task waits as ``input-required``."""
        return str((await self._port.ask(self.attempt, "text", prompt, ())).answer)

    async def choose(self, prompt: str, options: Sequence[str]) -> str:
        """Ask a person to choose."""
        return str((await self._port.ask(self.attempt, "choice", prompt, options)).answer)

    async def approve(self, prompt: str) -> bool:
        """Ask a person to allow something."""
        return await self.approver(prompt) is not None

    async def approver(self, prompt: str) -> str | None:
        """Ask a person to allow something; return who did, None if it was not allowed.

        It is named as in `Said`; empty if the hub did not tell.
        """
        said = await self._port.ask(self.attempt, "approval", prompt, ())
        return said.by if said.answer is True else None

    @overload
    def open(self, path: str, mode: Literal["r", "w"] = "r") -> AbstractContextManager[TextIO]: ...

    @overload
    def open(
        self, path: str, mode: Literal["rb", "wb", "ab"]
    ) -> AbstractContextManager[BinaryIO]: ...

    @contextmanager
    def open(self, path: str, mode: str = "r") -> Iterator[Any]:
        """Open a file below the roots; text is UTF-8.

        What is written takes the file's place when the context ends well; what is appended is there
        at once. Folders are made.

        Raises:
            PermissionDenied: the path leads out of the roots.
            TaskFailed: there is no such file, or a folder of that name.
        """
        roots = self.roots
        if mode == "ab":
            opened = roots.open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        elif mode.startswith("r"):
            opened = roots.open_file(path)
        else:
            opened = roots.replace_file(path)
        encoding = None if "b" in mode else "utf-8"
        with opened as file, os.fdopen(file, mode, closefd=False, encoding=encoding) as stream:
            yield stream

    async def put_artifact(self, path: str) -> tuple[str, int]:
        """Give a file to the fabric; return its SHA-256 in hexadecimal and its size in bytes.

        Raises:
            PermissionDenied: the file is outside the roots.
        """
        with self.open(path, "rb") as file:
            return await self._port.put_artifact(file, Path(path).name)

    async def put_bytes(self, data: bytes, name: str) -> tuple[str, int]:
        """Give bytes to the fabric; return their SHA-256 in hexadecimal and their number."""
        return await self._port.put_artifact(io.BytesIO(data), name)

    async def get_artifact(self, digest: str, path: str) -> int:
        """Write an artifact of the fabric to a file; return its size in bytes.

        Raises:
            PermissionDenied: the file is outside the roots.
            UnknownArtifactError: the hub has no such artifact.
        """
        with self.open(path, "wb") as file:
            return await self._port.get_artifact(digest, file)

    def through(self, wrap: Callable[[Port], Port]) -> Context:
        """The same attempt for a skill that is a step of another: it speaks through what wraps."""
        return Context(
            self.attempt,
            wrap(self._port),
            self._loop,
            task=self.task,
            roots=self.roots,
            policy=self.policy,
            traceparent=self.traceparent,
            max_cost=self.max_cost,
        )

    def spent(self, tokens: int, cost: float) -> None:
        """Say what a language model took, so that the constellation counts it."""
        self._call(self._port.spent, self.attempt, tokens, cost)

    def calling(self, skill: str, limit: int | None) -> AbstractAsyncContextManager[None]:
        """While this attempt calls another skill: waits until that one has room.

        Args:
            skill: its name.
            limit: how many calls of it the device takes at once; None for any number.
        """
        return self._port.calling(skill, limit)

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Wait in a worker thread for one of the awaitable methods above."""

        async def waited() -> T:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(waited(), self._loop).result()

    def _call(self, method: Callable[..., None], *arguments: Any) -> None:
        if get_ident() == self._thread:
            method(*arguments)
        else:
            self._loop.call_soon_threadsafe(method, *arguments)
