"""What people see: tables and summaries, made from data by functions without effects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from constellation.aip.scope import Scope
from constellation.graph.constellation import Constellation
from constellation.graph.node import Node
from constellation.graph.results import in_plan_order, results
from constellation.graph.task import ACTIVE, TERMINAL, Requirement, Task
from constellation.telling.text import clean, date, duration, models, plural
from constellation.telling.values import full, one_line
from constellation.telling.watched import STATE_STYLES, Watched, error_text

PRESENCE_STYLES = {"connected": "green", "detached": "yellow", "draining": "yellow"}
LONGEST_RESULT_LINES = 60


def plain_table(*columns: str) -> Table:
    """A table without lines, which reads well in a terminal and in a file."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _state_of(run: Mapping[str, Any]) -> str:
    """The state of what `list` and `show` answer; ``paused`` if nothing more is started."""
    return "paused" if run["paused"] and run["ended_at"] is None else str(run["state"])


def state_text(state: str) -> Text:
    return Text(state, style=STATE_STYLES.get(state, ""))


def counts_text(counts: Mapping[str, int]) -> str:
    """``3 completed, 1 working``."""
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


# ── listings ────────────────────────────────────────────────────────────────────────────────────


def runs_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The constellations that `list` answered."""
    table = plain_table("Id", "State", "Tasks", "Created", "Name")
    for row in rows:
        state = _state_of(row)
        table.add_row(
            Text(row["id"]),
            state_text(state),
            counts_text(row["counts"]),
            date(row["created_at"]),
            Text(one_line(row["name"] or row["request"], 60)),
        )
    return table


def devices_table(devices: Iterable[Mapping[str, Any]]) -> Table:
    """The devices that `devices` answered."""
    table = plain_table("Name", "Presence", "Running", "Platform", "Skills", "Labels")
    for device in devices:
        card = device["card"]
        labels = ", ".join(f"{key}={value}" for key, value in card["labels"].items())
        table.add_row(
            Text(clean(device["name"])),
            Text(device["presence"], style=PRESENCE_STYLES.get(device["presence"], "red")),
            f"{len(device['running'])} of {card['capacity']}",
            Text(clean(card["platform"])),
            str(len(card["skills"])),
            Text(clean(labels)),
        )
    return table


def credentials_table(credentials: Iterable[Mapping[str, Any]]) -> Table:
    """The credentials that `credentials` answered."""
    table = plain_table("Name", "Kind", "Made", "May")
    for each in credentials:
        made = date(each["created_at"])
        may = "anything" if each["kind"] == "admin" else Scope(**each["scope"]).in_words()
        table.add_row(Text(clean(each["name"])), each["kind"], made, Text(clean(may)))
    return table


# ── one constellation ───────────────────────────────────────────────────────────────────────────


def task_table(constellation: Constellation, now: float, remarks: Mapping[str, str] = {}) -> Table:
    """Its tasks with state, device, time and result.

    Args:
        now: the hub's time, for tasks that still run.
        remarks: what to show instead of a result, by task.
    """
    table = plain_table("Task", "State", "Device", "Time", "")
    for node in in_plan_order(constellation):
        table.add_row(*_task_cells(node, now, remarks))
    return table


def live_table(
    constellation: Constellation, now: float, remarks: Mapping[str, str], *, rows: int, width: int
) -> Table:
    """The most telling of its tasks, each in one line, as far as they fit into a terminal."""
    columns, name_width = _layout(width)
    nodes = in_plan_order(constellation)
    shown = _most_telling(nodes, rows)
    table = plain_table(*("Task", "State", "Device", "Time", "")[:columns])
    for node in shown:
        cells = _task_cells(node, now, remarks)[:columns]
        for cell, widest in zip(cells, (name_width, 14, 12, 14, width), strict=False):
            cell.truncate(widest, overflow="ellipsis")
            cell.no_wrap, cell.overflow = True, "ellipsis"
        table.add_row(*cells)
    hidden = len(nodes) - len(shown)
    if hidden:
        table.add_row(Text(f"… and {hidden} more", style="dim"))
    return table


def _layout(width: int) -> tuple[int, int]:
    """How many columns a terminal has room for, and how wide the first, the task, may be."""
    if width < 60:
        return 2, max(width - 18, 8)
    return (4, width - 46) if width < 90 else (5, width * 2 // 5)


def _task_cells(node: Node, now: float, remarks: Mapping[str, str]) -> tuple[Text, ...]:
    name = ("  " if node.member_of else "") + (node.task.name or node.task.id)
    return (
        Text(clean(name)),
        state_text(node.state),
        Text(clean(node.device or "")),
        Text(_time_taken(node, now)),
        # What went wrong is told in full, what came out only as far as there is room.
        Text(_gist(node, remarks), no_wrap=node.error is None, overflow="ellipsis"),
    )


def _most_telling(nodes: list[Node], limit: int) -> list[Node]:
    """Running tasks first, then what ended last, then what comes next; in plan order."""
    if len(nodes) <= limit:
        return nodes

    def weight(node: Node) -> tuple[int, float]:
        if node.state in ACTIVE:
            return 0, 0.0
        if node.state in TERMINAL:
            return 1, -(node.finished_at or 0.0)
        return 2, 0.0

    chosen = {id(node) for node in sorted(nodes, key=weight)[:limit]}
    return [node for node in nodes if id(node) in chosen]


def _time_taken(node: Node, now: float) -> str:
    if node.started_at is None:
        return ""
    end = node.finished_at
    return duration((now if end is None else end) - node.started_at)


def _gist(node: Node, remarks: Mapping[str, str]) -> str:
    if node.question is not None:
        return one_line(f"asks: {node.question['prompt']}")
    if node.error is not None:
        return error_text(node.error)
    if node.state in TERMINAL:
        return one_line(node.output)
    return clean(remarks.get(node.task.id, ""))


def result_texts(constellation: Constellation) -> list[Text]:
    """The results for reading: one block each, with a heading if there are several."""
    found = {task: output for task, output in results(constellation).items() if output is not None}
    blocks = []
    for task, output in found.items():
        block = Text()
        if len(found) > 1:
            block.append(clean(constellation.nodes[task].task.name or task) + "\n", style="bold")
        lines = full(output).splitlines()
        block.append("\n".join(lines[:LONGEST_RESULT_LINES]))
        if len(lines) > LONGEST_RESULT_LINES:
            block.append(f"\n… {plural(len(lines) - LONGEST_RESULT_LINES, 'more line')}", "dim")
        blocks.append(block)
    return blocks


def ending(watched: Watched) -> Text:
    """The last line about a constellation: how it ended, how long it took."""
    state = str(watched.state)
    took = ""
    if watched.created_at is not None and watched.ended_at is not None:
        took = f" in {duration(watched.ended_at - watched.created_at)}"
    counts = {str(key): value for key, value in watched.constellation.counts.items()}
    line = Text(f"{state.capitalize()}{took}", style=STATE_STYLES[state])
    line.append(f": {counts_text(counts)}.", style="default not bold")
    if took := models(watched.tokens, watched.cost):
        line.append(f" Language models: {took}.", style="default not bold")
    return line


def notes_text(title: str, notes: Sequence[str]) -> Text:
    """What was planned, before it runs."""
    text = Text(clean(title), style="bold")
    for note in notes:
        text.append(f"\n  {clean(note)}", style="not bold")
    return text


def run_heading(shown: Mapping[str, Any]) -> Text:
    """What `show` answered, without its tasks."""
    state = _state_of(shown)
    text = Text(clean(f"{shown['id']}: {shown['name'] or shown['request']}"), style="bold")
    text.append(f"\n{state}", style=f"not bold {STATE_STYLES.get(state, '')}")
    text.append(f", version {shown['version']}, created {date(shown['created_at'])}", "not bold")
    if shown["ended_at"] is not None:
        text.append(f", ended {date(shown['ended_at'])}", "not bold")
    if took := models(shown.get("tokens", 0), shown.get("cost", 0.0), shown.get("max_cost")):
        text.append(f"\nlanguage models: {took}", "not bold")
    if shown["request"] and shown["name"]:
        text.append(f"\n{clean(shown['request'])}", "not bold dim")
    return text


# ── plans ───────────────────────────────────────────────────────────────────────────────────────


def plan_table(constellation: Constellation) -> Table:
    """What each task would do, where, and what it waits for."""
    table = plain_table("Task", "Does", "Where", "After")
    for node in in_plan_order(constellation):
        task = node.task
        table.add_row(
            Text(clean(task.name or task.id)),
            Text(one_line(call_in_words(task), 120)),
            Text(clean(where_in_words(task.requirement))),
            Text(", ".join(constellation.predecessors(task.id))),
        )
    return table


def call_in_words(task: Task) -> str:
    """``files.write(path: a.txt, text: hello)``, or the instruction."""
    if not task.skill:
        return task.instruction
    arguments = ", ".join(f"{key}: {one_line(value, 60)}" for key, value in task.arguments.items())
    each = f" for each of {task.for_each}" if task.for_each else ""
    if task.gang:
        each = f" on {task.gang} devices at once"
    return f"{task.skill}({arguments}){each}"


def where_in_words(requirement: Requirement) -> str:
    """The devices that may run a task, in a few words."""
    if requirement.device:
        return requirement.device
    words = [requirement.platform] if requirement.platform else []
    words += [f"{key}={value}" for key, value in requirement.labels.items()]
    words += [f"not {name}" for name in requirement.avoid]
    return ", ".join(words) or "any"
