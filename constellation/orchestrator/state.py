"""Everything the scheduler knows, and the instructions of the step that it is in.

The parts of the scheduler (`outcomes`, `dispatch`, `presence`, …) each hold one concern and share
this state. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from constellation.aip.cards import DeviceCard
from constellation.errors import UnknownConstellationError, UnknownDeviceError
from constellation.graph.task import Task

from .attempts import Attempt, read_attempt_id
from .device import Device
from .estimates import Estimates
from .events import Fact, FreeResources, Instruction, Notify
from .health import Health
from .placement import Placement
from .ready import Group, ReadyQueues
from .run import Run
from .settings import Settings
from .spending import Spent
from .timers import Timers

if TYPE_CHECKING:
    from .gangs import Reservation


class State:
    """What the parts of the scheduler share.

    Attributes:
        runs: open constellations by id, and ended ones until they are forgotten.
        devices: by name; those that are gone are kept for a while.
        free: the devices with credit, by name, the longest free first.
        freed: devices that got credit since the last round of assignments.
        changed: runs whose graph may have changed since then.
        patient: groups with tasks that rather wait for a better device, see `patience`.
        reservation: places that are kept for a gang, see `gangs`.
        gangs: how many were started.
        resources: exclusive resources in use, each with the id of the attempt that holds it.
        granted: where others use them too, resources that may be used here or are, each with the
            constellation that may, and all that was asked for with it.
        asked: what was asked for so and is not granted yet.
        queues, timers, estimates: see their classes.
        learned_health: health of devices from before a restart, until they join.
    """

    def __init__(self, placement: Placement, settings: Settings) -> None:
        self.placement = placement
        self.settings = settings
        self.runs: dict[str, Run] = {}
        self.devices: dict[str, Device] = {}
        self.free: dict[str, Device] = {}
        self.freed: dict[str, Device] = {}
        self.changed: dict[str, Run] = {}
        self.patient: dict[Group, None] = {}
        self.reservation: Reservation | None = None
        self.gangs = 0
        self.resources: dict[str, str] = {}
        self.granted: dict[str, tuple[str, tuple[str, ...]]] = {}
        self.asked: set[tuple[str, tuple[str, ...]]] = set()
        self.queues = ReadyQueues()
        self.timers = Timers()
        self.estimates = Estimates()
        self.learned_health: dict[str, Mapping[str, Any]] = {}
        self._facts: list[Instruction] = []
        self._actions: list[Instruction] = []

    # ── instructions ────────────────────────────────────────────────────────────────────────────

    def fact(self, run: Run, kind: str, body: Mapping[str, Any], now: float) -> None:
        """Something is now so and must survive."""
        self._facts.append(Fact(now, run.id, kind, body))

    def pay(self, run: Run, by: str, spent: Spent, now: float, **about: Any) -> None:
        """Models were asked for a constellation."""
        run.pay(by, *spent)
        self.fact(run, "spent", {"by": by, **about, **spent._asdict()}, now)

    def act(self, instruction: Instruction) -> None:
        """Something is to be done once the facts are secured."""
        self._actions.append(instruction)

    def notify(self, constellation: str, kind: str, body: Mapping[str, Any], now: float) -> None:
        """Observers want to see something that need not be remembered."""
        self._actions.append(Notify(now, constellation, kind, body))

    def take_instructions(self) -> list[Instruction]:
        """The instructions of this step, facts first; the next step begins."""
        instructions = self._facts + self._actions
        self._facts, self._actions = [], []
        return instructions

    # ── looking up ──────────────────────────────────────────────────────────────────────────────

    def open_run(self, constellation: str) -> Run:
        """A run that has not ended.

        Raises:
            UnknownConstellationError: there is none of that id.
        """
        run = self.runs.get(constellation)
        if run is None:
            raise UnknownConstellationError(
                f"There is no constellation {constellation!r}.",
                remedy="See `constellation ps --all`.",
                constellation=constellation,
            )
        if run.ended_at is not None:
            raise UnknownConstellationError(
                f"Constellation {constellation} has ended and can no longer be changed.",
                remedy="Retry what failed, or submit a new one.",
                constellation=constellation,
            )
        return run

    def device(self, name: str) -> Device:
        """A device.

        Raises:
            UnknownDeviceError: there is none of that name.
        """
        device = self.devices.get(name)
        if device is None:
            raise UnknownDeviceError(
                f"There is no device {name!r}.", remedy="See `constellation devices`.", device=name
            )
        return device

    def add_device(self, card: DeviceCard) -> Device:
        """A device that was not known."""
        health = Health(self.settings)
        learned = self.learned_health.pop(card.name, None)
        if learned is not None:
            health.restore(learned)
        device = Device(card, health, self.estimates.of(card.name))
        self.devices[card.name] = device
        return device

    # ── places on devices ───────────────────────────────────────────────────────────────────────

    def take(self, device: Device, attempt: Attempt) -> None:
        """An attempt gets a place on a device, and its exclusive resources."""
        device.take(attempt)
        if device.credit <= 0:
            self.free.pop(device.name, None)
        for resource in attempt.exclusive:
            self.resources[resource] = attempt.id
        if attempt.exclusive and self.settings.shared_resources:
            self.timers.drop(("turn", attempt.constellation, *attempt.exclusive))
            for resource in attempt.exclusive:
                self.granted[resource] = attempt.constellation, attempt.exclusive

    def release(self, device: Device, attempt: Attempt) -> None:
        """An attempt gives its place and its resources back."""
        attempt.move("end")
        self.disarm(attempt)
        device.release(attempt)
        if device.credit > 0:
            self.free[device.name] = self.freed[device.name] = device
        freed = []
        for resource in attempt.exclusive:
            # Of two that were taken over from hubs that knew nothing of each other, one holds it.
            if self.resources.get(resource) == attempt.id:
                del self.resources[resource]
                self.queues.free(resource)
                if resource in self.granted and self.granted[resource][0] == attempt.constellation:
                    del self.granted[resource]
                    freed.append(resource)
        if freed:
            self.act(FreeResources(attempt.constellation, tuple(freed)))
        if attempt.exclusive and attempt.constellation in self.runs:
            # It may have been the last thing that its constellation waited for.
            self.changed[attempt.constellation] = self.runs[attempt.constellation]

    def may_use(self, constellation: str, resources: tuple[str, ...]) -> bool:
        """Whether a constellation was granted just these resources."""
        return all(self.granted.get(each) == (constellation, resources) for each in resources)

    def user_of(self, resource: str) -> str | None:
        """The constellation of which an attempt holds a resource; None if none does."""
        user = read_attempt_id(self.resources.get(resource, ""))
        return None if user is None else user.constellation

    def is_over(self, run: Run) -> bool:
        """Whether nothing of a run is left to do or to wait for.

        A start reads only what has not ended. So a run has not as long as an attempt that it
        stopped may still be at an exclusive resource, or a restarted hub would give that away.
        """
        return run.finished and not any(
            self.resources.get(resource) == stopped.attempt(run.id)
            for resource, stopped in run.stopped.items()
        )

    def arm(self, attempt: Attempt, kind: Literal["timeout", "stop"], at: float) -> None:
        """Set the deadline of an attempt, in place of the one that it has."""
        self.disarm(attempt)
        attempt.timer = (kind, attempt.device, attempt.id)
        self.timers.set(attempt.timer, at)

    def disarm(self, attempt: Attempt) -> None:
        """Drop the deadline of an attempt, if it has one."""
        if attempt.timer is not None:
            self.timers.drop(attempt.timer)
            attempt.timer = None

    def recount(self, device: Device) -> None:
        """A device's link, health or card changed: bring in line what depends on it."""
        device.count()
        if device.credit > 0:
            self.free[device.name] = self.freed[device.name] = device
        else:
            self.free.pop(device.name, None)
            self.freed.pop(device.name, None)
        self.queues.consider(device)
        self.reconsider()

    def reconsider(self) -> None:
        """Look again at what rather waits: something that it reckoned with has changed."""
        patient, self.patient = self.patient, {}
        for group in patient:
            if self.queues.groups.get(group.need) is group:
                self.queues.touched[group] = None

    def expected(self, task: Task) -> float:
        """Expected seconds of a task, for ranks."""
        return self.estimates.expected(task.skill)
