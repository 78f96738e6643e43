"""Constellations out of the journal: those that a starting hub takes up, and those that have ended.

What is rebuilt from facts is what the hub had in memory when it wrote the last of them.
"""

from __future__ import annotations

from typing import NamedTuple

from .ports import JournalPort, JournalReader
from .run import Run
from .scheduler import Scheduler


class Replayed(NamedTuple):
    """How a constellation was rebuilt.

    Attributes:
        facts: how many were replayed.
        seq: number of the last fact that it includes.
    """

    facts: int
    seq: int


def replay(journal: JournalReader, constellation: str, scheduler: Scheduler) -> Replayed:
    """Let a scheduler take over a constellation: its snapshot if there is one, and what followed.

    Raises:
        JournalError: the journal is damaged.
    """
    saved = journal.saved(constellation)
    if saved.state is not None:
        scheduler.restore_run(saved.state)
    count, last = 0, saved.seq
    for seq, fact in journal.facts(constellation, after=saved.seq):
        scheduler.restore(fact)
        count, last = count + 1, seq
    return Replayed(count, last)


def read_back(journal: JournalPort, constellation: str) -> Run | None:
    """A constellation as its last fact left it; None if nothing is known of it.

    It reads beside the hub, and may run in another thread.

    Raises:
        JournalError: the journal is damaged or cannot be read.
    """
    scheduler = Scheduler()
    with journal.reader() as reader:
        replay(reader, constellation, scheduler)
    return scheduler.runs.get(constellation)


def save_snapshot(journal: JournalPort, constellation: str) -> None:
    """Make a snapshot of a constellation, so that a start need not replay what is before it.

    The state is taken from the journal, not from the hub, which goes on meanwhile: this may run in
    another thread, however large the constellation is.

    Raises:
        JournalError: the journal is damaged or cannot be read or written.
    """
    scheduler = Scheduler()
    with journal.reader() as reader:
        learned = reader.learned()
        if learned is not None:
            scheduler.restore_learned(learned)
        seq = replay(reader, constellation, scheduler).seq
    journal.save_snapshot(constellation, scheduler.snapshot_run(constellation), seq)
