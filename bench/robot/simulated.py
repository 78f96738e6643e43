"""Tables of simulated episodes: success, reaction and motion by strategy, training and delay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agents.robot.policies.inputs import Kind
from agents.robot.sims.robot import WORLDS
from bench.harness import Options, Report, figure, quantile

from .grid import Cell, Way, play_all
from .play import Delay, Played
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
TASK_DELAY = Delay(5)

Grid = dict[Cell, list[Played]]


def seeds_of(options: Options) -> tuple[int, int]:
    """Seeds, and episodes of each."""
    return options.size(5, 1), options.times(4)


def success(report: Report, options: Options) -> None:
    """Each strategy in each world under each delay."""
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
        *seeds_of(options),
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
        f"{world}: control steps from event to action, p95 / most",
        "d",
        *map(str, FAST),
        "K + d + 1",
    )
    for delay in constant:
        steps = [_all_reactions(grid[Cell(world, way, delay)]) for way in FAST]
        row = [f"{quantile(each, 0.95):.0f} / {max(each)}" for each in steps]
        table.add_row(str(delay), *row, str(max(delay.steps, 1) + delay.steps + 1))
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


def flows(report: Report, options: Options) -> None:
    """What it is worth that states may be later than what is seen, to a network and to a flow."""
    kinds = (Kind.STANDARD, Kind.DELAY, Kind.FLOW_STANDARD, Kind.FLOW)
    ways = [Way(FUTURE, kind) for kind in kinds]
    delays = QUICK_DELAYS if options.quick else tuple(Delay(steps) for steps in (0, 4, 8, 12))
    worlds = [name for name in WORLDS if name == options.extra.get("world", name)]
    grid = play_all(
        [Cell(world, way, delay) for world in worlds for way in ways for delay in delays],
        *seeds_of(options),
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


def positions(report: Report, options: Options) -> None:
    """The same plans as positions."""
    names = ("synchronous", "naive", "aligned", "weighted", FUTURE)
    ways = [Way(name, positions=True) for name in names]
    delays = QUICK_DELAYS if options.quick else (Delay(0), Delay(4), Delay(8))
    grid = play_all(
        [Cell(world, way, delay) for world in WORLDS for way in ways for delay in delays],
        *seeds_of(options),
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


def time(report: Report, options: Options) -> None:
    """How long tasks take, with actions merged."""
    cases = [(Way("synchronous"), 1), *((Way(FUTURE), merge) for merge in (1, 2, 3))]
    grid = play_all(
        [
            Cell("whack", way, delay, merge, patient=True)
            for way, merge in cases
            for delay in (TASK_DELAY, Delay(8))
        ],
        *seeds_of(options),
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


def _scores(found: Iterable[Played]) -> list[float]:
    return [each.score for each in found]


def _all_reactions(found: Iterable[Played]) -> list[int]:
    return [steps for each in found for steps in each.reactions]
