"""Devices come, go, come back and change; what they held meanwhile is kept, or queued again."""

from __future__ import annotations

from constellation.aip.cards import DeviceCard

from .attempts import Attempt, Life
from .device import Device, Presence
from .events import (
    Answer,
    ArtifactsHeld,
    CancelAttempt,
    DeviceAccounted,
    DeviceDetached,
    DeviceDraining,
    DeviceJoined,
    DeviceLost,
    DeviceReturned,
    DeviceUpdated,
)
from .outcomes import Outcomes
from .state import State
from .supervision import Supervision, announce

NOT_NEEDED = "its outcome is not needed any more"


class PresenceDesk:
    """Keeps track of who is there."""

    def __init__(self, state: State, outcomes: Outcomes, supervision: Supervision) -> None:
        self._state = state
        self._outcomes = outcomes
        self._supervision = supervision

    def joined(self, event: DeviceJoined, now: float) -> None:
        """A fresh session: what the device names goes on; what it does not name never began."""
        state = self._state
        name = event.card.name
        device = state.devices.get(name) or state.add_device(event.card)
        device.move("join")
        device.adopt(event.card)
        device.rtt_s = event.rtt_s
        state.timers.drop(("lease", name))
        running = dict.fromkeys(event.running)
        held = dict.fromkeys(event.held)
        for attempt in list(device.running.values()):
            if attempt.id in running or attempt.id in held:
                self._goes_on(device, attempt, now)
            else:
                self._outcomes.unsent(device, attempt, now)
        for attempt_id in running:
            if attempt_id not in device.running:
                state.act(CancelAttempt(name, attempt_id, NOT_NEEDED))
        state.recount(device)
        announce(state, device, now)

    def accounted(self, event: DeviceAccounted, now: float) -> None:
        """The same for work that was taken over while the device was connected."""
        state = self._state
        device = state.device(event.device)
        for attempt_id in event.asked:
            attempt = device.running.get(attempt_id)
            if attempt is not None and attempt_id in event.found:
                self._goes_on(device, attempt, now)
            elif attempt is not None:
                self._outcomes.unsent(device, attempt, now)
        for attempt_id in sorted(event.found):
            if attempt_id not in device.running:
                state.act(CancelAttempt(device.name, attempt_id, NOT_NEEDED))

    def _goes_on(self, device: Device, attempt: Attempt, now: float) -> None:
        """An attempt survived its device's absence; messages to the device may not have."""
        state = self._state
        if attempt.life is Life.STOPPING:
            state.act(CancelAttempt(device.name, attempt.id, NOT_NEEDED))
            return
        if attempt.answer is not None:
            state.act(Answer(device.name, attempt.answer))
        self._watch_timeout(attempt, now)

    def _watch_timeout(self, attempt: Attempt, now: float) -> None:
        """Arm the timeout that went off unheard, or was forgotten by a restart."""
        state = self._state
        if attempt.life is not Life.RUNNING or attempt.timer is not None:
            return
        task = state.runs[attempt.constellation].constellation.nodes[attempt.task].task
        if task.timeout_s is not None:
            due = max(now, attempt.started_at + task.timeout_s) + state.settings.timeout_slack_s
            state.arm(attempt, "timeout", due)

    def updated(self, event: DeviceUpdated, now: float) -> None:
        """A new card."""
        device = self._state.device(event.card.name)
        device.adopt(event.card)
        self._state.recount(device)
        announce(self._state, device, now)

    def detached(self, event: DeviceDetached, now: float) -> None:
        """The link is down: the device's lease begins to run out."""
        device = self._state.device(event.device)
        device.move("detach")
        self.begin_lease(device, now)
        self._state.recount(device)
        announce(self._state, device, now)

    def begin_lease(self, device: Device, now: float) -> None:
        """From now on the device has the grace time to come back for what it holds."""
        self._state.timers.set(("lease", device.name), now + self._state.settings.grace_s)

    def returned(self, event: DeviceReturned, now: float) -> None:
        """The session was resumed: nothing was lost."""
        state = self._state
        device = state.device(event.device)
        device.move("return")
        device.rtt_s = event.rtt_s
        state.timers.drop(("lease", device.name))
        for attempt in device.running.values():
            self._watch_timeout(attempt, now)
        state.recount(device)
        announce(state, device, now)

    def draining(self, event: DeviceDraining, now: float) -> None:
        """The device takes nothing new."""
        device = self._state.device(event.device)
        device.move("drain")
        self._state.recount(device)
        announce(self._state, device, now)

    def lost(self, event: DeviceLost, now: float) -> None:
        """The session is gone for good."""
        state = self._state
        device = state.device(event.device)
        device.move("lose")
        state.timers.drop(("lease", device.name))
        state.recount(device)
        self._give_up(device, f"is gone: {event.reason}", now)
        announce(state, device, now)
        self._forget_the_longest_gone()

    def lease_over(self, device: Device, now: float) -> None:
        """The grace time of a detached device is over."""
        if device.link is Presence.DETACHED:
            grace_s = self._state.settings.grace_s
            self._give_up(device, f"was out of reach for {grace_s:g} s", now)

    def _give_up(self, device: Device, why: str, now: float) -> None:
        if device.running:
            self._supervision.failed(device, "task.failed.device_lost", now)
        for attempt in list(device.running.values()):
            self._outcomes.lost(device, attempt, why, now)

    def _forget_the_longest_gone(self) -> None:
        state = self._state
        gone = [name for name, each in state.devices.items() if each.link is Presence.LOST]
        for name in gone[: max(0, len(gone) - state.settings.max_lost_devices)]:
            self.forget(name)

    def forget(self, name: str) -> None:
        """Remove a device that holds nothing and is a candidate for nothing."""
        state = self._state
        del state.devices[name]
        state.queues.forget(name)
        state.timers.drop(("probe", name))

    def artifacts(self, event: ArtifactsHeld, now: float) -> None:
        """A device has these artifacts."""
        self._state.device(event.device).hold(event.hashes)

    def expect(self, name: str, now: float) -> Device:
        """A device that held work when the hub stopped, of which nothing else is known yet."""
        state = self._state
        device = state.devices.get(name)
        if device is None:
            device = state.add_device(DeviceCard(name=name, capacity=0))
        self.begin_lease(device, now)
        return device
