"""How a robot is driven: what may be chosen without changing robot or policy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# Names of policies: those that come with the package or a robot's file, and addresses of servers.
LOCAL = "local"
SERVERS = ("ws://", "wss://")


class WhenLost(StrEnum):
    """What a robot does without the hub.

    HOLD: it brakes and holds until the hub is back. GO_ON: its task needs nobody else; it goes on.
    """

    HOLD = "hold"
    GO_ON = "go-on"


@dataclass(frozen=True, slots=True)
class Settings:
    """Choices for one controller.

    Attributes:
        merge: actions of the policy that become one.
        execution: control steps of a chunk that are executed; None: `reaction_s` says.
        reaction_s: by when the robot shall have reacted to what it observes; None: as fast as can
            be.
        quantile, window, warm_up, assumed: of the prediction of delays; the last in control steps.
        patience_s: after which an answer is no longer awaited.
        late_s: how late a control step may be before the actions for it are out of date.
        unseen_s: how old the last observation may be.
        when_lost: what is done without the hub.
        record: executed actions that are kept.
    """

    merge: int = 1
    execution: int | None = None
    reaction_s: float | None = None
    quantile: float = 0.8
    window: int = 50
    warm_up: int = 1
    assumed: int = 4
    patience_s: float = 10.0
    late_s: float = 0.1
    unseen_s: float = 0.2
    when_lost: WhenLost = WhenLost.HOLD
    record: int = 10_000
