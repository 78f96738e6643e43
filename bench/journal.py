"""The journal: CPU for each event beside plain SQLite, and how fast a hub is rebuilt from it.

Events are facts as the scheduler makes them: the machine itself runs layered graphs on a device
that answers at once. What is replayed is replayed as a starting hub does it, from the opening of
the file to the first assignments.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar, get_args

import msgpack

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.graph.edits import Batch
from constellation.graph.task import Outcome, TaskState
from constellation.orchestrator.archive import save_snapshot
from constellation.orchestrator.events import (
    Assign,
    AttemptFinished,
    AttemptsFinished,
    DeviceJoined,
    Fact,
    Instruction,
    Submitted,
)
from constellation.orchestrator.journal import Journal, Sync
from constellation.orchestrator.pipeline import Pipeline
from constellation.orchestrator.scheduler import Scheduler
from constellation.orchestrator.telemetry import Telemetry

from .harness import Options, Report, Summary, interleave, summarise
from .workloads import SKILL, layered

T = TypeVar("T", bound=Sized)

EVENTS_PER_COMMIT = (1, 10, 100)
WIDTH = 100
US = 1e6


@dataclass(frozen=True, slots=True)
class Cost:
    """What an event cost, seconds of CPU and seconds."""

    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Start:
    """How a hub was rebuilt: events replayed, seconds and seconds of CPU."""

    replayed: int
    wall_s: float
    cpu_s: float


def run(options: Options) -> Report:
    """Measure, in a folder of its own."""
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        _report_writing(report, options, Path(folder))
        _report_replay(report, options, Path(folder))
    report.notes.append(
        "A commit in normal mode survives a killed process, in full mode a power cut as well; off "
        "is for measurements."
    )
    return report


# ── writing ─────────────────────────────────────────────────────────────────────────────────────


def _report_writing(report: Report, options: Options, folder: Path) -> None:
    wakes = list(_wakes("c-bench", options.size(10_000, 200)))
    # The first ones build the graph; what is written again and again comes after them.
    facts = list(chain.from_iterable(wakes[1:]))
    cases: dict[tuple[str, Sync, int], Callable[[], Cost]] = {
        (who, sync, per_commit): partial(write, folder, sync, _commits(facts, per_commit, sync))
        for per_commit in EVENTS_PER_COMMIT
        for sync in get_args(Sync)
        for who, write in (("journal", _write_journal), ("sqlite", _write_plain))
    }
    found = interleave(cases, options.times(5))
    table = report.table(
        "Writing an event: µs of CPU (and of time)",
        "events a commit",
        *(f"{who}, {sync}" for sync in get_args(Sync) for who in ("journal", "sqlite")),
    )
    data = report.data.setdefault("write", {})
    for per_commit in EVENTS_PER_COMMIT:
        row = []
        for sync in get_args(Sync):
            for who in ("journal", "sqlite"):
                costs = found[who, sync, per_commit]
                cpu = summarise([cost.cpu_s * US for cost in costs])
                wall = summarise([cost.wall_s * US for cost in costs])
                row.append(f"{cpu} ({wall.median:.1f})")
                place = data.setdefault(sync, {}).setdefault(str(per_commit), {})
                place[who] = {"cpu_us": cpu.to_plain(), "wall_us": wall.to_plain()}
        table.add_row(str(per_commit), *row)


def _commits(facts: Sequence[Fact], per_commit: int, sync: Sync) -> list[Sequence[Fact]]:
    # A sync takes long: fewer commits say as much.
    commits = min(len(facts) // per_commit, 500 if sync == "full" else 5_000)
    return [facts[n * per_commit : (n + 1) * per_commit] for n in range(commits)]


def _write_journal(folder: Path, sync: Sync, commits: Sequence[Sequence[Fact]]) -> Cost:
    with (
        tempfile.TemporaryDirectory(dir=folder) as fresh,
        Journal(Path(fresh) / "journal.db", sync=sync) as journal,
    ):
        return _timed(commits, journal.commit)


def _write_plain(folder: Path, sync: Sync, commits: Sequence[Sequence[Fact]]) -> Cost:
    """The least that SQLite can do: a row with a blob for each event, one transaction a commit."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        db = sqlite3.connect(Path(fresh) / "plain.db", isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={sync}")
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, fact BLOB)")
        rows = [
            [(msgpack.packb((fact.time, fact.kind, fact.body)),) for fact in facts]
            for facts in commits
        ]

        def commit(facts: list[tuple[bytes]]) -> None:
            db.execute("BEGIN")
            db.executemany("INSERT INTO events (fact) VALUES (?)", facts)
            db.execute("COMMIT")

        cost = _timed(rows, commit)
        db.close()
        return cost


