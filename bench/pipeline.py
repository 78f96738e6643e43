"""Pipelines of tasks: makespan with streams and without, and how far a source runs ahead.

Real processes: a hub and two devices, between which the stages take turns. Each stage works on each
item for 5 ms in which it sleeps, so that what is measured is waiting, not the machine's processors.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import anyio

from constellation.fabric import Fabric
from constellation.graph.edits import AddTask
from constellation.graph.task import Requirement, Task

from .echo import BACKEND
from .fabric import measured_fabric
from .harness import Options, Report, figure, summarise

SKILLS = Path(__file__).with_name("pipeline_skills.py")
DEVICES = ("device-0", "device-1")
EACH_S = 0.005


def run(options: Options) -> Report:
    """Measure."""
    return anyio.run(_measure, options, backend_options=BACKEND)


async def _measure(options: Options) -> Report:
    report = Report()
    async with measured_fabric(skills=SKILLS) as measured:
        await _makespans(report, options, measured.fabric)
        await _lags(report, options, measured.fabric)
    report.notes += [
        "With streams a stage refers to the items of the one before, without to its output; all "
        "else is the same, and the two take turns.",
        "Ahead: items that the source had put out and the reader had not taken, at most, by one "
        "clock. A reader that is slow takes 2 ms for an item.",
    ]
    return report


def _pipeline(stages: int, items: int, each_s: float, *, streams: bool) -> list[AddTask]:
    """A source and the stages behind it, on the two devices in turn."""
    tasks: list[AddTask] = []
    for number in range(stages):
        where = Requirement(device=DEVICES[number % 2])
        arguments: dict[str, Any] = {"each_s": each_s}
        if number:
            arguments["items"] = f"${{s{number - 1}.{'items' if streams else 'output'}}}"
        else:
            arguments["count"] = items
        skill = "pipeline.stage" if number else "pipeline.source"
        tasks.append(AddTask(Task(f"s{number}", skill, arguments, requirement=where)))
    return tasks


async def _play(fabric: Fabric, tasks: Sequence[AddTask]) -> tuple[float, dict[str, Any]]:
    """Seconds until all has ended, and the outputs by task."""
    began = time.perf_counter()
    work = await fabric.submit(list(tasks), name="a pipeline")
    ended = await work.result()
    seconds = time.perf_counter() - began
    return seconds, {name: node.output for name, node in ended.constellation.nodes.items()}


async def _makespans(report: Report, options: Options, fabric: Fabric) -> None:
    items = options.size(100, 10)
    table = report.table(
        f"A pipeline of {items} items, {EACH_S * 1e3:g} ms each in each stage",
        "stages",
        "with streams, s",
        "without, s",
        "without / with",
        "sleep alone, s",
    )
    report.data["makespan"] = {}
    for stages in (2, 4, 8):
        took: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(options.times(7)):
            for streams in took:
                tasks = _pipeline(stages, items, EACH_S, streams=streams)
                seconds, outputs = await _play(fabric, tasks)
                assert len(outputs[f"s{stages - 1}"]) == items
                took[streams].append(seconds)
        ratios = [without / within for within, without in zip(took[True], took[False], strict=True)]
        found = {streams: summarise(values) for streams, values in took.items()}
        least = (items + stages - 1) * EACH_S
        table.add_row(
            str(stages), str(found[True]), str(found[False]), str(summarise(ratios)), figure(least)
        )
        report.data["makespan"][str(stages)] = {
            "with_s": found[True].to_plain(),
            "without_s": found[False].to_plain(),
            "ratio": summarise(ratios).to_plain(),
            "sleep_s": least,
        }


async def _lags(report: Report, options: Options, fabric: Fabric) -> None:
    items = options.size(3_000, 100)
    table = report.table(
        f"Two stages, {items:,} items", "reader", "items a second", "ahead, at most", "delay, ms"
    )
    report.data["lag"] = {}
    for name, count, each_s in (("as fast as it can", items, 0.0), ("slow", items // 5, 0.002)):
        rates, aheads, delays = [], [], []
        for _ in range(options.times(7)):
            tasks = _pipeline(2, count, 0.0, streams=True)
            slow = dict(tasks[1].task.arguments) | {"each_s": each_s}
            reader = Task("s1", "pipeline.stage", slow, requirement=tasks[1].task.requirement)
            _, outputs = await _play(fabric, [tasks[0], AddTask(reader)])
            put, taken = outputs["s0"], outputs["s1"]
            rates.append(count / (taken[-1] - put[0]))
            aheads.append(_ahead(put, taken))
            delays.append(1e3 * median(max(0.0, b - a) for a, b in zip(put, taken, strict=True)))
        row = {
            "items_per_s": summarise(rates),
            "ahead": summarise(aheads),
            "delay_ms": summarise(delays),
        }
        table.add_row(name, *map(str, row.values()))
        report.data["lag"][name] = {key: value.to_plain() for key, value in row.items()}


def _ahead(put: Sequence[float], taken: Sequence[float]) -> int:
    """How many items had been put out and not taken, at most."""
    most = there = 0
    for number, at in enumerate(put, 1):
        while there < len(taken) and taken[there] <= at:
            there += 1
        most = max(most, number - there)
    return most
