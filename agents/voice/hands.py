"""The fabric as a dialogue needs it, whoever provides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Outcome:
    """How some work ended.

    Attributes:
        state: ``completed``, ``failed`` or ``canceled``; ``refused`` if it could not be planned,
            and ``lost`` if the hub knows nothing of it any more.
        output: of its last tasks, as plain data; why it failed or was refused, if it was.
    """

    state: str
    output: Any


@dataclass(frozen=True, slots=True)
class Asked:
    """Some work waits for a person's answer.

    Attributes:
        work, task, question: their ids.
        prompt: the question, in words.
        approval: it is to be answered by yes or no.
    """

    work: str
    task: str
    question: str
    prompt: str
    approval: bool


class Hands(Protocol):
    """The fabric, as the dialogue uses it. Calls block."""

    def submit(self, request: str, within_s: float) -> tuple[str, str | None]:
        """Start what a person asks for; return its id and a few words that name it.

        There are no such words yet if it takes longer than that to plan it: `planned` has them.

        Raises:
            ConstellationError: it cannot be planned as it stands; nothing was started.
        """

    def planned(self, work: str, within_s: float) -> str | None:
        """The words that name what is being planned; None if that takes longer.

        Raises:
            ConstellationError: it cannot be planned as it stands; nothing was started.
        """

    def amend(self, work: str, request: str, within_s: float) -> str | None:
        """Have work that runs become what this asks for, if nothing of it was done otherwise yet.

        Returns:
            A few words that name it; None if it has to be stopped and done anew, or takes longer
            than that to plan.

        Raises:
            ConstellationError: it cannot be planned as it stands; nothing was changed.
        """

    def outcome(self, work: str, within_s: float) -> Outcome | Asked | None:
        """How it ended, or what it asks; None if it goes on for longer than that."""

    def reply(self, asked: Asked, answer: bool | str) -> None:
        """Answer what was asked."""

    def cancel(self, work: str) -> None:
        """Stop it, or what is planned for it."""

    def devices(self) -> Sequence[str]:
        """The names of the devices that are connected."""
