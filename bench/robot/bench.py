"""The tables of `python -m bench robot`."""

from __future__ import annotations

import logging
from importlib.util import find_spec

from agents.robot.sims.foreign import foreign
from agents.robot.sims.world import RATE_HZ
from bench.harness import Options, Report, figure, quantile

from .busy_hub import lateness_on_a_hub
from .corrections import corrections
from .fleet import fleet
from .foreign import play_foreign
from .link import cut_links
from .live import lateness, over_sockets
from .play import Delay
from .serving import Served, served
from .sharing import training_speed
from .simulated import FAST, FUTURE, QUICK_DELAYS, flows, positions, success, time
from .statistics import mean_of
from .tails import tails

ROBOTS = (1, 2, 4, 8, 16, 32, 64)


def run(options: Options) -> Report:
    """Measure all of it; ``--set only=PART`` and ``--set world=NAME`` take less."""
    # Robots that are brought to rest say so, each of them.
    logging.getLogger("constellation.robot").setLevel(logging.ERROR)
    report = Report()
    parts = {
        "success": success,
        "corrections": corrections,
        "tails": tails,
        "flows": flows,
        "positions": positions,
        "foreign": _foreign,
        "time": time,
        "link": _link,
        "serving": _serving,
        "fleet": _fleet,
        "sharing": _sharing,
        "sockets": _sockets,
        "jitter": _jitter,
        "hub": _hub,
    }
    only = options.extra.get("only")
    for name, part in parts.items():
        if only in (None, name):
            part(report, options)
    return report


def _foreign(report: Report, options: Options) -> None:
    """Worlds of the extra `sims`, if they are installed."""
    if any(find_spec(package) is None for package in ("dm_control", "metaworld")):
        report.notes.append("Foreign worlds want the extra sims.")
        return
    delays = QUICK_DELAYS if options.quick else tuple(Delay(steps) for steps in (0, 4, 8))
    names = ("synchronous", "aligned", FUTURE)
    table = report.table(
        "Foreign worlds, their own experts as policies: success in %", "world", *names
    )
    report.data["foreign"] = {}
    for world, execution in (("metaworld:reach-v3", None), ("cup", 8)):
        for delay in delays:
            means = [
                mean_of(
                    [
                        play_foreign(*foreign(world, seed), name, delay, execution).score
                        for seed in range(options.size(5, 1))
                    ]
                )
                for name in names
            ]
            table.add_row(f"{world}, d={delay}", *(each.percent() for each in means))
            report.data["foreign"][f"{world} d={delay}"] = {
                name: each.to_plain() for name, each in zip(names, means, strict=True)
            }
    report.notes.append("metaworld acts at 80 Hz, cup at 50; cup executes 8 actions of a chunk.")


def _link(report: Report, options: Options) -> None:
    cuts = cut_links(options.size(1_000, 40))
    table = report.table("The link to the hub, cut at random moments", "", "")
    table.add_row("cuts", str(cuts.cuts))
    table.add_row("of them not on hold in the next control step", str(cuts.late))
    table.add_row("of them gone on after", str(cuts.resumed))
    table.add_row("control steps", str(cuts.steps))
    table.add_row("of them beyond a limit", str(cuts.violations))
    report.data["link"] = {name: getattr(cuts, name) for name in type(cuts).__slots__}


_SERVED = (
    "robots",
    "missed %, one at a time",
    "missed %, batches",
    "answers/s, one",
    "answers/s, batches",
    "mean batch",
    "p95 ms, batches",
)


def _compared(one: Served, batched: Served) -> list[str]:
    return [
        *(figure(100 * each.missed) for each in (one, batched)),
        *(figure(each.per_second) for each in (one, batched)),
        figure(batched.batch),
        figure(1e3 * batched.p95_s),
    ]


def _serving(report: Report, options: Options) -> None:
    table = report.table(
        "Robots on one policy server that ask every 0.5 s and need the answer in 0.4 s, simulated",
        *_SERVED,
    )
    report.data["serving"] = {}
    for robots in ROBOTS:
        one, batched = (served(robots, most, seconds=options.size(120, 10)) for most in (1, 16))
        report.data["serving"][robots] = {"one": one.missed, "batched": batched.missed}
        table.add_row(str(robots), *_compared(one, batched))
    report.notes.append(
        "The costs of batches are those of a model of π0.5's shape on one H100 with three cameras."
    )


