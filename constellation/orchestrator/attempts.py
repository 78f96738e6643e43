"""One try of a task on one device: its life, and its id."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from constellation.errors import InvalidTransition

from .timers import Key


class Life(StrEnum):
    """Where an attempt stands, as far as the hub knows."""

    RUNNING = "running"
    ASKING = "asking"
    STOPPING = "stopping"
    ENDED = "ended"


# While its device is out of reach an attempt stays where it is: the lease is the device's.
TRANSITIONS: dict[Life, dict[str, Life]] = {
    Life.RUNNING: {"ask": Life.ASKING, "stop": Life.STOPPING, "end": Life.ENDED},
    Life.ASKING: {"answer": Life.RUNNING, "stop": Life.STOPPING, "end": Life.ENDED},
    Life.STOPPING: {"end": Life.ENDED},
    Life.ENDED: {},
}


class AttemptName(NamedTuple):
    """The parts of an attempt's id: ``constellation/task/number``, with ``b`` after a rival's."""

    constellation: str
    task: str
    number: int
    rival: bool


class Attempt:
    """An attempt that holds a place on a device.

    Attributes:
        id: ``constellation/task/number``; never used twice.
        constellation, task: whose it is.
        number: the task's count of attempts; a rival has the number of the attempt that it races.
        device: name of the device.
        skill: what it calls there; empty for an instruction.
        started_at: the machine's time, in seconds.
        idempotent: whether the task may be started again without knowing how this attempt ended.
        life: see `Life`.
        is_rival: True if it was started to race a straggler.
        rival: the other attempt of a race, while both run.
        raced: True once it had a rival: a second one would have the id of the first.
        answer: the last answer given to it, until it ends: the body of AIP's ``answer``.
        exclusive: hub-wide resources that it holds.
        gang: the task of whose members it is one; empty if it is none.
        timer: key of the deadline that is armed for it; None while there is none.
        max_cost: what it may spend on models; None if nothing bounds it.
    """

    __slots__ = (
        "answer",
        "constellation",
        "device",
        "exclusive",
        "gang",
        "id",
        "idempotent",
        "is_rival",
        "life",
        "max_cost",
        "number",
        "raced",
        "rival",
        "skill",
        "started_at",
        "task",
        "timer",
    )

    def __init__(
        self,
        constellation: str,
        task: str,
        number: int,
        device: str,
        skill: str,
        started_at: float,
        idempotent: bool,
        exclusive: tuple[str, ...] = (),
        max_cost: float | None = None,
        gang: str = "",
    ) -> None:
        self.id = attempt_id(constellation, task, number)
        self.constellation = constellation
        self.task = task
        self.number = number
        self.device = device
        self.skill = skill
        self.started_at = started_at
        self.idempotent = idempotent
        self.exclusive = exclusive
        self.max_cost = max_cost
        self.gang = gang
        self.life = Life.RUNNING
        self.is_rival = False
        self.raced = False
        self.rival: Attempt | None = None
        self.answer: Mapping[str, Any] | None = None
        self.timer: Key | None = None

    def move(self, event: str) -> None:
        """Take a transition of the table.

        Raises:
            InvalidTransition: the table has none.
        """
        following = TRANSITIONS[self.life].get(event)
        if following is None:
            raise InvalidTransition(f"Attempt {self.id}", self.life, event)
        self.life = following

    def race(self, device: str, started_at: float) -> Attempt:
        """The rival of this attempt on a second device; the two are linked until one ends."""
        other = Attempt(
            self.constellation,
            self.task,
            self.number,
            device,
            self.skill,
            started_at,
            self.idempotent,
        )
        other.id = f"{self.id}b"
        other.is_rival = True
        other.rival = self
        self.rival = other
        self.raced = True
        return other

    def to_plain(self) -> dict[str, Any]:
        """The attempt as plain data; without the link to its rival."""
        return {
            "task": self.task,
            "number": self.number,
            "device": self.device,
            "skill": self.skill,
            "started_at": self.started_at,
            "idempotent": self.idempotent,
            "exclusive": list(self.exclusive),
            **({"gang": self.gang} if self.gang else {}),
            "asking": self.life is Life.ASKING,
            "rival": self.is_rival,
            "raced": self.raced,
            "answer": self.answer,
            "max_cost": self.max_cost,
        }

    @classmethod
    def from_plain(cls, constellation: str, plain: Mapping[str, Any]) -> Attempt:
        """Read back what `to_plain` returned."""
        attempt = cls(
            constellation,
            plain["task"],
            plain["number"],
            plain["device"],
            plain["skill"],
            plain["started_at"],
            plain["idempotent"],
            tuple(plain["exclusive"]),
            plain.get("max_cost"),
            plain.get("gang", ""),
        )
        if plain["rival"]:
            attempt.id += "b"
            attempt.is_rival = True
        attempt.raced = plain.get("raced", False)
        if plain["asking"]:
            attempt.life = Life.ASKING
        attempt.answer = plain["answer"]
        return attempt


def attempt_id(constellation: str, task: str, number: int) -> str:
    """The id of an attempt that is no rival."""
    return f"{constellation}/{task}/{number}"


def read_attempt_id(attempt: str) -> AttemptName | None:
    """The parts of an attempt's id; None if it is none."""
    constellation, _, rest = attempt.partition("/")
    task, _, number = rest.rpartition("/")
    digits = number.removesuffix("b")
    if not (constellation and task and digits.isascii() and digits.isdigit() and len(digits) < 10):
        return None
    return AttemptName(constellation, task, int(digits), number != digits)
