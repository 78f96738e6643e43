"""Stragglers: work that may be repeated is tried on a second device when the first takes too long.

The first success wins and the other attempt is stopped; a failure of one leaves the other to go on.
A device is watched by one timer for each skill, not one for each attempt.
"""

from __future__ import annotations

from math import inf

from constellation.errors import TaskFailed

from .assigning import assignment, choose, devices_for, place
from .attempts import Attempt, Life
from .device import Device
from .events import Assign
from .requirements import need_of
from .state import State


class Racing:
    """Finds stragglers and starts their rivals."""

    def __init__(self, state: State) -> None:
        self._state = state

    def watch(self, device: Device, attempt: Attempt) -> None:
        """An attempt that may be raced was started."""
        skill = attempt.skill
        if skill not in device.watched:
            patience = self._patience(device, skill)
            if patience is not None:
                self._arm(device, skill, attempt.started_at + patience)

    def look(self, device: Device, skill: str, now: float) -> None:
        """The timer of a device and a skill: race what has run too long, and arm it anew."""
        device.watched.pop(skill, None)
        patience = self._patience(device, skill)
        if patience is None:
            return
        for attempt in list(device.running.values()):
            if attempt.skill != skill or not self._may_be_raced(attempt):
                continue
            due = attempt.started_at + patience
            if due > now:
                self._arm(device, skill, due)
                return
            if not self._race(attempt, now):
                self._arm(device, skill, now + patience)
                return

    def _patience(self, device: Device, skill: str) -> float | None:
        settings = self._state.settings
        estimate = device.durations.get(skill)
        if not settings.racing or estimate is None or estimate.count < settings.race_samples:
            return None
        return max(settings.race_min_s, estimate.upper(settings.race_spread))

    def _arm(self, device: Device, skill: str, at: float) -> None:
        device.watched[skill] = None
        self._state.timers.set(("straggler", device.name, skill), at)

    def _race(self, attempt: Attempt, now: float) -> bool:
        """Start a rival; False if there is no device for it now."""
        state = self._state
        run = state.runs[attempt.constellation]
        if run.paused:
            return False
        task = run.constellation.nodes[attempt.task].task
        need = need_of(task, run.trouble.get(task.id))
        group = state.queues.group(need, state.devices)
        devices = devices_for(state, group, without=attempt.device)
        if state.reservation is not None:
            devices = state.reservation.leaves(devices, inf)
        if not devices:
            return False
        device = choose(state, task, devices)
        try:
            body = assignment(run, task)
        except TaskFailed:
            # What it refers to was there when it started; it goes on alone.
            return False
        rival = attempt.race(device.name, now)
        run.open(rival)
        place(state, device, rival, task, now)
        fact = {"task": task.id, "attempt": attempt.number, "device": device.name}
        state.fact(run, "raced", fact, now)
        body["attempt"] = rival.id
        body["idempotent"] = True
        state.act(Assign(device.name, body))
        return True

    def _may_be_raced(self, attempt: Attempt) -> bool:
        may = (
            attempt.idempotent
            and attempt.life is Life.RUNNING
            and not attempt.raced
            and not attempt.is_rival
            and not attempt.exclusive
            and not attempt.gang
        )
        if not may:
            return False
        node = self._state.runs[attempt.constellation].constellation.nodes[attempt.task]
        # A stream has one source, and a second reader would hold it up.
        return not (node.reads or node.feeds)
