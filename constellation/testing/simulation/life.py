"""One life of a fabric: who lives in it, what goes wrong and when, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from constellation.graph.export import to_json
from constellation.orchestrator.invariants import InvariantError, check
from constellation.orchestrator.run import Run
from constellation.orchestrator.scheduler import Scheduler
from constellation.orchestrator.settings import Settings

from .checker import Checker, Violation
from .device import Device
from .hub import GRACE_S, Hub
from .journal import MemoryJournal
from .network import End, Wire
from .people import People
from .world import World

SETTINGS = Settings(
    grace_s=GRACE_S,
    timeout_slack_s=1.0,
    stop_s=5.0,
    no_device_fail_s=60.0,
    race_samples=3,
    race_spread=2.0,
    race_min_s=0.5,
    quarantine_after=4,
    quarantine_s=3.0,
    quarantine_max_s=20.0,
)
# Things go wrong for so long; then all is mended, and everything has to end.
TROUBLE_S = 30.0
PATIENCE_S = 2_000.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        at: when, seconds.
        kind: ``cut``, ``deafen``, ``slow``, ``part``, ``kill device``, ``lose device`` (for good),
            ``jump``, ``kill hub``, ``kill hub in``, ``fill disk``.
        device: number of the device that it happens to, if it is one.
        amount: seconds that it lasts; for ``kill hub in`` how many steps are left.
    """

    at: float
    kind: str
    device: int
    amount: float

    def __str__(self) -> str:
        where = "" if "hub" in self.kind or "disk" in self.kind else f" {'abcd'[self.device]}"
        return f"{self.at:.3f} s: {self.kind}{where} {self.amount:.3g}"


@dataclass(frozen=True, slots=True)
class Story:
    """What a life is played from: the same story is the same life.

    Attributes:
        seed: of all chance but the faults.
        devices: how many there are, 1 to 4.
        constellations: how many are submitted.
        faults: what goes wrong, by time.
    """

    seed: int
    devices: int
    constellations: int
    faults: tuple[Fault, ...]


def tell(seed: int) -> Story:
    """The story of a seed."""
    random = Random(f"story {seed}")
    devices = random.randint(1, 4)
    kinds = ["cut"] * 4 + ["deafen", "slow", "part", "jump", "fill disk"]
    kinds += ["kill device"] * 3 + ["kill hub", "kill hub in", "kill hub in", "lose device"]
    faults = []
    for _ in range(random.choice((0, 2, 4, 8, 12))):
        kind = random.choice(kinds)
        amount = random.uniform(0.1, 12.0)
        if kind == "kill hub in":
            amount = float(random.randint(1, 40))
        at = round(random.uniform(0.0, TROUBLE_S), 3)
        faults.append(Fault(at, kind, random.randrange(devices), round(amount, 3)))
    faults.sort(key=lambda fault: fault.at)
    return Story(seed, devices, random.randint(1, 3), tuple(faults))