def _timed(commits: Sequence[T], commit: Callable[[T], object]) -> Cost:
    events = sum(map(len, commits))
    cpu, wall = time.process_time(), time.perf_counter()
    for facts in commits:
        commit(facts)
    return Cost((time.process_time() - cpu) / events, (time.perf_counter() - wall) / events)


# ── replay ──────────────────────────────────────────────────────────────────────────────────────


def _report_replay(report: Report, options: Options, folder: Path) -> None:
    hundred_thousand = options.size(100_000, 1_000)
    a_million = options.size(1_000_000, 10_000)
    paths = {
        "no snapshot": folder / "plain.db",
        "with snapshots": folder / "snapshots.db",
    }
    events = {
        "no snapshot": _write_open(paths["no snapshot"], hundred_thousand),
        "with snapshots": _write_long(paths["with snapshots"], a_million),
    }
    cases = {name: partial(_start, path) for name, path in paths.items()}
    found = interleave(cases, options.times(3))
    table = report.table(
        "A hub rebuilt from its journal", "", "events", "replayed", "s", "s of CPU", "MB"
    )
    for name, starts in found.items():
        wall: Summary = summarise([start.wall_s for start in starts])
        cpu = summarise([start.cpu_s for start in starts])
        replayed, size = starts[0].replayed, paths[name].stat().st_size
        table.add_row(
            name, f"{events[name]:,}", f"{replayed:,}", str(wall), str(cpu), f"{size / 1e6:.0f}"
        )
        report.data.setdefault("replay", {})[name.replace(" ", "_")] = {
            "events": events[name],
            "replayed": replayed,
            "s": wall.to_plain(),
            "cpu_s": cpu.to_plain(),
            "bytes": size,
        }


def _write_open(path: Path, events: int) -> int:
    """A journal of one constellation that has not ended."""
    with Journal(path, sync="off") as journal:
        for facts in _wakes("c-open", events // 2 + WIDTH):
            journal.commit(facts)
            if journal.seq >= events:
                break
        return journal.seq


def _write_long(path: Path, events: int) -> int:
    """A journal of ten constellations, of which the last has not ended and has a snapshot."""
    tasks = events // 20
    with Journal(path, sync="off") as journal:
        for number in range(9):
            name = f"c-{number}"
            for facts in _wakes(name, tasks):
                ended = facts[-1].kind == "ended"
                journal.commit(facts, {name: {"id": name}} if ended else {})
        for facts in _wakes("c-open", tasks):
            if facts[-1].kind == "ended":
                break
            journal.commit(facts)
            if journal.seq < events * 0.98 <= journal.seq + len(facts):
                save_snapshot(journal, "c-open")
        return journal.seq


def _start(path: Path) -> Start:
    """Open a journal and rebuild the hub."""
    wall, cpu = time.perf_counter(), time.process_time()
    with Journal(path, sync="off") as journal:
        pipeline = Pipeline(
            Scheduler(), journal, act=_ignore, publish=_ignore_facts, telemetry=Telemetry()
        )
        pipeline.recover()
    return Start(pipeline.replayed, time.perf_counter() - wall, time.process_time() - cpu)


def _ignore(instruction: Instruction) -> None:
    pass


def _ignore_facts(facts: list[Fact], last: int) -> None:
    pass


# ── what is written ─────────────────────────────────────────────────────────────────────────────


def _wakes(name: str, tasks: int) -> Iterator[list[Fact]]:
    """The facts of a constellation that runs from beginning to end, wake-up by wake-up."""
    scheduler = Scheduler()
    card = DeviceCard(
        name="desk", skills=(SkillCard(name=SKILL, effect="read", idempotent=True),), capacity=64
    )
    now = 1.8e9
    scheduler.handle(DeviceJoined(card), now)
    batch = Batch(tuple(layered(WIDTH, max(1, tasks // WIDTH))))
    instructions = scheduler.handle(Submitted(name, batch), now)
    while facts := [each for each in instructions if isinstance(each, Fact)]:
        yield facts
        now += 0.001
        finished = [
            AttemptFinished("desk", each.body["attempt"], Outcome(TaskState.COMPLETED, n), 0.001)
            for n, each in enumerate(instructions)
            if isinstance(each, Assign)
        ]
        instructions = scheduler.handle(AttemptsFinished(finished), now)
