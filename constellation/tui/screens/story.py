"""All that is known of a task, as text."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rich.text import Text

from constellation.graph.node import Node
from constellation.graph.plain import task_to_plain
from constellation.telling.artifacts import Artifact, artifacts_in
from constellation.telling.text import clean, clock, duration
from constellation.telling.values import full
from constellation.tui.look import GREY, label, named, place, took
from constellation.tui.model.run import Run

SHORT_LINES = 12


def task_story(run: Run, node: Node, now: float, *, short: bool = False) -> Text:
    """A task in words; ``short`` for the side of another picture."""
    limit = SHORT_LINES if short else None
    story = Text()
    for title, text in _parts(run, node, now):
        if story:
            story.append("\n\n")
        if title:
            story.append(f"{title}\n", f"bold {GREY}")
        lines = text.split("\n", allow_blank=True)
        shown = lines[:limit] if title != "Output while it ran" or limit is None else lines[-limit:]
        story.append_text(Text("\n").join(shown))
        if len(shown) < len(lines):
            story.append(f"\n… {len(lines) - len(shown)} more", GREY)
    return story


def _parts(run: Run, node: Node, now: float) -> Iterator[tuple[str, Text]]:
    yield "", _head(node, now)
    remark = run.watched.remarks.get(node.id)
    if remark and not node.ended:
        yield "Now", Text(clean(remark))
    if node.question is not None:
        yield "It asks", Text(clean(str(node.question["prompt"])), "bold")
    if node.error is not None:
        error = f"{node.error.get('message', '')}\n{node.error.get('remedy', '')}"
        yield "Why", Text(clean(error.strip()))
    if node.task.instruction:
        yield "To do", Text(clean(node.task.instruction))
    if node.task.arguments:
        yield "Arguments", Text(full(node.task.arguments))
    if node.incoming:
        yield "Waits for", Text("\n").join(_dependencies(run, node))
    live = "\n".join(run.output(node.id))
    if live and not node.ended:
        yield "Output while it ran", Text(live)
    if node.output is not None:
        yield "Result", Text(full(node.output))
    artifacts = artifacts_in(node.output)
    if artifacts:
        yield "Artifacts", Text("\n").join(map(_artifact, artifacts))
    if node.history:
        yield "Earlier attempts", Text("\n").join(_attempts(node))
    limits = {key: value for key, value in task_to_plain(node.task).items() if key in _LIMITS}
    if limits.get("requirement", {}).keys() == {"device"}:
        # The head of the story names it.
        del limits["requirement"]
    if limits:
        yield "Limits", Text(clean(json.dumps(limits, ensure_ascii=False)), GREY)


_LIMITS = frozenset(
    {
        "timeout_s",
        "deadline_s",
        "retry",
        "requirement",
        "priority",
        "optional",
        "for_each",
        "gang",
        "join",
    }
)


def _head(node: Node, now: float) -> Text:
    text = Text.assemble((label(node), "bold"), "\n", named(node.state))
    where, time = clean(place(node)), took(node, now)
    for part in (where and f"on {where}", time, node.attempt > 1 and f"attempt {node.attempt}"):
        if part:
            text.append(f"  {part}", GREY)
    if node.task.skill:
        text.append(f"\n{clean(node.task.skill)}", GREY)
    return text


def _dependencies(run: Run, node: Node) -> Iterator[Text]:
    for source, dependency in node.incoming.items():
        other = run.graph.nodes[source]
        condition = "" if dependency.condition == "success" else dependency.condition
        line = Text.assemble(named(other.state), "  ", label(other))
        if condition:
            line.append(clean(f"  {condition} {dependency.when or ''}"), GREY)
        yield line


def _artifact(artifact: Artifact) -> Text:
    return Text.assemble(artifact.name, (f"  {artifact.size}", GREY))


def _attempts(node: Node) -> Iterator[Text]:
    for number, device, started_at, ended_at, reason in node.history:
        span = f"{clock(started_at)}, {duration(ended_at - started_at)}"
        yield Text(clean(f"{number}  {device or ''}  {span}  {reason}"))