class Life:
    """A fabric at work, from a story.

    Args:
        traced: keep sentences about what happens, for whoever looks at a failure.
        make_hub, make_device, make_journal: other kinds of them, to see whether they are found out.

    Attributes:
        world: its time and chance, and the trace.
        checker: who judges it.
        journal: what hubs leave behind.
    """

    def __init__(
        self,
        story: Story,
        *,
        traced: bool = False,
        make_hub: Callable[..., Hub] = Hub,
        make_device: Callable[..., Device] = Device,
        make_journal: Callable[..., MemoryJournal] = MemoryJournal,
    ) -> None:
        self.story = story
        self.world = World(story.seed, traced=traced)
        self.checker = Checker()
        self.journal = make_journal(SETTINGS)
        self._make_hub = make_hub
        self._hub: Hub | None = None
        self._wires: dict[int, Wire] = {}
        self._parted: set[int] = set()
        self._slow: set[int] = set()
        self._lost: set[int] = set()
        self._healed = False
        self._devices = [
            make_device(self.world, self.checker, _Way(self, number), name, number % 2 + 1)
            for number, name in enumerate("abcd"[: story.devices])
        ]
        self.people = People(self.world, lambda: self.hub, story.constellations, TROUBLE_S)

    @property
    def hub(self) -> Hub | None:
        """The hub, if there is one alive."""
        return self._hub if self._hub is not None and self._hub.alive else None

    def play(self) -> None:
        """Live it to its end.

        Raises:
            Violation: something happened that must never happen.
        """
        try:
            self._begin()
            self.world.run(TROUBLE_S)
            self._heal()
            if not self.world.run(TROUBLE_S + PATIENCE_S, self._over):
                raise Violation(f"it does not end: {self._unfinished()}")
            self._judge()
        except InvariantError as error:
            raise Violation(str(error)) from error

    def _begin(self) -> None:
        self._start_hub()
        for number in range(len(self._devices)):
            self.world.after(self.world.between(0.0, 2.0), partial(self._start_device, number))
        for fault in self.story.faults:
            self.world.at(fault.at, partial(self._happen, fault))
        self.world.after(5.0, self._look_after)

    # ── the hub ─────────────────────────────────────────────────────────────────────────────────

    def _start_hub(self) -> None:
        if self.hub is None:
            self.world.tell("the hub starts")
            self._hub = self._make_hub(
                self.world, self.checker, self.journal, SETTINGS, self.people.revise
            )
            self._hub.start()

    def _look_after(self) -> None:
        """Whoever looks after the hub starts it again, and has snapshots made now and then."""
        self.world.after(self.world.between(1.0, 6.0), self._look_after)
        self._start_hub()
        names = self.journal.open_constellations()
        if names and self.world.random.random() < 0.3:
            self.journal.save_snapshot(self.world.random.choice(names))

    # ── what goes wrong ─────────────────────────────────────────────────────────────────────────

    def connect(self, dialer: End, number: int) -> Wire | None:
        """A connection to the hub, unless there is no way to it."""
        hub = self.hub
        if hub is None or number in self._parted:
            return None
        span = (0.2, 3.0) if number in self._slow else (0.001, 0.08)
        wire = Wire(self.world, dialer, hub.door(), least_s=span[0], most_s=span[1])
        self._wires[number] = wire
        return wire

    def _happen(self, fault: Fault) -> None:
        self.world.tell(f"fault: {fault}")
        wire, device = self._wires.get(fault.device), self._devices[fault.device]
        match fault.kind:
            case "cut" | "slow" | "part" if wire is not None:
                wire.cut()
                if fault.kind != "cut":
                    places = self._slow if fault.kind == "slow" else self._parted
                    places.add(fault.device)
                    self.world.after(fault.amount, partial(places.discard, fault.device))
            case "deafen" if wire is not None:
                wire.deafen()
            case "kill device":
                device.crash()
                self.world.after(fault.amount, partial(self._start_device, fault.device))
            case "lose device" if fault.device:
                # The first one stays, so that everything can be done somewhere.
                self._lost.add(fault.device)
                device.crash()
            case "jump":
                device.jump(fault.amount)
            case "kill hub" if self._hub is not None:
                self._hub.crash()
            case "kill hub in" if self._hub is not None:
                self._hub.fuse = int(fault.amount)
            case "fill disk":
                self.journal.full = True
                self.world.after(fault.amount, self._empty_disk)

    def _start_device(self, number: int) -> None:
        if number not in self._lost:
            self._devices[number].start()

    def _empty_disk(self) -> None:
        self.journal.full = False

    def _heal(self) -> None:
        """Everything is mended, and nothing goes wrong any more."""
        self.world.tell("all is mended")
        self._parted.clear()
        self._slow.clear()
        self.journal.full = False
        self.people.calm = True
        if self._hub is not None:
            self._hub.fuse = None
        for number in range(len(self._devices)):
            self._start_device(number)

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    def _over(self) -> bool:
        known = all(map(self.journal.known, self.people.names))
        return known and not self.journal.open_constellations() and self.hub is not None

    def _unfinished(self) -> Mapping[str, Any]:
        runs = {} if self.hub is None else self.hub.scheduler.runs
        return {
            name: _states(runs[name]) for name in self.journal.open_constellations() if name in runs
        }

    def _judge(self) -> None:
        if self.hub is not None:
            check(self.hub.scheduler, self.world.now)
        scheduler = Scheduler(settings=SETTINGS)
        for name in self.people.names:
            self.journal.replay(name, scheduler)
        graphs = {name: to_json(run.constellation) for name, run in scheduler.runs.items()}
        self.checker.check_end(graphs)


class _Way:
    """A device's way to whichever hub there is."""

    def __init__(self, life: Life, number: int) -> None:
        self._life = life
        self._number = number

    def dial(self, dialer: End) -> Wire | None:
        return self._life.connect(dialer, self._number)


def _states(run: Run) -> dict[str, str]:
    return {task: str(node.state) for task, node in run.constellation.nodes.items()}


def play(story: Story, **more: Any) -> Life:
    """Play a story to its end; `Life` documents what else it takes.

    Raises:
        Violation: something happened that must never happen.
    """
    life = Life(story, **more)
    life.play()
    return life
