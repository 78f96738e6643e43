"""Where a session stands, and what moves it: the one table."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a session stands."""

    IDLE = "idle"
    GREETING = "greeting"
    OPEN = "open"
    DETACHED = "detached"
    CLOSED = "closed"


# State, event → state. The diagram in docs/states/session.md is made from this table.
TRANSITIONS: dict[State, dict[str, State]] = {
    State.IDLE: {"transport opened": State.GREETING, "accept": State.OPEN, "end": State.CLOSED},
    State.GREETING: {
        "welcome": State.OPEN,
        "transport closed": State.DETACHED,
        "end": State.CLOSED,
    },
    State.OPEN: {
        "transport closed": State.DETACHED,
        "resume": State.OPEN,
        "end": State.CLOSED,
    },
    State.DETACHED: {
        "transport opened": State.GREETING,
        "resume": State.OPEN,
        "transport closed": State.DETACHED,
        "end": State.CLOSED,
    },
    State.CLOSED: {"transport closed": State.CLOSED, "end": State.CLOSED},
}