def _fleet(report: Report, options: Options) -> None:
    seconds = options.size(10, 2)
    table = report.table(
        f"The same over real sockets, {seconds} s",
        *_SERVED,
    )
    report.data["fleet"] = {}
    for robots in (1, 8) if options.quick else ROBOTS:
        one, batched = (fleet(robots, most, seconds=seconds) for most in (1, 16))
        report.data["fleet"][robots] = {"one": one.missed, "batched": batched.missed}
        table.add_row(str(robots), *_compared(one, batched))
    report.notes.append(
        "Server, sockets and batches are real; a batch takes as long as on the GPU by sleeping. "
        "Who has no answer by the deadline gives up in both tables, and asks anew at once."
    )


def _sharing(report: Report, options: Options) -> None:
    shared, rounds = (1, 2, 4, 8), options.size(5, 1)
    table = report.table(
        "Training of flows: chunks a second, by states that share an observation",
        "encoder",
        "1, plain",
        *(f"{each} shared" for each in shared[1:]),
        "× of 4",
    )
    report.data["sharing"] = {}
    for encoder in ((128,), (1024, 1024)):
        speeds = training_speed(shared, encoder, rounds)
        name = " × ".join(map(str, encoder))
        report.data["sharing"][name] = {str(each): speed for each, speed in speeds.items()}
        table.add_row(name, *map(figure, speeds.values()), figure(speeds[4] / speeds[1]))
    report.notes.append("Seconds of a processor; the head has 2 × 192 units throughout.")


def _sockets(report: Report, options: Options) -> None:
    seconds, robots = options.size(20, 2), options.size(5, 2)
    table = report.table(
        f"Real sockets and time: {robots} robots at once, {seconds} s, policy server 160 ms away",
        "strategy",
        *(f"{world} %" for world in ("whack", "track")),
        "held %",
    )
    report.data["sockets"] = {}
    for way in FAST:
        found = {
            world: over_sockets(world, way.strategy, robots, seconds)
            for world in ("whack", "track")
        }
        scores = {world: mean_of([each.score for each in lives]) for world, lives in found.items()}
        held = [each.held for lives in found.values() for each in lives]
        table.add_row(
            way.strategy,
            *(each.percent() for each in scores.values()),
            figure(100 * mean_of(held).mean),
        )
        report.data["sockets"][way.strategy] = {
            world: each.to_plain() for world, each in scores.items()
        }


def _jitter(report: Report, options: Options) -> None:
    seconds = options.size(20, 1)
    table = report.table("How late control steps are, in ms", "", "p50", "p99", "p99.9", "most")
    report.data["jitter"] = {}
    for rate in (RATE_HZ, 4 * RATE_HZ):
        for busy in (0, 2):
            late = [1e3 * each for each in lateness(rate, seconds, busy=busy)]
            shown = [quantile(late, q) for q in (0.5, 0.99, 0.999)] + [max(late)]
            name = f"{rate:.0f} Hz, {busy} other processes that compute"
            table.add_row(name, *(figure(each) for each in shown))
            report.data["jitter"][name] = shown
    report.notes.append("The last 2,000 control steps count.")


def _hub(report: Report, options: Options) -> None:
    seconds = options.size(20, 1)
    table = report.table(
        "How late control steps are of a robot that serves a hub, in ms",
        "",
        "p50",
        "p99",
        "p99.9",
        "most",
    )
    report.data["hub"] = {}
    for rate in (RATE_HZ, 4 * RATE_HZ):
        for busy in (False, True):
            found, tasks = lateness_on_a_hub(rate, seconds, busy=busy)
            late = [1e3 * each for each in found]
            shown = [quantile(late, q) for q in (0.5, 0.99, 0.999)] + [max(late)]
            hub = f"a hub with {figure(tasks)} tasks/s" if busy else "a hub that rests"
            table.add_row(f"{rate:.0f} Hz, {hub}", *(figure(each) for each in shown))
            report.data["hub"][f"{rate:.0f} Hz, hub {'busy' if busy else 'at rest'}"] = shown
    report.notes.append("The last 2,000 control steps count, or as many as there are.")
