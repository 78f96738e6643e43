"""Bugs of streams between tasks, for the simulation to find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from planted_bugs import replaced

from constellation.orchestrator import outcomes as outcomes_module
from constellation.orchestrator.carrying import Source
from constellation.orchestrator.streaming import Streaming
from constellation.orchestrator.streams import Streams

Kinds = Mapping[str, Any]
STREAM_BUGS: dict[str, Callable[[], AbstractContextManager[Kinds]]] = {}


def bug(make: Callable[[], Iterator[Kinds]]) -> None:
    STREAM_BUGS[make.__name__] = contextmanager(make)


@bug
def keeps_what_is_sent_again_twice() -> Iterator[Kinds]:
    with replaced(Source, "_unknown", lambda self, data: data):
        yield {}


@bug
def reads_on_from_the_next_attempt() -> Iterator[Kinds]:
    read = Streaming.read

    def careless(self: Streaming, peer: object, body: Mapping[str, Any]) -> None:
        read(self, peer, {**body, "source": None})

    with (
        replaced(Streaming, "read", careless),
        replaced(Streaming, "_cursor", lambda self, reader, source: False),
    ):
        yield {}


@bug
def waits_for_readers_that_are_gone() -> Iterator[Kinds]:
    with replaced(Streams, "leaves", lambda self, reader, source: []):
        yield {}


@bug
def takes_what_is_complete_for_done() -> Iterator[Kinds]:
    completes = Streams.completes

    def hasty(self: Streams, source: str) -> Any:
        return [*completes(self, source), *self.ends(source, None)]

    with replaced(Streams, "completes", hasty):
        yield {}


@bug
def lets_readers_of_what_begins_anew_wait() -> Iterator[Kinds]:
    def forgets(run: Any, task: str) -> list[Any]:
        return []

    with (
        replaced(outcomes_module, "begin_anew", forgets),
        replaced(Streaming, "_ended", lambda self, source, node, name: None),
    ):
        yield {}


@bug
def acknowledges_before_it_keeps() -> Iterator[Kinds]:
    write = Source.write

    def hasty(self: Source, data: bytes) -> None:
        # The last item that came is acknowledged, and in no file.
        if self.spool.items % 7 == 3 and self._skip == 0:
            self._index += data.count(b"\n")
            self._took(len(data))
            return
        write(self, data)

    with replaced(Source, "write", hasty):
        yield {}
