"""The tables of `python -m bench robot`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from importlib.util import find_spec

from agents.robot.policies.inputs import Kind
from agents.robot.sims.foreign import foreign
from agents.robot.sims.robot import WORLDS
from agents.robot.sims.world import RATE_HZ
from bench.harness import Options, Report, figure, quantile

from .busy_hub import lateness_on_a_hub
from .corrections import corrections
from .fleet import fleet
from .foreign import play_foreign
from .grid import Cell, Way, play_all
from .link import cut_links
from .live import lateness, over_sockets
from .play import Delay, Played
from .serving import Served, served
from .sharing import training_speed
from .statistics import mean_of

FUTURE = "future-state-dynamics"
WAYS = (
    Way("synchronous"),
    Way("naive"),
    Way("aligned"),
    Way("weighted"),
    Way("rtc-prefix", Kind.PREFIX),
    Way("rtc-guided", Kind.INPAINT),
    Way("future-state-last"),
    Way(FUTURE),
    Way("a2c2", Kind.CORRECTED),
    Way("future-state", Kind.CORRECTED),
)
# Of the same strategy.
TRAININGS = (
    Way(FUTURE, Kind.STANDARD),
    Way(FUTURE, Kind.OFFSET),
    Way(FUTURE),
    Way(FUTURE, Kind.FLOW),
)
ALL_WAYS = tuple(dict.fromkeys((*WAYS, *TRAININGS)))
DELAYS = (*(Delay(steps) for steps in range(13)), Delay(8, 0.4))
QUICK_DELAYS = (Delay(0), Delay(8))
FAST = (Way("synchronous"), Way("aligned"), Way(FUTURE))
ROBOTS = (1, 2, 4, 8, 16, 32, 64)
TASK_DELAY = Delay(5)

Grid = dict[Cell, list[Played]]


def run(options: Options) -> Report:
    """Measure all of it; ``--set only=PART`` and ``--set world=NAME`` take less."""
    # Robots that are brought to rest say so, each of them.
    logging.getLogger("constellation.robot").setLevel(logging.ERROR)
    report = Report()
    parts = {
        "success": _success,
        "corrections": corrections,
        "flows": _flows,
        "positions": _positions,
        "foreign": _foreign,
        "time": _time,
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


def _seeds(options: Options) -> tuple[int, int]:
    """Seeds, and episodes of each."""
    return options.size(5, 1), options.times(4)


def _success(report: Report, options: Options) -> None:
    delays = QUICK_DELAYS if options.quick else DELAYS
    worlds = [name for name in WORLDS if name == options.extra.get("world", name)]
    tables = {
        "strategies": {way.strategy: way for way in (*WAYS[:6], WAYS[7], WAYS[8])},
        "future state": {
            "by the last command": WAYS[6],
            **{f"dynamics, {way.kind}": way for way in TRAININGS},
            "dynamics and a2c2": WAYS[9],
        },
    }
    grid = play_all(
        [Cell(world, way, delay) for world in worlds for way in ALL_WAYS for delay in delays],
        *_seeds(options),
    )
    found = {cell: mean_of(_scores(played)) for cell, played in grid.items()}
    report.data["success"] = {
        world: {
            str(way): {str(d): found[Cell(world, way, d)].to_plain() for d in delays}
            for way in ALL_WAYS
        }
        for world in worlds
    }
    for world in worlds:
        for what, ways in tables.items():
            table = report.table(
                f"{world}, {what}: success in % (95 % interval) at a delay of d control steps",
                "d",
                *ways,
            )
            for d in delays:
                cells = (found[Cell(world, way, d)].percent() for way in ways.values())
                table.add_row(str(d), *cells)
    report.notes.append(
        "One network of a world drives all strategies, but rtc, which needs what it was trained "
        "for; a2c2 and future-state have that network's correcting head. ~ is lognormal with σ = "
        "0.4. A control step has 20 ms, an episode 10 s; the world never pauses."
    )
    for world in worlds:
        _reactions(report, grid, delays, world)
    if "whack" in worlds:
        _motion(report, grid)
    folder = options.extra.get("plots")
    if folder is not None:
        from .plots import plotted

        for world in worlds:
            plotted(world, grid, found, WAYS, FAST, [d for d in delays if not d.sigma], folder)


def _reactions(report: Report, grid: Grid, delays: Sequence[Delay], world: str) -> None:
    constant = [each for each in delays if not each.sigma]
    table = report.table(
        f"{world}: control steps from an event to an action that rests on it: p95 / most",
        "strategy",
        *(f"d={delay}" for delay in constant),
    )
    for way in FAST:
        steps = [_all_reactions(grid[Cell(world, way, delay)]) for delay in constant]
        table.add_row(str(way), *(f"{quantile(each, 0.95):.0f} / {max(each)}" for each in steps))
    table.add_row("K + d + 1", *(str(max(each.steps, 1) + each.steps + 1) for each in constant))
    report.data.setdefault("reactions", {})[world] = {
        str(way): {str(d): max(_all_reactions(grid[Cell(world, way, d)])) for d in constant}
        for way in FAST
    }
    note = (
        "Reaction counts the wait for the next question; the paper's definition (VLASH) is d alone "
        "for all that act while they think, and execution plus d for those that wait."
    )
    if note not in report.notes:
        report.notes.append(note)


def _motion(report: Report, grid: Grid) -> None:
    delay = Delay(8)
    table = report.table(
        f"whack at d={delay}: smoothness beside success",
        "strategy, training",
        "success %",
        "jerk, units/s³",
        "switch jump, units/s",
        "held %",
        "clamped %",
    )
    for way in WAYS:
        found = grid[Cell("whack", way, delay)]
        table.add_row(
            str(way),
            mean_of(_scores(found)).percent(),
            *(
                figure(mean_of([getattr(each, name) for each in found]).mean * scale)
                for name, scale in (("jerk", 1), ("jump", 1), ("held", 100), ("clamped", 100))
            ),
        )


def _flows(report: Report, options: Options) -> None:
    """What it is worth that states may be later than what is seen, to a network and to a flow."""
    kinds = (Kind.STANDARD, Kind.DELAY, Kind.FLOW_STANDARD, Kind.FLOW)
    ways = [Way(FUTURE, kind) for kind in kinds]
    delays = QUICK_DELAYS if options.quick else tuple(Delay(steps) for steps in (0, 4, 8, 12))
    worlds = [name for name in WORLDS if name == options.extra.get("world", name)]
    grid = play_all(
        [Cell(world, way, delay) for world in worlds for way in ways for delay in delays],
        *_seeds(options),
    )
    table = report.table(
        "Future state, with and without offset augmentation: success in %",
        "world",
        "network without",
        "network with",
        "flow without",
        "flow with",
    )
    report.data["flows"] = {}
    for world in worlds:
        for delay in delays:
            means = [mean_of(_scores(grid[Cell(world, way, delay)])) for way in ways]
            row = f"{world}, d={delay}"
            table.add_row(row, *(each.percent() for each in means))
            report.data["flows"][row] = {
                str(kind): each.to_plain() for kind, each in zip(kinds, means, strict=True)
            }
    report.notes.append("Those with offset augmentation are told the delay as well.")


def _positions(report: Report, options: Options) -> None:
    names = ("synchronous", "naive", "aligned", "weighted", FUTURE)
    ways = [Way(name, positions=True) for name in names]
    delays = QUICK_DELAYS if options.quick else (Delay(0), Delay(4), Delay(8))
    grid = play_all(
        [Cell(world, way, delay) for world in WORLDS for way in ways for delay in delays],
        *_seeds(options),
    )
    report.data["positions"] = {}
    table = report.table(
        "The same plans as positions instead of velocities: success in %", "world", *names
    )
    for world in WORLDS:
        for delay in delays:
            means = [mean_of(_scores(grid[Cell(world, way, delay)])) for way in ways]
            row = f"{world}, d={delay}"
            table.add_row(row, *(each.percent() for each in means))
            report.data["positions"][row] = {
                name: each.to_plain() for name, each in zip(names, means, strict=True)
            }


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


def _time(report: Report, options: Options) -> None:
    cases = [(Way("synchronous"), 1), *((Way(FUTURE), merge) for merge in (1, 2, 3))]
    grid = play_all(
        [
            Cell("whack", way, delay, merge, patient=True)
            for way, merge in cases
            for delay in (TASK_DELAY, Delay(8))
        ],
        *_seeds(options),
    )
    table = report.table(
        "whack, moles that wait: seconds for each, q actions merged into one",
        "strategy",
        *(f"{name} d={delay}" for delay in (TASK_DELAY, Delay(8)) for name in ("s at", "× at")),
    )
    report.data["time"] = {}
    for way, merge in cases:
        row = []
        for delay in (TASK_DELAY, Delay(8)):
            rates = [
                mean_of(_scores(grid[Cell("whack", *each, patient=True)])).mean
                for each in (
                    (way, delay, merge),
                    (cases[0][0], delay, 1),
                )
            ]
            row += [figure(1 / max(rates[0], 1e-3)), figure(rates[0] / max(rates[1], 1e-3))]
            report.data["time"][f"{way} q={merge} d={delay}"] = 1 / max(rates[0], 1e-3)
        table.add_row(f"{way}, q={merge}", *row)


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


def _scores(found: Iterable[Played]) -> list[float]:
    return [each.score for each in found]


def _all_reactions(found: Iterable[Played]) -> list[int]:
    return [steps for each in found for steps in each.reactions]
