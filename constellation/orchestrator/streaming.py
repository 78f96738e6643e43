"""Streams between tasks, as the hub carries them: from one device to disk, and on to others.

Nothing of it is in the journal but that a stream has begun. A hub that is killed finds on disk what
it had acknowledged; sources send the rest again, and readers say how far they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from constellation.aip.items import EMIT, ITEMS
from constellation.aip.pipes import IncomingStream
from constellation.aip.pipes import Streams as Pipes
from constellation.errors import (
    ConstellationError,
    LimitExceeded,
    PermissionDenied,
    RemoteProtocolError,
    TaskCanceled,
    UpstreamFailed,
)
from constellation.graph.node import Node

from .attempts import AttemptName, Life, attempt_id, read_attempt_id
from .carrying import Reader, Source, anew, forgotten
from .events import Event, Fact, StreamBegan
from .readers import ended_whole
from .run import Run
from .scheduler import Scheduler
from .spool import Spools
from .streams import KEPT_BYTES, Grant, Instruction, Pump, Refuse, Streams, Trim


@runtime_checkable
class StreamPeer(Protocol):
    """A session that streams come and go by."""

    @property
    def name(self) -> str: ...

    @property
    def role(self) -> str: ...

    @property
    def streams(self) -> Pipes: ...


class Streaming:
    """All streams between the tasks of a hub.

    Args:
        spools: where what is put out is kept.
        scheduler: knows what runs.
        feed: gives an event to the scheduler, and lets its effects out.
        others: takes streams that are none of these.
        kept_bytes: see `Streams`.

    Attributes:
        machine: who may be how far.
    """

    def __init__(
        self,
        spools: Spools,
        scheduler: Scheduler,
        feed: Callable[[Event], None],
        others: Callable[[Any, IncomingStream], None],
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self.machine = Streams(kept_bytes)
        self._spools = spools
        self._scheduler = scheduler
        self._feed = feed
        self._others = others
        self._sources: dict[str, dict[str, Source]] = {}
        self._readers: dict[tuple[str, str], Reader] = {}

    def recover(self) -> None:
        """After a start: forget what belongs to constellations that have ended."""
        self._spools.keep(self._scheduler.runs)

    def close(self) -> None:
        """Let go of all files; what is in them stays."""
        for sources in self._sources.values():
            for source in sources.values():
                source.spool.close()

    # ── what devices say ────────────────────────────────────────────────────────────────────────

    def take(self, peer: StreamPeer, stream: IncomingStream) -> None:
        """A peer opened a stream."""
        if stream.label != EMIT:
            self._others(peer, stream)
            return
        try:
            id, index = stream.meta.get("attempt"), stream.meta.get("index")
            if not isinstance(id, str) or type(index) is not int or index < 0:
                raise RemoteProtocolError("A stream 'emit' has an 'attempt' and an 'index'.")
            if stream.qos != "reliable":
                raise RemoteProtocolError("A stream 'emit' is reliable.")
            name = self._running(peer, id)
            source = self._source(name, id)
            source.come_from(stream, index)
            if source.spool.items:
                # The hub may have been killed before it remembered so.
                self._say_that_it_began(source)
        except ConstellationError as error:
            stream.refuse(error)

    def read(self, peer: object, body: Mapping[str, Any]) -> None:
        """A device asks for what another task puts out.

        Raises:
            ConstellationError: its attempt reads no such stream.
        """
        if not isinstance(peer, StreamPeer):
            raise PermissionDenied("Streams between tasks do not pass gateways.")
        reader, task, index = body["attempt"], body["task"], body["index"]
        name = self._running(peer, reader)
        run = self._scheduler.runs[name.constellation]
        dependency = run.constellation.nodes[name.task].incoming.get(task)
        if dependency is None or dependency.condition != "stream":
            raise PermissionDenied(f"{reader} does not read {task!r}.", attempt=reader)
        id = self._read_by(run, reader, run.constellation.nodes[task])
        try:
            if body.get("source") not in (None, id):
                raise anew(task)
            source = self._source(_named(id), id, known=True)
            self._sync(run)
            if id not in self.machine.flows:
                raise anew(task)
            offset = source.spool.find(index)
        except (ConstellationError, LookupError) as error:
            why = error if isinstance(error, ConstellationError) else forgotten(id)
            peer.streams.open_bytes(ITEMS, {"attempt": reader, "source": id}).close(why)
            return
        if (older := self._readers.pop((reader, id), None)) is not None:
            older.stop()
        self.machine.joins(reader, id)
        self._readers[reader, id] = Reader(self, reader, source, peer.streams, index, offset)
        self._do(self.machine.opens(reader, id, index))

    def _running(self, peer: StreamPeer, attempt: str) -> AttemptName:
        device = self._scheduler.devices.get(peer.name)
        found = None if device is None else device.running.get(attempt)
        if found is None or peer.role != "device":
            raise PermissionDenied(f"{peer.name} does not run {attempt[:200]!r}.")
        if found.life not in (Life.RUNNING, Life.ASKING):
            raise TaskCanceled(f"{attempt} was told to stop.")
        return _named(attempt)

    # ── sources and readers ─────────────────────────────────────────────────────────────────────

    def _source(self, name: AttemptName, id: str, *, known: bool = False) -> Source:
        """A source; ``known`` wants one of which something is kept."""
        sources = self._sources.setdefault(name.constellation, {})
        found = sources.get(id)
        if found is None:
            place = name.constellation, _place(name)
            if known and not self._spools.has(*place):
                raise forgotten(id)
            found = sources[id] = Source(self, id, self._spools.open(*place))
            self.machine.begin(id, found.spool.items, found.spool.size)
            self._sync(self._scheduler.runs[name.constellation])
        return found

    def _read_by(self, run: Run, reader: str, node: Node) -> str:
        """The attempt of a task that a reader reads: that with which it began."""
        for id, source in self._sources.get(run.id, {}).items():
            if source.is_void and _named(id).task == node.id and self._cursor(reader, id):
                return id
        return attempt_id(run.id, node.id, node.attempt)

    def _cursor(self, reader: str, source: str) -> bool:
        return self.machine.cursor(reader, source) is not None

    def wrote(self, source: Source, items: int, size: int) -> None:
        """Items are kept."""
        if items:
            self._say_that_it_began(source)
        self._do(self.machine.wrote(source.id, items, size))

    def _say_that_it_began(self, source: Source) -> None:
        name = _named(source.id)
        run = self._scheduler.runs[name.constellation]
        attempt, node = run.live.get(name.task), run.constellation.nodes[name.task]
        if attempt is not None and attempt.id == source.id and not node.flowing:
            self._feed(StreamBegan(attempt.device, source.id))
            # Whoever begins by that counts from now on, be the journal quick or slow.
            self._sync(run)

    def completes(self, source: Source) -> None:
        """No items follow."""
        self._do(self.machine.completes(source.id))

    def took(self, reader: str, source: Source, taken: int) -> None:
        """A reader has taken so many items."""
        if self._cursor(reader, source.id):
            self._do(self.machine.took(reader, source.id, taken))

    def away(self, reader: str, source: Source) -> None:
        """The session of a reader's device was lost."""
        self._readers.pop((reader, source.id), None)
        self.machine.away(reader, source.id)

    def closes(self, reader: str, source: Source) -> None:
        """A reader wants no more."""
        self._readers.pop((reader, source.id), None)
        self._do(self.machine.closes(reader, source.id))

    def _do(self, instructions: Iterable[Instruction]) -> None:
        for each in instructions:
            sources = self._sources.get(_named(each.source).constellation, {})
            source = sources.get(each.source)
            if source is None:
                continue
            match each:
                case Grant(_, items):
                    source.grant(items)
                case Pump(reader, id) if (reader, id) in self._readers:
                    self._readers[reader, id].pump()
                case Trim(id, items):
                    source.spool.trim(items)
                    self.machine.flows[id].size = source.spool.size
                case Refuse():
                    self._has_no_readers(source)

    def _has_no_readers(self, source: Source) -> None:
        name = _named(source.id)
        node = self._scheduler.runs[name.constellation].constellation.nodes.get(name.task)
        if node is None or not node.feeds:
            source.let_run()
            return
        kept = f"{source.spool.size / 2**20:.0f} MiB"
        source.refuse(
            LimitExceeded(
                f"{name.task} has put out {kept}, and no task that reads it runs.",
                remedy="See why they wait, or let them wait for its output instead.",
            )
        )

    # ── what becomes of attempts ────────────────────────────────────────────────────────────────

    def published(self, facts: Sequence[Fact]) -> None:
        """Facts are so: attempts that read or put out may have begun or ended by them."""
        if not self._sources:
            return
        for name in dict.fromkeys(fact.constellation for fact in facts):
            if name in self._sources:
                run = self._scheduler.runs.get(name)
                if run is None or run.ended_at is not None:
                    self._drop(name)
                else:
                    self._sync(run)

    def _drop(self, constellation: str) -> None:
        for id, source in self._sources.pop(constellation).items():
            for reader in self.machine.readers(id):
                self._stop(reader, id)
            source.refuse(TaskCanceled("Its constellation has ended."))
            self.machine.drop(id)
            source.spool.close()
        self._spools.forget(constellation)

    def _sync(self, run: Run) -> None:
        """Bring the streams of a constellation in line with what runs."""
        sources = self._sources.get(run.id, {})
        for id, source in list(sources.items()):
            name = _named(id)
            node = run.constellation.nodes.get(name.task)
            running = any(each.id == id for each in run.attempts(name.task))
            if not running:
                self._ended(source, node, name)
            reading = self._reading(run, node, id)
            for reader in self.machine.readers(id):
                if reader not in reading:
                    self._stop(reader, id)
                    self._do(self.machine.leaves(reader, id))
            if source.is_void:
                if not self.machine.readers(id):
                    self.machine.drop(id)
                    del sources[id]
                    source.spool.close()
                    self._spools.forget(run.id, _place(name))
                continue
            for reader in reading:
                self.machine.joins(reader, id)

    def _reading(self, run: Run, node: Node | None, id: str) -> list[str]:
        """The attempts that read a source, or will."""
        targets = {} if node is None else node.outgoing
        found = [
            attempt.id
            for target, dependency in targets.items()
            if dependency.condition == "stream"
            for attempt in run.attempts(target)
        ]
        others = [
            each.id
            for each in self._sources.get(run.id, {}).values()
            if each.is_void and each.id != id and node and _named(each.id).task == node.id
        ]
        # Who reads an attempt that was given up does not read the next one.
        return [each for each in found if not any(self._cursor(each, other) for other in others)]

    def _ended(self, source: Source, node: Node | None, name: AttemptName) -> None:
        error: ConstellationError | None = None
        if node is None or not node.ended or node.attempt != name.number:
            source.is_void = True
            error = anew(name.task)
        elif not ended_whole(node):
            why = str((node.error or {}).get("message") or "no reason was given")
            error = UpstreamFailed(
                f"Task {name.task}, which it reads, is {node.state}: {why}",
                remedy=f"Retry {name.task}.",
                task=name.task,
                state=str(node.state),
            )
        source.refuse(TaskCanceled("Its attempt is over."))
        self._do(self.machine.ends(source.id, None if error is None else error.to_wire()))

    def _stop(self, reader: str, source: str) -> None:
        way = self._readers.pop((reader, source), None)
        if way is not None:
            way.stop()


def _named(attempt: str) -> AttemptName:
    name = read_attempt_id(attempt)
    if name is None:
        raise RemoteProtocolError(f"{attempt[:200]!r} is no attempt.")
    return name


def _place(name: AttemptName) -> str:
    return f"{name.task}-{name.number}"
