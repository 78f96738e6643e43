"""Ready tasks in queues from which the next one is found without looking at the others.

Tasks with the same `Need` wait in one group, for the same devices can run them. A group has a lane
for each constellation, and a lane is a heap. Between constellations of equal priority the one that
has had the least service for its weight comes first: start-time fair queueing (Goyal, Vin, Cheng,
1996) over the expected durations of the tasks started.

Keys in heaps only ever grow stale upwards: a lane's key rises when its top is taken or its
constellation is served, and is entered anew at once when it falls. So a stale entry is put right
when it surfaces.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace

from .device import Device
from .requirements import Need, obstacle

# A start counts as at least so much service, or work that takes no time would never be outweighed.
MIN_SERVICE_S = 1e-4

# Smaller comes first: priority class, service received, urgency within the class, order of arrival.
LaneKey = tuple[float, float, float, int]
# A task in a lane: priority class, urgency, number, id.
Entry = tuple[float, float, int, str]


class Backlog:
    """What one constellation has waiting.

    Attributes:
        queued: task id → number of its valid entry; entries with another number are dead.
        service: expected seconds of work started so far, divided by the constellation's weight.
        lanes: its lanes, by need.
    """

    __slots__ = ("constellation", "lanes", "paused", "queued", "service", "weight")

    def __init__(self, constellation: str, weight: float) -> None:
        self.constellation = constellation
        self.weight = weight
        self.paused = False
        self.service = 0.0
        self.queued: dict[str, int] = {}
        self.lanes: dict[Need, Lane] = {}


class Lane:
    """The tasks of one constellation with one need.

    Attributes:
        id: unique, for timers.
        listed: number of its valid entry in the group's heap; 0 if it has none.
        told: True once observers know that it waits for a device.
    """

    __slots__ = ("backlog", "group", "heap", "id", "listed", "told")

    def __init__(self, id: str, group: Group, backlog: Backlog) -> None:
        self.id = id
        self.group = group
        self.backlog = backlog
        self.heap: list[Entry] = []
        self.listed = 0
        self.told = False

    def key(self) -> LaneKey | None:
        """The key of its first task; None if it has none to offer."""
        heap, queued = self.heap, self.backlog.queued
        while heap:
            rank, urgency, number, task = heap[0]
            if queued.get(task) == number:
                if self.backlog.paused:
                    return None
                return rank, self.backlog.service, urgency, number
            heappop(heap)
        return None

    def first(self) -> str:
        """The task that `key` spoke of."""
        return self.heap[0][3]

    def waiting(self) -> list[str]:
        """All of its tasks, the first one first."""
        queued = self.backlog.queued
        return [entry[3] for entry in sorted(self.heap) if queued.get(entry[3]) == entry[2]]

    def set_aside(self) -> Entry:
        """Take out the first task for a while; it stays queued."""
        return heappop(self.heap)

    def put_back(self, entry: Entry) -> None:
        """Undo `set_aside`."""
        heappush(self.heap, entry)
        key = self.key()
        if key is not None and self.group.lanes.get(self.backlog.constellation) is self:
            self.group.enter(self, key)

    def push(self, entry: Entry) -> None:
        """Add a task; dead entries are swept out before they are most of the heap."""
        heappush(self.heap, entry)
        queued = self.backlog.queued
        if len(self.heap) > 2 * len(queued) + 64:
            self.heap = [entry for entry in self.heap if queued.get(entry[3]) == entry[2]]
            heapify(self.heap)


class Group:
    """The tasks with one need.

    Attributes:
        candidates: the devices that may run them, by name, whether they have room or not.
    """

    __slots__ = ("_heap", "_queues", "candidates", "lanes", "need")

    def __init__(self, need: Need, queues: ReadyQueues) -> None:
        self.need = need
        self.candidates: dict[str, Device] = {}
        self.lanes: dict[str, Lane] = {}
        self._heap: list[tuple[LaneKey, int, Lane]] = []
        self._queues = queues

    def __len__(self) -> int:
        """How many lanes have something to offer, more or less: 0 means none for certain."""
        return len(self._heap)

    def consider(self, device: Device) -> bool:
        """See whether a device is a candidate; True if that has changed."""
        fits = obstacle(self.need, device) is None
        if fits == (device.name in self.candidates):
            return False
        served = self._queues.served_by.setdefault(device.name, {})
        if fits:
            self.candidates[device.name] = device
            served[self] = None
        else:
            del self.candidates[device.name]
            del served[self]
        return True

    def enter(self, lane: Lane, key: LaneKey) -> None:
        """Enter a lane under a key; its former entry dies."""
        lane.listed = self._queues.next_number()
        heappush(self._heap, (key, lane.listed, lane))
        if len(self._heap) > 2 * len(self.lanes) + 64:
            self._heap = [entry for entry in self._heap if entry[2].listed == entry[1]]
            heapify(self._heap)

    def best(self) -> tuple[LaneKey, Lane] | None:
        """The lane whose first task comes next; None if there is none."""
        heap = self._heap
        while heap:
            key, number, lane = heap[0]
            if lane.listed != number:
                heappop(heap)
                continue
            current = lane.key()
            if current is None:
                lane.listed = 0
                heappop(heap)
            elif current == key or len(heap) == 1:
                return current, lane
            else:
                lane.listed = self._queues.next_number()
                heapreplace(heap, (current, lane.listed, lane))
        return None


class ReadyQueues:
    """All groups and backlogs.

    Attributes:
        groups: by need.
        backlogs: by constellation.
        touched: groups to look at in the next round: they got tasks, candidates or resources.
        served_by: by device, the groups of which it is a candidate.
    """

    def __init__(self) -> None:
        self.groups: dict[Need, Group] = {}
        self.backlogs: dict[str, Backlog] = {}
        self.touched: dict[Group, None] = {}
        self.served_by: dict[str, dict[Group, None]] = {}
        self._number = 0
        self._served = 0.0

    def next_number(self) -> int:
        """A number larger than all before."""
        self._number += 1
        return self._number

    def add(self, constellation: str, weight: float, paused: bool) -> None:
        """A constellation begins."""
        backlog = self.backlogs[constellation] = Backlog(constellation, weight)
        backlog.paused = paused

    def drop(self, constellation: str) -> None:
        """A constellation is over: its tasks leave, and groups that are empty by that."""
        backlog = self.backlogs.pop(constellation, None)
        if backlog is None:
            return
        backlog.queued.clear()
        for lane in backlog.lanes.values():
            lane.listed = 0
            del lane.group.lanes[constellation]
            if not lane.group.lanes:
                self._drop_group(lane.group)

    def _drop_group(self, group: Group) -> None:
        del self.groups[group.need]
        self.touched.pop(group, None)
        for name in group.candidates:
            del self.served_by[name][group]

    def group(self, need: Need, devices: dict[str, Device]) -> Group:
        """The group of a need, made if there is none."""
        group = self.groups.get(need)
        if group is None:
            group = self.groups[need] = Group(need, self)
            for device in devices.values():
                group.consider(device)
        return group

    def push(
        self, group: Group, constellation: str, task: str, urgency: tuple[float, float]
    ) -> None:
        """Enter a ready task; a former entry of it dies."""
        backlog = self.backlogs[constellation]
        lane = group.lanes.get(constellation)
        if lane is None:
            lane = Lane(str(self.next_number()), group, backlog)
            group.lanes[constellation] = backlog.lanes[group.need] = lane
        if not backlog.queued and backlog.service < self._served:
            # Whoever was idle has no claim on the service that it did not ask for.
            backlog.service = self._served
        number = self.next_number()
        backlog.queued[task] = number
        lane.push((*urgency, number, task))
        if not lane.listed or lane.heap[0][2] == number:
            key = lane.key()
            if key is not None:
                group.enter(lane, key)
        self.touched[group] = None

    def lane(self, constellation: str, lane_id: str) -> Lane | None:
        """A lane by its id; None if it is gone."""
        backlog = self.backlogs.get(constellation)
        lanes = () if backlog is None else backlog.lanes.values()
        return next((lane for lane in lanes if lane.id == lane_id), None)

    def discard(self, constellation: str, task: str) -> bool:
        """A task is ready no more; False if it was not queued."""
        return self.backlogs[constellation].queued.pop(task, None) is not None

    def take(self, lane: Lane, task: str, expected_s: float) -> None:
        """The first task of a lane is started: its constellation is charged for it."""
        backlog = lane.backlog
        heappop(lane.heap)
        del backlog.queued[task]
        self._served = backlog.service
        backlog.service += max(expected_s, MIN_SERVICE_S) / backlog.weight

    def pause(self, constellation: str, paused: bool) -> None:
        """Hold back all tasks of a constellation, or offer them again."""
        backlog = self.backlogs[constellation]
        backlog.paused = paused
        for lane in backlog.lanes.values():
            lane.listed = 0
            key = lane.key()
            if key is not None:
                lane.group.enter(lane, key)
                self.touched[lane.group] = None

    def consider(self, device: Device) -> None:
        """A device came, went or changed: see anew which groups it serves."""
        for group in self.groups.values():
            if group.consider(device):
                self.touched[group] = None
                for lane in group.lanes.values():
                    lane.told = False

    def serve(self, device: Device) -> None:
        """A device has room again: its groups are worth a look."""
        for group in self.served_by.get(device.name, ()):
            if group:
                self.touched[group] = None

    def forget(self, device: str) -> None:
        """A device that is a candidate of no group is forgotten."""
        self.served_by.pop(device, None)

    def free(self, resource: str) -> None:
        """An exclusive resource is free again."""
        for group in self.groups.values():
            if resource in group.need.exclusive:
                self.touched[group] = None
