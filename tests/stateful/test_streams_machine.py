"""How far streams are ahead of their readers, against what the definition says."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from constellation.orchestrator.streams import Grant, Instruction, Pump, Refuse, Streams, Trim

LAG = 3
KEPT = 20
SOURCES = ["s0", "s1", "s2"]
READERS = ["r0", "r1"]
sources = st.sampled_from(SOURCES)
readers = st.sampled_from(READERS)


class StreamsMachine(RuleBasedStateMachine):
    """Sources keep to their lag, as devices do; each item has one byte."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Streams(KEPT)
        self.granted: dict[str, int] = {}
        self.put_out: dict[str, int] = {}
        self.refused: set[str] = set()
        self.pumped: set[tuple[str, str]] = set()
        # What readers of each source do: how many items each has taken, None once it is done.
        self.reading: dict[tuple[str, str], int | None] = {}
        self.opened: set[tuple[str, str]] = set()

    def do(self, instructions: list[Instruction]) -> None:
        for each in instructions:
            match each:
                case Grant(source, items):
                    assert self.granted[source] < items <= self.put_out[source]
                    self.granted[source] = items
                case Refuse(source):
                    self.refused.add(source)
                case Trim(source, items):
                    # Nothing is forgotten that somebody who reads has not taken.
                    taken = [n for (_, s), n in self.reading.items() if s == source]
                    assert all(each is None or items <= each for each in taken)
                    self.machine.flows[source].size = self.put_out[source] - items
                case Pump(reader, source):
                    self.pumped.add((reader, source))

    def waits_elsewhere(self, reader: str, source: str) -> bool:
        return any(
            each == reader
            and other != source
            and (each, other) in self.opened
            and taken is not None
            and taken >= self.put_out[other]
            and not self.machine.flows[other].is_over
            for (each, other), taken in self.reading.items()
        )

    def binding(self, source: str) -> list[int]:
        return [
            taken
            for (reader, other), taken in self.reading.items()
            if other == source and taken is not None and not self.waits_elsewhere(reader, source)
        ]

    # ── what happens ────────────────────────────────────────────────────────────────────────────

    @rule(source=sources)
    def begin(self, source: str) -> None:
        self.machine.begin(source)
        self.granted.setdefault(source, 0)
        self.put_out.setdefault(source, 0)

    @rule(source=sources, count=st.integers(1, 5))
    def put(self, source: str, count: int) -> None:
        flow = self.machine.flows.get(source)
        if flow is None or flow.is_complete or flow.is_over or source in self.refused:
            return
        room = LAG - (self.put_out[source] - self.granted[source])
        for _ in range(min(count, room)):
            # The granted count must be looked at anew: an item that was granted makes room.
            self.put_out[source] += 1
            before = {pair for pair in self.opened if pair[1] == source}
            self.pumped.clear()
            self.do(self.machine.wrote(source, 1, 1))
            assert before <= self.pumped

    @rule(source=sources)
    def complete(self, source: str) -> None:
        flow = self.machine.flows.get(source)
        if flow is not None and not flow.is_over:
            self.do(self.machine.completes(source))
            assert self.granted[source] == self.put_out[source]

    @rule(source=sources, well=st.booleans())
    def end(self, source: str, well: bool) -> None:
        if source in self.machine.flows:
            self.do(self.machine.ends(source, None if well else {"code": "x"}))

    @rule(source=sources)
    def drop(self, source: str) -> None:
        self.machine.drop(source)
        self.refused.discard(source)
        for known in (self.granted, self.put_out):
            known.pop(source, None)
        for pair in [*self.reading]:
            if pair[1] == source:
                del self.reading[pair]
                self.opened.discard(pair)

    @rule(reader=readers, source=sources)
    def join(self, reader: str, source: str) -> None:
        if source in self.machine.flows:
            self.do(self.machine.joins(reader, source))
            self.reading.setdefault((reader, source), 0)

    @rule(reader=readers, source=sources)
    def open(self, reader: str, source: str) -> None:
        """Also again, after a session was lost."""
        taken = self.reading.get((reader, source))
        if taken is not None:
            self.opened.add((reader, source))
            self.do(self.machine.opens(reader, source, taken))

    @rule(reader=readers, source=sources, count=st.integers(1, 4))
    def take(self, reader: str, source: str, count: int) -> None:
        taken = self.reading.get((reader, source))
        if taken is not None and (reader, source) in self.opened:
            taken = min(taken + count, self.put_out[source])
            self.reading[reader, source] = taken
            self.do(self.machine.took(reader, source, taken))

    @rule(reader=readers, source=sources)
    def away(self, reader: str, source: str) -> None:
        self.machine.away(reader, source)
        self.opened.discard((reader, source))

    @rule(reader=readers, source=sources)
    def close(self, reader: str, source: str) -> None:
        if (reader, source) in self.reading:
            self.reading[reader, source] = None
            self.opened.discard((reader, source))
        self.do(self.machine.closes(reader, source))

    @rule(reader=readers, source=sources)
    def leave(self, reader: str, source: str) -> None:
        if (reader, source) in self.reading:
            del self.reading[reader, source]
            self.opened.discard((reader, source))
            self.do(self.machine.leaves(reader, source))

    # ── what must be so ─────────────────────────────────────────────────────────────────────────

    @invariant()
    def nothing_is_further_ahead_than_the_lag(self) -> None:
        for source, count in self.put_out.items():
            assert count - self.granted[source] <= LAG

    @invariant()
    def nobody_waits_who_need_not(self) -> None:
        for source, flow in self.machine.flows.items():
            binding = self.binding(source)
            if source not in self.refused and not flow.is_over:
                least = min([*binding, self.put_out[source]])
                assert self.granted[source] >= least

    @invariant()
    def only_what_nobody_reads_is_refused(self) -> None:
        for source in self.refused:
            assert self.put_out[source] > KEPT


class OneReader(RuleBasedStateMachine):
    """With one reader of one stream the bound is strict, and nothing gets stuck."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Streams(KEPT)
        self.machine.begin("s")
        self.machine.joins("r", "s")
        self.machine.opens("r", "s", 0)
        self.put_out = self.granted = self.taken = 0

    def do(self, instructions: list[Instruction]) -> None:
        for each in instructions:
            assert not isinstance(each, Refuse)
            if isinstance(each, Grant):
                self.granted = each.items

    @rule()
    def put(self) -> None:
        if self.put_out - self.granted < LAG:
            self.put_out += 1
            self.do(self.machine.wrote("s", 1, 1))

    @rule(count=st.integers(1, 3))
    def take(self, count: int) -> None:
        self.taken = min(self.taken + count, self.put_out)
        self.do(self.machine.took("r", "s", self.taken))

    @rule()
    def come_again(self) -> None:
        self.machine.away("r", "s")
        self.do(self.machine.opens("r", "s", self.taken))

    @invariant()
    def bounded(self) -> None:
        assert self.put_out - self.taken <= LAG
        assert self.granted == self.taken


TestStreams = StreamsMachine.TestCase
TestStreams.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestOneReader = OneReader.TestCase
TestOneReader.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
