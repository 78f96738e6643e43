"""What a hub counts of itself: how much it does, how it ends, how long commits take.

Counting stays off the path of single tasks: whole commits are counted at once, and what can be read
off the hub (queues, sessions, round trips) is read only when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .device import Device
from .events import Fact
from .scheduler import Scheduler

if TYPE_CHECKING:
    from .ports import PeerPort

_COMMIT_BOUNDS_S = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
_SIZE_BOUNDS = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)


class Histogram:
    """Counts of values by upper bound, and their sum.

    Args:
        bounds: upper bounds, ascending; what is above the last is counted as well.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def to_plain(self) -> dict[str, Any]:
        """``bounds``, ``counts`` (one more than bounds) and ``sum``."""
        return {"bounds": list(self.bounds), "counts": list(self.counts), "sum": self.total}


class Telemetry:
    """Counters of one hub, since its start.

    Attributes:
        facts: by kind.
        outcomes: tasks that ended, by state.
        requeued: attempts that were followed by another, by cause.
        sessions: open sessions by role, those whose link is down included.
        tokens, cost: what language models took, by who asked: ``planner`` or ``tasks``.
        commit_s: duration of commits, seconds.
        commit_facts: facts in each commit.
    """

    def __init__(self) -> None:
        self.facts: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.requeued: Counter[str] = Counter()
        self.sessions: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.cost: dict[str, float] = {}
        self.commit_s = Histogram(_COMMIT_BOUNDS_S)
        self.commit_facts = Histogram(_SIZE_BOUNDS)

    def committed(self, facts: Sequence[Fact], seconds: float) -> None:
        """Facts were written to the journal, which took so long."""
        self.commit_s.observe(seconds)
        self.commit_facts.observe(len(facts))
        for fact in facts:
            kind = fact.kind
            self.facts[kind] += 1
            if kind == "finished":
                self.outcomes[fact.body["state"]] += 1
            elif kind == "requeued":
                self.requeued[fact.body["cause"]] += 1
            elif kind == "spent":
                by = fact.body["by"]
                self.tokens[by] += fact.body["tokens"]
                self.cost[by] = self.cost.get(by, 0.0) + fact.body["cost"]

    def to_plain(self, scheduler: Scheduler, peers: Mapping[str, PeerPort]) -> dict[str, Any]:
        """All of it, with what the hub holds now, as plain data.

        Args:
            scheduler: for the queues and the devices.
            peers: sessions of the devices by name.
        """
        backlogs = scheduler.state.queues.backlogs.values()
        return {
            "facts": dict(self.facts),
            "tasks": dict(self.outcomes),
            "attempts": {"started": self.facts["started"] + self.facts["raced"]},
            "requeued": dict(self.requeued),
            "model_tokens": dict(self.tokens),
            "model_cost": dict(self.cost),
            "commit_s": self.commit_s.to_plain(),
            "commit_facts": self.commit_facts.to_plain(),
            "sessions": {role: count for role, count in self.sessions.items() if count},
            "constellations": len(scheduler.runs),
            "ready": sum(len(backlog.queued) for backlog in backlogs),
            "devices": {
                name: _device(device, peers.get(name)) for name, device in scheduler.devices.items()
            },
        }


def _device(device: Device, peer: PeerPort | None) -> dict[str, Any]:
    return {
        "presence": str(device.presence),
        "running": len(device.running),
        "rtt_s": None if peer is None else peer.rtt_s,
        "unsecured_bytes": 0 if peer is None else peer.pending,
    }
