"""Throw wrong inputs at whatever reads bytes of strangers; only typed refusals may come of it.

python tests/fuzz/fuzz.py --inputs 1000000 --seed 7           all targets, in their shares
python tests/fuzz/fuzz.py --targets session,bridge --seconds 600 --ledger runs.jsonl
python tests/fuzz/fuzz.py --replay fuzz-failure.json          what failed, once more
python tests/fuzz/fuzz.py --report runs.jsonl                 the sum of many runs
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import logging
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fuzz_aip
import fuzz_bridges
import fuzz_faces
import psutil
from fuzz_target import Defect, Target, run_batch

# Of processor time, for one batch: an input that takes so long would hold up everybody.
HANG_S = 30.0
GROWTH_MIB = 48.0
NOTE_EVERY_S = 30.0
FAILURE = Path("fuzz-failure.json")


@dataclass(slots=True)
class Tally:
    """What was tried on a target.

    Attributes:
        inputs: all of them.
        good: those that were no mistake.
        seconds: of processor time.
        slowest_s: the longest batch.
    """

    inputs: int = 0
    good: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0

    def add(self, other: Tally) -> None:
        """Take in another's."""
        self.inputs += other.inputs
        self.good += other.good
        self.seconds += other.seconds
        self.slowest_s = max(self.slowest_s, other.slowest_s)


class Hang(BaseException):
    """A batch took too long. Nobody who catches errors catches this."""


def all_targets() -> dict[str, Target]:
    """Every target, by name."""
    parts = (fuzz_aip, fuzz_bridges, fuzz_faces)
    return {each.name: each for part in parts for each in part.targets()}


def chosen(names: str) -> list[Target]:
    """Targets whose names begin with one of these, which commas divide.

    Raises:
        SystemExit: there is none.
    """
    wanted = tuple(names.split(","))
    found = [each for name, each in all_targets().items() if name.startswith(wanted)]
    if not found:
        raise SystemExit(f"There is no such target; there are: {', '.join(all_targets())}")
    return found


class Run:
    """One process at work.

    Args:
        targets: are hit in turn, each by its share.
        seed: with the number of a batch it gives the batch's inputs.
        ledger: takes a line for each target, twice a minute.
    """

    def __init__(self, targets: Sequence[Target], seed: int, ledger: Path | None) -> None:
        self.tallies = {each.name: Tally() for each in targets}
        self._targets = targets
        self._seed = seed
        self._ledger = ledger
        self._noted = {each.name: Tally() for each in targets}
        self._batches = dict.fromkeys(self.tallies, 0)
        self.warm_bytes = self.bytes = 0

    def go(self, inputs: int, seconds: float) -> None:
        """Try until so many inputs were tried, or so long; 0 is no bound.

        Raises:
            SystemExit: an input did what none may do; it is saved.
        """
        signal.signal(signal.SIGPROF, _hang)
        began = noted = time.monotonic()
        done = 0
        left = {
            each.name: inputs * each.share / sum(one.share for one in self._targets)
            for each in self._targets
        }
        while True:
            target = min(self._targets, key=self._progress)
            if inputs and self.tallies[target.name].inputs >= left[target.name]:
                break
            done += self._batch(target)
            now = time.monotonic()
            if not self.warm_bytes and all(self._batches.values()):
                gc.collect()
                self.warm_bytes = _resident()
            if now - noted >= NOTE_EVERY_S:
                noted = now
                self._note()
            if seconds and now - began >= seconds:
                break
        gc.collect()
        self.bytes = _resident()
        self._note()

    def _progress(self, target: Target) -> float:
        return self.tallies[target.name].inputs / target.share

    def _batch(self, target: Target) -> int:
        number = self._batches[target.name]
        self._batches[target.name] += 1
        inputs = target.inputs(self._seed, number)
        signal.setitimer(signal.ITIMER_PROF, HANG_S)
        began = time.process_time()
        try:
            good = run_batch(target.start(), inputs)
        except Defect as defect:
            signal.setitimer(signal.ITIMER_PROF, 0)
            save(target, self._seed, number, defect)
            raise SystemExit(1) from None
        signal.setitimer(signal.ITIMER_PROF, 0)
        took = time.process_time() - began
        self.tallies[target.name].add(Tally(len(inputs), good, took, took))
        return len(inputs)

    def _note(self) -> None:
        if self._ledger is None:
            return
        with self._ledger.open("a") as file:
            for name, tally in self.tallies.items():
                before = self._noted[name]
                row = {
                    "target": name,
                    "seed": self._seed,
                    "inputs": tally.inputs - before.inputs,
                    "good": tally.good - before.good,
                    "seconds": tally.seconds - before.seconds,
                    "slowest_s": tally.slowest_s,
                    "rss": _resident(),
                }
                self._noted[name] = Tally(**asdict(tally))
                if row["inputs"]:
                    file.write(json.dumps(row) + "\n")


def _hang(*_: object) -> None:
    raise Hang(f"a batch took more than {HANG_S:.0f} s of processor time")


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


