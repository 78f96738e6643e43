"""A constellation as an observer sees it: rebuilt from its events, told in sentences.

The same facts drive the live view of `run`, the lines of `logs` and the story of `replay`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from constellation.errors import GraphError, InvalidTransition
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch
from constellation.graph.plain import batch_from_plain
from constellation.graph.task import TaskState

from .text import clean, duration, plural
from .values import one_line, say_answer

STATE_STYLES = {
    "submitted": "dim",
    "working": "cyan",
    "input-required": "bold yellow",
    "completed": "green",
    "failed": "bold red",
    "rejected": "bold red",
    "canceled": "yellow",
}
_EDITS = {
    "add_task": "added",
    "remove_task": "removed",
    "update_task": "changed",
    "cancel_task": "canceled",
    "retry_task": "retried",
}
SHOWN_EDITS = 4
KEPT_INVERSES = 32


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened.

    Attributes:
        time: the hub's time, Unix seconds.
        text: a sentence.
        style: a rich style.
    """

    time: float
    text: str
    style: str = ""


class Watched:
    """What is known of a constellation after the events taken so far.

    Attributes:
        constellation: its graph, rebuilt.
        name, request: as submitted.
        created_at, ended_at: hub's time, or None.
        paused: True if nothing more is started for now.
        remarks: for a task, its latest progress message or the reason why it waits.
        inverses: for the versions of the latest edits, what undoes them; None if nothing does.
        tokens, cost: what language models took.
        max_cost: what they may cost; None if nothing bounds it.
        is_whole: False once a fact was left out for its size: the graph may then lack what the hub
            shows, which `replace` takes over.
    """

    def __init__(self, identifier: str) -> None:
        self.constellation = Constellation(identifier)
        self.name = ""
        self.request = ""
        self.created_at: float | None = None
        self.ended_at: float | None = None
        self.paused = False
        self.remarks: dict[str, str] = {}
        self.inverses: dict[int, Batch | None] = {}
        self.tokens = 0
        self.cost = 0.0
        self.max_cost: float | None = None
        self.is_whole = True
        self._is_planned = True
        self._ended_as: TaskState | None = None

    @property
    def state(self) -> TaskState:
        return self._ended_as or self.constellation.state

    def replace(self, graph: Constellation) -> None:
        """Take over a graph that the hub shows."""
        self.constellation = graph
        self.is_whole = True

    def take(self, event: Mapping[str, Any]) -> list[Line]:
        """Take in one event (a fact or a notice) and tell what it means."""
        kind, body, time = event["kind"], event["body"], event["time"]
        lines = [
            Line(time, clean(text).replace("\n", "\n    "), style)
            for text, style in self._take(kind, body, time)
        ]
        for task, reason in self.constellation.take_changes().skipped:
            lines.append(Line(time, clean(f"{self._label(task)} is skipped: {reason}"), "yellow"))
        return lines

    def _take(self, kind: str, body: Mapping[str, Any], time: float) -> Iterator[tuple[str, str]]:
        match kind:
            case "created":
                self.name, self.request = body.get("name", ""), body.get("request", "")
                self.created_at, self.max_cost = time, body.get("max_cost")
                self._is_planned = not body.get("planning", False)
                self.constellation.replay(kind, body, time)
            case "planned":
                self.name = body["name"]
                self._is_planned = True
                yield self._planned(), ""
            case "paused" | "resumed":
                self.paused = kind == "paused"
                yield f"{kind.capitalize()}.", "yellow"
            case "canceled":
                self.constellation.cancel_all(body["reason"], time)
                yield f"Cancellation: {body['reason']}.", "yellow"
            case "ended":
                self.ended_at = time
                self._ended_as = TaskState(body["state"])
            case "reopened":
                self.ended_at = self._ended_as = None
                yield "Taken up again.", "yellow"
            case "progress":
                self._remember(body["task"], _progress(body))
            case "output":
                self._remember(body["task"], one_line(body.get("data")))
            case "waiting":
                yield from self._waiting(body["task"], body["reason"])
            case "edited":
                self.name = body.get("name", self.name)
                self._edit(body, time)
                yield self._edited(body), ""
            case "flowing" | "regrouped":
                self._replay(kind, body, time)
                yield from self._changed(kind, body)
            case "started" | "finished" | "settled" | "requeued" | "asked" | "answered":
                self._replay(kind, body, time)
                yield from self._changed(kind, body)
            case "spent":
                self.tokens += body["tokens"]
                self.cost += body["cost"]
            case "omitted":
                yield from self._omitted(body, time)

    def _replay(self, kind: str, body: Mapping[str, Any], time: float) -> None:
        try:
            self.constellation.replay(kind, body, time)
        except (GraphError, InvalidTransition):
            # It rests on something that was left out.
            if self.is_whole:
                raise

    def _omitted(self, body: Mapping[str, Any], time: float) -> Iterator[tuple[str, str]]:
        self.is_whole = False
        kind, rest = body["kind"], body.get("rest", {})
        about = f" of {self._label(rest['task'])}" if "task" in rest else ""
        yield f"Left out here: {kind}{about}: {body['reason']}", "yellow"
        if kind == "finished" and "state" in rest:
            self._replay(kind, rest, time)
            yield from self._changed(kind, rest)

    def _edit(self, body: Mapping[str, Any], time: float) -> None:
        try:
            applied = self.constellation.apply(batch_from_plain(body["batch"]), time)
        except GraphError:
            if self.is_whole:
                raise
            return
        self.inverses[applied.version] = applied.inverse
        self.inverses.pop(applied.version - KEPT_INVERSES, None)

    def _changed(self, kind: str, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        task = body["task"]
        label = self._label(task)
        match kind:
            case "started":
                self.remarks.pop(task, None)
                again = f" (attempt {body['attempt']})" if body["attempt"] > 1 else ""
                yield f"{label} started{_on(body['device'], label)}{again}", ""
            case "finished":
                yield self._finished(body, label), STATE_STYLES[body["state"]]
            case "requeued":
                yield f"{label} is queued again: {body['reason']}", "yellow"
            case "flowing":
                yield f"{label} puts out what others read.", ""
            case "regrouped":
                yield f"{label} begins anew: {body['reason']}", "yellow"
            case "asked":
                yield f"{label} asks: {body['question']['prompt']}", STATE_STYLES["input-required"]
            case "answered":
                by = f" by {body['by']}" if body.get("by") else ""
                yield f"{label} was answered {say_answer(body['answer'])}{by}", ""

    def _label(self, task: str) -> str:
        node = self.constellation.nodes.get(task)
        return task if node is None else node.task.name or task

    def _remember(self, task: str, text: str) -> None:
        if text:
            self.remarks[task] = text

    def _waiting(self, task: str, reason: str) -> Iterator[tuple[str, str]]:
        if self.remarks.get(task) != reason:
            self.remarks[task] = reason
            yield f"{self._label(task)} waits: {reason}", "yellow"

    def _edited(self, body: Mapping[str, Any]) -> str:
        edits = body["batch"]["edits"]
        if body["version"] <= 1 and self._is_planned:
            return self._planned()
        words = [_edit_in_words(edit) for edit in edits[:SHOWN_EDITS]]
        if len(edits) > SHOWN_EDITS:
            words.append(f"and {len(edits) - SHOWN_EDITS} more")
        if body["version"] <= 1:
            return f"Begun while the plan is being written: {', '.join(words)}."
        author = body["batch"].get("author")
        by = f" by {author}" if author else ""
        return f"Edited{by} to version {body['version']}: {', '.join(words)}."

    def _planned(self) -> str:
        return f"Planned {plural(len(self.constellation.nodes), 'task')}."

    def _finished(self, body: Mapping[str, Any], label: str) -> str:
        node = self.constellation.nodes.get(body["task"])
        if node is None:
            return f"{label} {body['state']}"
        where = _on(node.device, label)
        took = ""
        if node.started_at is not None and node.finished_at is not None:
            took = f" in {duration(node.finished_at - node.started_at)}"
        gist = one_line(node.output) if node.error is None else error_text(node.error)
        return f"{label} {node.state}{where}{took}{': ' if gist else ''}{gist}"


def error_text(error: Mapping[str, Any]) -> str:
    """An error from the wire in words: what happened and what to do."""
    return one_line(f"{error.get('message', '')} {error.get('remedy', '')}", limit=240)


def _on(device: str | None, label: str) -> str:
    """`` on desk``, unless the task's name says it already."""
    return "" if device is None or label.endswith(f" on {device}") else f" on {device}"


def _progress(body: Mapping[str, Any]) -> str:
    fraction, message = body.get("fraction"), one_line(body.get("message") or "")
    if fraction is None:
        return message
    return f"{fraction:.0%} {message}".rstrip()


def _edit_in_words(edit: Mapping[str, Any]) -> str:
    op = str(edit["op"])
    if "dependency" in op:
        edge = edit.get("dependency") or edit
        source = edit.get("new_source") or edge["source"]
        target = edit.get("new_target") or edge["target"]
        return f"{target}{' no longer' if op == 'remove_dependency' else ''} after {source}"
    subject = edit["task"]["id"] if op == "add_task" else edit.get("id", "")
    return f"{_EDITS[op]} {subject}" if op in _EDITS else op.replace("_", " ")
