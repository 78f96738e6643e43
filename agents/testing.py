"""Trying skills out without a hub.

::

    async def test_the_lamp_is_on() -> None:
        trial = Trial()
        assert await trial.run(set_lamp, on=True) == {"on": True}
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

from constellation.errors import UnknownArtifactError

from .context import Context, Said
from .gang import Gang
from .policy import Policy
from .roots import Roots
from .skills import AnySkill


class Trial:
    """Runs skills as the runtime would: arguments are checked, the result is plain data.

    Args:
        roots: folders that skills may use.
        policy: what the device allows.
        answers: what a person answers, question by question.
        person: the name of that person's credential.
        traceparent: the span that skills run in.
        max_cost: what they may spend on language models.
        gang: who else runs at the same time.
        inputs: items by the task that puts them out, which skills read.
        emits: whether another task reads what skills put out.

    Attributes:
        context: of the last run.
        reports: what was reported as progress: fraction and message.
        outputs: partial output: channel and data.
        items: what was put out for other tasks.
        questions: what a person was asked: kind, prompt and options.
        artifacts: bytes by SHA-256.
        paid: what models took: tokens and cost.
    """

    def __init__(
        self,
        *,
        roots: Sequence[Path] = (),
        policy: Policy | None = None,
        answers: Iterable[Any] = (),
        person: str = "",
        traceparent: str | None = None,
        max_cost: float | None = None,
        gang: Gang | None = None,
        inputs: Mapping[str, Iterable[Any]] | None = None,
        emits: bool = False,
    ) -> None:
        self.reports: list[tuple[float | None, str]] = []
        self.outputs: list[tuple[str, Any]] = []
        self.questions: list[tuple[str, str, tuple[str, ...]]] = []
        self.artifacts: dict[str, bytes] = {}
        self.paid: list[tuple[int, float]] = []
        self.context: Context | None = None
        self._roots = Roots(roots)
        self._policy = policy or Policy()
        self._answers = iter(answers)
        self._person = person
        self._traceparent = traceparent
        self._max_cost = max_cost
        self._gang = gang
        self._inputs = inputs or {}
        self._emits = emits
        self.items: list[Any] = []

    async def run(self, skill: AnySkill, **arguments: Any) -> Any:
        """Call a skill with arguments as they come from a hub.

        Raises:
            SkillError: the arguments or the result do not fit the skill.
            Exception: whatever the skill raises.
        """
        loop = asyncio.get_running_loop()
        self.context = Context(
            f"trial/{skill.name}/1",
            self,
            loop,
            roots=self._roots,
            policy=self._policy,
            traceparent=self._traceparent,
            max_cost=self._max_cost,
            gang=self._gang,
            emits=self._emits,
        )
        return await skill.run(skill.bind(arguments), self.context)

    def text(self, channel: str) -> str:
        """The partial output of a channel, joined."""
        return "".join(data for name, data in self.outputs if name == channel)

    # ── the port of `Context` ───────────────────────────────────────────────────────────────────

    def progress(self, attempt: str, fraction: float | None, message: str) -> None:
        self.reports.append((fraction, message))

    def output(self, attempt: str, channel: str, data: Any) -> None:
        self.outputs.append((channel, data))

    async def emit(self, attempt: str, item: Any) -> None:
        self.items.append(item)

    async def inputs(self, attempt: str, source: str) -> AsyncIterator[Any]:
        for item in self._inputs[source]:
            yield item

    def spent(self, attempt: str, tokens: int, cost: float) -> None:
        self.paid.append((tokens, cost))

    async def ask(self, attempt: str, kind: str, prompt: str, options: Sequence[str]) -> Said:
        self.questions.append((kind, prompt, tuple(options)))
        return Said(next(self._answers), self._person)

    @asynccontextmanager
    async def calling(self, skill: str, limit: int | None) -> AsyncIterator[None]:
        yield

    async def put_artifact(self, file: BinaryIO, name: str) -> tuple[str, int]:
        data = file.read()
        digest = hashlib.sha256(data).hexdigest()
        self.artifacts[digest] = data
        return digest, len(data)

    async def get_artifact(self, digest: str, file: BinaryIO) -> int:
        if digest not in self.artifacts:
            raise UnknownArtifactError(f"There is no artifact {digest}.", hash=digest)
        return file.write(self.artifacts[digest])