def save(target: Target, seed: int, number: int, defect: Defect) -> None:
    """Write down what failed, so that `--replay` finds it again."""
    cause = "".join(traceback.format_exception(defect.__cause__))
    found = {
        "target": target.name,
        "seed": seed,
        "batch": number,
        "index": defect.index,
        "input": defect.data.hex(),
        "error": cause,
    }
    FAILURE.write_text(json.dumps(found, indent=1))
    sys.stdout.write(
        f"{target.name}: batch {number}, input {defect.index}: {defect.data[:300]!r}\n{cause}"
        f"Saved; again: python tests/fuzz/fuzz.py --replay {FAILURE}\n"
    )


def replay(path: Path) -> int:
    """Try a saved failure once more: its input alone, and then the batch up to it."""
    found = json.loads(path.read_text())
    target = all_targets()[found["target"]]
    data = bytes.fromhex(found["input"])
    batch = target.inputs(found["seed"], found["batch"])[: found["index"]]
    failed = False
    for what, inputs in (("alone", [data]), ("after those before it", [*batch, data])):
        try:
            run_batch(target.start(), inputs)
        except Defect as defect:
            failed = True
            sys.stdout.write(f"{what}: it fails\n")
            traceback.print_exception(defect.__cause__, file=sys.stdout)
            break
        sys.stdout.write(f"{what}: it passes\n")
    return int(failed)


def work(arguments: argparse.Namespace, seed: int, inputs: int) -> tuple[dict[str, Tally], float]:
    """Run in this process; return what was tried, and by how many MiB it grew after its start."""
    faulthandler.enable()
    # Some bridges log each wrong input, which takes longer than reading it.
    logging.disable(logging.CRITICAL)
    run = Run(chosen(arguments.targets), seed, arguments.ledger)
    run.go(inputs, arguments.seconds)
    return run.tallies, (run.bytes - run.warm_bytes) / 1024**2


def table(tallies: Mapping[str, Tally]) -> Iterable[str]:
    """What was tried, in lines."""
    yield f"{'target':<28}{'inputs':>14}{'good':>13}{'inputs/s':>10}{'longest batch, s':>18}"
    whole = Tally()
    for name, tally in tallies.items():
        whole.add(tally)
        yield _row(name, tally)
    yield _row("all", whole)


def _row(name: str, tally: Tally) -> str:
    rate = tally.inputs / (tally.seconds or 1)
    return f"{name:<28}{tally.inputs:>14,}{tally.good:>13,}{rate:>10,.0f}{tally.slowest_s:>18.2f}"


def report(path: Path) -> int:
    """Sum up a ledger."""
    tallies: dict[str, Tally] = {}
    seeds: set[int] = set()
    for line in path.read_text().splitlines():
        row: dict[str, Any] = json.loads(line)
        seeds.add(row["seed"])
        tally = tallies.setdefault(row["target"], Tally())
        tally.add(Tally(row["inputs"], row["good"], row["seconds"], row["slowest_s"]))
    sys.stdout.write("\n".join(table(tallies)) + f"\nseeds: {sorted(seeds)}\n")
    return 0


def main() -> int:
    """Read the arguments, fuzz, say what was tried."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--targets", default="", help="beginnings of names; all by default")
    parser.add_argument("--inputs", type=int, default=0, help="in all")
    parser.add_argument("--seconds", type=float, default=0.0, help="at most so long")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--ledger", type=Path, help="takes what was tried")
    parser.add_argument("--replay", type=Path, metavar="FILE")
    parser.add_argument("--report", type=Path, metavar="LEDGER")
    arguments = parser.parse_args()
    if arguments.replay:
        return replay(arguments.replay)
    if arguments.report:
        return report(arguments.report)
    if not arguments.inputs and not arguments.seconds:
        arguments.inputs = 1_000_000
    sys.stdout.write(f"seed {arguments.seed}\n")
    began = time.monotonic()
    share = arguments.inputs // arguments.processes
    tallies = {each.name: Tally() for each in chosen(arguments.targets)}
    growth = 0.0
    if arguments.processes == 1:
        found = [work(arguments, arguments.seed, share)]
    else:
        seeds = range(arguments.seed, arguments.seed + arguments.processes)
        with ProcessPoolExecutor(arguments.processes) as pool:
            jobs = [pool.submit(work, arguments, seed, share) for seed in seeds]
            found = [job.result() for job in jobs]
    for theirs, grown in found:
        growth = max(growth, grown)
        for name, tally in theirs.items():
            tallies[name].add(tally)
    seconds = time.monotonic() - began
    tried = sum(each.inputs for each in tallies.values())
    sys.stdout.write("\n".join(table(tallies)) + "\n")
    sys.stdout.write(
        f"{tried:,} inputs in {seconds:.0f} s: typed refusals only; it grew by {growth:.1f} MiB\n"
    )
    if growth > GROWTH_MIB:
        sys.stdout.write(f"That is more than {GROWTH_MIB:.0f} MiB.\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
