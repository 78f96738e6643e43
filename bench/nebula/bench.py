"""Everything measured: planners side by side, a plan against the same in sequence, faults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from statistics import mean
from typing import Any

import anyio

from bench.echo import BACKEND
from bench.harness import Options, Report, figure, quantile

from .faults import LOST, MOMENTS, fitting, play_with_loss
from .model import Request, load
from .playing import Planner, Played, makespan_s, play
from .world import world

GRACE_S = 1.0
TASK_S = 0.1
NAMES: dict[Planner, str] = {
    "oracle": "a person's plan",
    "sequential": "the same, one by one",
    "words": "the hub's planner",
}


def run(options: Options) -> Report:
    """Play the requests by every planner, each request by all of them in turn."""
    return anyio.run(_measure, options, backend_options=BACKEND)


async def _measure(options: Options) -> Report:
    report = Report()
    requests = load(options.extra.get("only", ""))
    if options.quick:
        requests = requests[:: len(requests) // 6 or 1]
    planners: Sequence[Planner] = ("oracle", "sequential", "words")
    found: dict[Planner, list[Played]] = {planner: [] for planner in planners}
    shapes: list[tuple[float, float]] = []
    async with world() as stage:
        for request in requests:
            for _ in range(options.times(3)):
                for planner in planners:
                    found[planner].append(await play(stage, request, planner))
        for request in [each for each in requests if len(each.oracle or ()) > 1]:
            beside = await makespan_s(stage, request, "oracle", TASK_S)
            shapes.append((beside, await makespan_s(stage, request, "sequential", TASK_S)))
    _tell_success(report, found)
    _tell_speed(report, found)
    _tell_shapes(report, shapes)
    if options.extra.get("faults") != "no":
        await _tell_faults(report, requests, options)
    report.notes += [
        "A subtask is one check: a task that must have ended so, or a file that must be so.",
        "Held-out requests are those that whoever tunes the offline planner does not look at.",
        "UFO³ reports 83.3 % of subtasks, 70.9 % of tasks, an average width of 1.72 and 31 % less "
        "latency than in sequence, with language models, on 55 tasks of its own: these are other "
        "tasks, so the figures stand beside ours and are no comparison.",
    ]
    return report


# ── what is done ────────────────────────────────────────────────────────────────────────────────


def _tell_success(report: Report, found: dict[Planner, list[Played]]) -> None:
    table = report.table(
        "Subtasks done, tasks done as a whole",
        "",
        *(name for key, name in NAMES.items() if key != "sequential"),
    )
    shown = {key: found[key] for key in ("oracle", "words")}
    categories = dict.fromkeys(each.request.category for each in found["oracle"])
    rows: list[tuple[str, dict[str, list[Played]]]] = [
        (category, _where(shown, lambda each, category=category: each.request.category == category))
        for category in categories
    ]
    rows.append(("held out", _where(shown, lambda each: each.request.heldout)))
    rows.append(("all", _where(shown, lambda each: True)))
    for name, played in rows:
        table.add_row(name, *(_shares(each) for each in played.values()))
        report.data.setdefault("done", {})[name] = {
            key: _done(each) for key, each in played.items() if each
        }
    failed = sorted({each.request.id for each in found["words"] if not each.done})
    report.data["failed"] = failed
    if failed:
        report.notes.append(f"Not done by the hub's planner: {', '.join(failed)}.")


def _where(found: dict[Any, list[Played]], wanted: Any) -> dict[str, list[Played]]:
    return {key: [each for each in played if wanted(each)] for key, played in found.items()}


def _done(played: Sequence[Played]) -> dict[str, float]:
    verdicts = [verdict for each in played for verdict in each.verdicts]
    return {"subtasks": mean(verdicts), "tasks": mean(each.done for each in played)}


def _shares(played: Sequence[Played]) -> str:
    if not played:
        return "–"
    done = _done(played)
    return f"{done['subtasks']:.0%}, {done['tasks']:.0%}"


# ── how fast ────────────────────────────────────────────────────────────────────────────────────


def _tell_speed(report: Report, found: dict[Planner, list[Played]]) -> None:
    table = report.table("Speed of what ran", "", *NAMES.values())
    figures = {key: _speed(played) for key, played in found.items()}
    for name in next(iter(figures.values())):
        table.add_row(name, *(figure(each[name]) for each in figures.values()))
    report.data["speed"] = {str(key): each for key, each in figures.items()}


def _tell_shapes(report: Report, shapes: Sequence[tuple[float, float]]) -> None:
    """Most real tasks here take milliseconds; what running them at once saves shows in longer."""
    if not shapes:
        return
    saved = [1 - beside / in_sequence for beside, in_sequence in shapes]
    together = 1 - sum(each for each, _ in shapes) / sum(each for _, each in shapes)
    report.data["saved"] = {"mean": mean(saved), "together": together}
    table = report.table(
        "Time saved against one task after the other", "", "on average by plan", "in all"
    )
    name = f"the shapes of {len(shapes)} plans, each task {TASK_S * 1e3:.0f} ms"
    table.add_row(name, f"{mean(saved):.0%}", f"{together:.0%}")


def _speed(played: Sequence[Played]) -> dict[str, float]:
    ran = [each for each in played if each.took_s is not None and each.metrics is not None]
    over = [
        (each.took_s - each.metrics.makespan_s) * 1e3
        for each in ran
        if each.took_s is not None and each.metrics is not None
    ]
    return {
        "planning, ms, p50": quantile([each.planned_s * 1e3 for each in played], 0.5),
        "from there to the end, ms, p50": quantile(
            [(each.took_s or 0) * 1e3 for each in ran] or [0], 0.5
        ),
        "of it outside of tasks, ms, p50": quantile(over or [0], 0.5),
        "average width": _mean(each.metrics.average_width for each in ran if each.metrics),
        "widest": max((each.metrics.max_width for each in ran if each.metrics), default=0),
        "tasks": _mean(each.tasks for each in ran),
        "edits while it ran": _mean(each.edits for each in ran),
        "questions to a person": _mean(each.questions for each in ran),
        "tokens of models": _mean(each.tokens for each in ran),
        "what they cost": _mean(each.cost for each in ran),
    }


def _mean(values: Iterable[float]) -> float:
    """0 if nothing ran at all."""
    return mean(list(values) or [0.0])


# ── faults ──────────────────────────────────────────────────────────────────────────────────────


async def _tell_faults(report: Report, requests: list[Request], options: Options) -> None:
    chosen = fitting(requests)[: options.size(8, 1)]
    if not chosen:
        return
    table = report.table(f"The same while {LOST} is killed, in {len(chosen)} plans", "", *MOMENTS)
    async with world(GRACE_S) as stage, AsyncExitStack() as stack:
        for for_good in (False, True):
            cells = []
            name = "for good" if for_good else "for a while"
            for moment in MOMENTS:
                played = [
                    await play_with_loss(stage, request, moment, for_good=for_good, stack=stack)
                    for request in chosen
                ]
                cells.append(_shares(played))
                report.data.setdefault("faults", {}).setdefault(name, {})[moment] = _done(played)
            table.add_row(name, *cells)
    report.notes.append(
        "What ran on a device that was lost is begun again only if that does no harm: else it ends "
        "as failed, with that reason. Nothing can stand in for a device that a request names."
    )
