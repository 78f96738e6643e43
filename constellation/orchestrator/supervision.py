"""Quarantine and release: what follows from a device's successes and failures."""

from __future__ import annotations

from .device import Device
from .health import Condition, is_blamed
from .state import State

# Each so many successes a device is compared with the others; a comparison looks at all of them.
COMPARE_EVERY = 8


class Supervision:
    """Watches the health of devices."""

    def __init__(self, state: State) -> None:
        self._state = state

    def succeeded(self, device: Device, skill: str, duration_s: float, now: float) -> None:
        """A task was done on a device."""
        health = device.health
        estimate = device.durations[skill]
        if estimate.count % COMPARE_EVERY == 0:
            others = self._state.estimates.of_others(device.name, skill)
            if others is not None and health.compare(duration_s, others) == "doubt":
                times = 2.0**health.slowness
                self._move(device, "doubt", f"it is {times:.0f} times slower than others", now)
        self.well(device, now)

    def well(self, device: Device, now: float) -> None:
        """A task was done on a device, in a time that says nothing of it."""
        health = device.health
        if health.failures or health.condition is not Condition.WELL:
            event = health.succeeded()
            if event is not None:
                self._move(device, event, "", now)

    def failed(self, device: Device, code: str, now: float) -> None:
        """An attempt on a device failed with an error; it may be the device's fault."""
        if not is_blamed(code):
            return
        event = device.health.failed(self._state.settings)
        if event is not None:
            count = device.health.failures
            times = "once" if count == 1 else f"{count} times in a row"
            self._move(device, event, f"it failed {times}, last with {code}", now)

    def probe(self, device: Device, now: float) -> None:
        """A quarantine is over: one task shows whether the device is well again."""
        if device.health.condition is Condition.QUARANTINED:
            self._move(device, "probe", device.health.reason, now)

    def _move(self, device: Device, event: str, reason: str, now: float) -> None:
        state = self._state
        health = device.health
        health.move(device.name, event, reason)
        match health.condition:
            case Condition.QUARANTINED:
                sentence = health.sentence(state.settings)
                state.timers.set(("probe", device.name), now + sentence)
            case Condition.WELL:
                health.acquit(state.settings)
        state.recount(device)
        announce(state, device, now)


def announce(state: State, device: Device, now: float) -> None:
    """Tell observers how a device stands."""
    body = {
        "device": device.name,
        "presence": str(device.presence),
        "health": str(device.health.condition),
    }
    if device.health.reason:
        body["reason"] = device.health.reason
    state.notify("", "device", body, now)
