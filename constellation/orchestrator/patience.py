"""Whether a task should wait for a better device that is busy rather than start on a free one.

A task that starts at once on a device ten times slower ends later than one that waits its turn on
a quick one; and if it is on the longest path, so does everything below it. So for the tasks of a
round, in their order, the earliest finish is sought over the places that will be free as well. A
task that would end sooner in one of those bespeaks it, so that the next task reckons with the place
after it; once the quick devices are bespoken for long enough, the slow one is the better choice.

That is the insertion of HEFT (Topcuoglu, Hariri, Wu, 2002) done again at each event, for the first
tasks that wait; for one queue and two devices it comes to the threshold of Lin and Kumar, "Optimal
control of a queueing system with two heterogeneous servers" (1984).
"""

from __future__ import annotations

from heapq import heapreplace
from math import inf

from constellation.graph.task import Task

from .attempts import Attempt
from .device import Device
from .health import Condition
from .ready import Entry, Group, Lane
from .state import State

# Below this a wait is not worth the thought: what is learned includes what the hub itself costs.
WORTH_S = 0.05
# Nor for so small a share of the time that the task takes.
WORTH = 0.05
# How many tasks of one group may wait so in one round: what is beyond is looked at in a later one.
MAX_WAITING = 32
KEY = ("patience", "")


class Patience:
    """The places that will be free, as a round of assignments comes to reckon with them.

    Attributes:
        thinking: True once a round had to ask; it must then be ended.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._begin()

    def _begin(self) -> None:
        self.thinking = False
        # When places will be free, by device and, where a skill has places of its own, skill.
        self._places: dict[tuple[str, str], list[float]] = {}
        self._aside: list[tuple[Lane, Entry]] = []
        self._waiting: dict[Group, int] = {}
        self._wake = inf

    def rather_waits(self, lane: Lane, task: Task, device: Device, now: float) -> bool:
        """Whether the first task of a lane should wait, given the best device that is free now.

        One that should is set aside, until `end`.
        """
        self.thinking = True
        skill, group = task.skill, lane.group
        least = self._state.estimates.expected_on(device.durations, skill) + device.rtt_s
        least -= max(WORTH_S, WORTH * least)
        best: list[float] = []
        takes_s = 0.0
        for other in group.candidates.values():
            there = other.durations.get(skill)
            # Those that are free were looked at when the best of them was chosen.
            if there is None or other.has_room(skill) or not _is_trusted(other):
                continue
            # The places come after the cheaper half of the test.
            if there.mean + other.rtt_s < least:
                places = self._places_of(other, skill, now)
                finish = places[0] - now + there.mean + other.rtt_s if places else inf
                if finish < least:
                    best, least, takes_s = places, finish, there.mean
        if not best:
            return False
        self._wake = min(self._wake, max(best[0], now + WORTH_S))
        heapreplace(best, best[0] + takes_s)
        self._aside.append((lane, lane.set_aside()))
        self._waiting[group] = self._waiting.get(group, 0) + 1
        return True

    def is_enough(self, group: Group) -> bool:
        """Whether so many tasks of a group wait that no more of it are looked at."""
        return self._waiting.get(group, 0) >= MAX_WAITING

    def end(self) -> None:
        """The round is over: what was set aside is put back, and looked at again in time."""
        state = self._state
        for lane, entry in self._aside:
            lane.put_back(entry)
        state.patient.update(dict.fromkeys(self._waiting))
        if self._wake < inf:
            state.timers.set(KEY, self._wake)
        self._begin()

    def _places_of(self, device: Device, skill: str, now: float) -> list[float]:
        """When the places of a device will be free, as a heap; empty if it never has one."""
        narrow = skill in device.capacities
        key = (device.name, skill if narrow else "")
        places = self._places.get(key)
        if places is None:
            places = self._places[key] = []
            capacity = device.capacities[skill] if narrow else device.card.capacity
            for attempt in device.running.values():
                if not narrow or attempt.skill == skill:
                    places.append(now + _left_s(device, attempt, now))
            # What runs beyond the capacity frees no place.
            places.sort()
            del places[: max(0, len(places) - capacity)]
        return places


def _left_s(device: Device, attempt: Attempt, now: float) -> float:
    estimate = device.durations.get(attempt.skill)
    if estimate is None:
        return inf
    # Who is overdue is believed to need as long again as it is late: it may straggle.
    return abs(estimate.mean - (now - attempt.started_at))


def _is_trusted(device: Device) -> bool:
    return device.health.condition is Condition.WELL and not device.unavailable()
