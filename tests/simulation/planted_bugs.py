"""Known bugs, each of which a simulated life has to bring to light.

A bug is a context in which the fabric has it: parts of the real machines are replaced for a while,
or the hub, device and journal of the simulation are of a kind that does something wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from constellation.aip.messages import Message
from constellation.aip.outbox import Outbox
from constellation.aip.session import State
from constellation.errors import JournalError
from constellation.graph.task import Outcome, TaskState
from constellation.orchestrator import retrying as retrying_module
from constellation.orchestrator.attempts import Attempt
from constellation.orchestrator.control import Control
from constellation.orchestrator.device import Device as HubDevice
from constellation.orchestrator.dispatch import Dispatch
from constellation.orchestrator.events import AttemptFinished, DeviceDetached, DeviceLost, Fact
from constellation.orchestrator.gangs import Gangs
from constellation.orchestrator.outcomes import Outcomes
from constellation.orchestrator.presence import PresenceDesk
from constellation.orchestrator.recovery import Recovery
from constellation.orchestrator.run import Run
from constellation.orchestrator.scheduler import Scheduler
from constellation.orchestrator.state import State as SchedulerState
from constellation.testing.simulation.device import Device
from constellation.testing.simulation.hub import Hub, Peer
from constellation.testing.simulation.journal import MemoryJournal

Kinds = dict[str, Any]
Bug = Callable[[], Any]
BUGS: dict[str, Bug] = {}


def bug(make: Callable[[], Iterator[Kinds]]) -> Callable[[], Iterator[Kinds]]:
    BUGS[make.__name__] = contextmanager(make)
    return make


@contextmanager
def replaced(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, original)


# ── the hub ─────────────────────────────────────────────────────────────────────────────────────


@bug
def acts_before_it_remembers() -> Iterator[Kinds]:
    class Hasty(Hub):
        def commit(self, facts: Sequence[Fact]) -> None:
            instructions, self._instructions = self._instructions, []
            for each in instructions:
                self._act(each)
            self._step()
            super().commit(facts)

        def _sort(self, instructions: Any) -> None:
            super()._sort(instructions)
            for each in [*self._instructions]:
                self._act(each)
            self._instructions.clear()

    yield {"make_hub": Hasty}


@bug
def secures_before_it_remembers() -> Iterator[Kinds]:
    class Hasty(Hub):
        def received(self, peer: Peer, messages: Sequence[Message]) -> None:
            peer.acknowledge(messages[-1].seq)
            later = partial(super().received, peer, messages)
            self.world.after(0.3, lambda: self.guarded(later))

    yield {"make_hub": Hasty}


@bug
def forgets_to_watch_the_time() -> Iterator[Kinds]:
    with replaced(Scheduler, "deadline", lambda self: None):
        yield {}


@bug
def does_not_tell_that_a_session_is_over() -> Iterator[Kinds]:
    class Silent(Hub):
        def take(self, event: Any) -> None:
            if not isinstance(event, DeviceLost | DeviceDetached):
                super().take(event)

    yield {"make_hub": Silent}


@bug
def passes_only_the_first_result_of_a_frame() -> Iterator[Kinds]:
    class Narrow(Hub):
        def _report(self, finished: list[AttemptFinished]) -> None:
            super()._report(finished[:1])

    class Hoarding(Device):
        """Hands in what it has all at once, so that frames have several results."""

        def _hand_in(self, attempt: str, body: Mapping[str, Any]) -> None:
            self._later(1.0, self._hand_in_all)

        def _hand_in_all(self) -> None:
            on_the_way = {attempt for _, attempt in self._sent}
            for attempt, body in self._held.items():
                if attempt not in on_the_way and self.session.state is State.OPEN:
                    self._sent.append((self.session.send("result", body), attempt))
            self.flush()

    yield {"make_hub": Narrow, "make_device": Hoarding}


# ── the journal ─────────────────────────────────────────────────────────────────────────────────


@bug
def tears_its_last_commit() -> Iterator[Kinds]:
    class Torn(MemoryJournal):
        def commit(self, facts: Sequence[Fact]) -> None:
            if self.full and len(facts) > 1:
                for fact in facts[:-1]:
                    self._write(fact)
                raise JournalError("The disk is full.")
            super().commit(facts)

    yield {"make_journal": Torn}


@bug
def loses_commits_without_a_word() -> Iterator[Kinds]:
    class Lossy(MemoryJournal):
        def commit(self, facts: Sequence[Fact]) -> None:
            if not self.full:
                super().commit(facts)

    yield {"make_journal": Lossy}


@bug
def replays_all_but_the_last_fact() -> Iterator[Kinds]:
    class Forgetful(MemoryJournal):
        def replay(self, constellation: str, scheduler: Scheduler) -> None:
            rows = self._rows[constellation]
            if len(rows) > 3 and self._open.get(constellation):
                last = rows.pop()
                super().replay(constellation, scheduler)
                rows.append(last)
            else:
                super().replay(constellation, scheduler)

    yield {"make_journal": Forgetful}


@bug
def forgets_what_was_reopened() -> Iterator[Kinds]:
    class Final(MemoryJournal):
        def open_constellations(self) -> list[str]:
            ended = {
                name
                for name, rows in self._rows.items()
                if any(b"\xa5ended" in row for row in rows)
            }
            return [name for name in super().open_constellations() if name not in ended]

    yield {"make_journal": Final}


# ── sessions ────────────────────────────────────────────────────────────────────────────────────


@bug
def loses_a_message_when_it_resumes() -> Iterator[Kinds]:
    rewind = Outbox.rewind

    def lossy(self: Outbox, received: int) -> bool:
        found = rewind(self, received)
        if self._waiting:
            self._waiting[0] = self._waiting[-1]
        return found

    with replaced(Outbox, "rewind", lossy):
        yield {}


@bug
def forgets_to_send_again() -> Iterator[Kinds]:
    def keep(self: Outbox, received: int) -> bool:
        self._sent.extend(self._waiting)
        self._waiting.clear()
        return True

    with replaced(Outbox, "rewind", keep):
        yield {}


# ── devices ─────────────────────────────────────────────────────────────────────────────────────


@bug
def forgets_results_once_they_are_sent() -> Iterator[Kinds]:
    class Hasty(Device):
        def _hand_in(self, attempt: str, body: Mapping[str, Any]) -> None:
            super()._hand_in(attempt, body)
            self._held.pop(attempt, None)
            self._stored_results.pop(attempt, None)

    yield {"make_device": Hasty}


@bug
def forgets_what_it_had_begun() -> Iterator[Kinds]:
    class Forgetful(Device):
        def start(self) -> None:
            self._stored_begun.clear()
            super().start()

    yield {"make_device": Forgetful}


@bug
def does_not_say_what_runs() -> Iterator[Kinds]:
    class Silent(Device):
        def feed(self, event: Any) -> None:
            hello = getattr(event, "hello", None)
            if hello is not None:
                hello["running"] = []
            super().feed(event)

    yield {"make_device": Silent}


@bug
def does_not_say_what_it_holds() -> Iterator[Kinds]:
    class Silent(Device):
        def feed(self, event: Any) -> None:
            hello = getattr(event, "hello", None)
            if hello is not None:
                hello["held"] = []
            super().feed(event)

    yield {"make_device": Silent}


@bug
def does_not_hand_in_what_it_held() -> Iterator[Kinds]:
    class Lazy(Device):
        def _opened(self, resumed: bool) -> None:
            held, self._held = self._held, {}
            super()._opened(resumed)
            self._held = held

    yield {"make_device": Lazy}


# ── the scheduler ───────────────────────────────────────────────────────────────────────────────


@bug
def repeats_what_was_interrupted() -> Iterator[Kinds]:
    with replaced(retrying_module, "INTERRUPTED", "no such code"):
        yield {}


@bug
def repeats_what_was_lost_whatever_it_is() -> Iterator[Kinds]:
    lost = Outcomes.lost

    def reckless(self: Outcomes, device: HubDevice, attempt: Attempt, *more: Any) -> None:
        attempt.idempotent = True
        lost(self, device, attempt, *more)

    with replaced(Outcomes, "lost", reckless):
        yield {}


@bug
def believes_that_nothing_arrived() -> Iterator[Kinds]:
    joined = PresenceDesk.joined

    def forgetful(self: PresenceDesk, event: Any, now: float) -> None:
        object.__setattr__(event, "running", ())
        object.__setattr__(event, "held", ())
        joined(self, event, now)

    with replaced(PresenceDesk, "joined", forgetful):
        yield {}


@bug
def never_gives_up_a_device() -> Iterator[Kinds]:
    with (
        replaced(PresenceDesk, "begin_lease", lambda self, device, now: None),
        replaced(PresenceDesk, "lost", lambda self, event, now: None),
    ):
        yield {}


@bug
def keeps_what_was_never_sent() -> Iterator[Kinds]:
    with replaced(Outcomes, "unsent", lambda self, device, attempt, now: None):
        yield {}


@bug
def forgets_leases_when_it_restarts() -> Iterator[Kinds]:
    recover = Recovery.recover

    def forgetful(self: Recovery, now: float) -> None:
        with replaced(PresenceDesk, "begin_lease", lambda self, device, now: None):
            recover(self, now)

    with replaced(Recovery, "recover", forgetful):
        yield {}


@bug
def gives_a_device_too_much() -> Iterator[Kinds]:
    with replaced(HubDevice, "_limit", lambda self: 5):
        yield {}


@bug
def keeps_a_resource_for_ever() -> Iterator[Kinds]:
    release = SchedulerState.release

    def greedy(self: SchedulerState, device: HubDevice, attempt: Attempt) -> None:
        held = dict(self.resources)
        release(self, device, attempt)
        self.resources.update(held)

    with replaced(SchedulerState, "release", greedy):
        yield {}


@bug
def never_lets_go_of_what_is_under_revision() -> Iterator[Kinds]:
    with replaced(Control, "release", lambda self, run, task, now: None):
        yield {}


@bug
def forgets_to_retry() -> Iterator[Kinds]:
    with replaced(Dispatch, "retry", lambda self, run, task, now: None):
        yield {}


@bug
def begins_a_gang_bit_by_bit() -> Iterator[Kinds]:
    start_member = Gangs._start_member

    def hasty(self: Gangs, run: Any, gang: str, member: Any, *more: Any) -> None:
        if not member.id.endswith("[1]"):
            start_member(self, run, gang, member, *more)

    with replaced(Gangs, "_start_member", hasty):
        yield {}


@bug
def lets_the_rest_of_a_gang_run_on() -> Iterator[Kinds]:
    def lonely(self: Run, gang: str, *more: Any) -> list[Attempt]:
        regroup(self, gang, *more)
        return []

    regroup = Run.regroup
    with replaced(Run, "regroup", lonely):
        yield {}


@bug
def counts_any_end_as_success() -> Iterator[Kinds]:
    end = Outcomes.end

    def generous(self: Outcomes, run: Any, task: str, outcome: Outcome, *more: Any) -> Any:
        if outcome.state is TaskState.FAILED:
            outcome = Outcome(TaskState.COMPLETED, None, None)
        return end(self, run, task, outcome, *more)

    with replaced(Outcomes, "end", generous):
        yield {}
