"""From the text of a runbook to a `Runbook`, or to everything that is wrong with it."""

from __future__ import annotations

from pathlib import PurePath
from typing import cast

from .checks import check
from .fields import Fields
from .findings import START, Findings, Mark, refusal
from .inputs import INPUT_TYPES, kind_of, mismatch
from .markdown import read_markdown
from .model import Input, InputType, Runbook, Step
from .steps import read_step
from .tree import Node, compose

MAX_CHARACTERS = 200_000
MAX_STEPS = 500


def load(text: str, source: str = "runbook.yaml") -> Runbook:
    """Read a runbook.

    Args:
        text: the document.
        source: its file name; ``.md`` and ``.markdown`` are read as Markdown, all else as YAML.

    Raises:
        PlanError: something is wrong; ``details["problems"]`` lists every finding with line,
            column, code, message and remedy.
    """
    runbook, findings = read(text, source)
    errors = findings.errors
    if errors or runbook is None:
        raise refusal(errors, source)
    return runbook


def read(text: str, source: str) -> tuple[Runbook | None, Findings]:
    """Read as much as can be read, with what is wrong.

    The runbook is None only if there is at least one error.
    """
    findings = Findings()
    if len(text) > MAX_CHARACTERS:
        findings.add(
            START,
            "document.size",
            f"The document has more than {MAX_CHARACTERS} characters.",
            "Split it into several runbooks.",
        )
        return None, findings
    text = text.removeprefix("\ufeff")
    if PurePath(source).suffix.lower() in (".md", ".markdown"):
        root = read_markdown(text, findings)
    else:
        root = compose(text, findings)
    if root is None:
        if not findings.errors:
            findings.add(START, "document.empty", "The document is empty.", "Add steps.")
        return None, findings
    runbook = _runbook(root, source, findings)
    if runbook is not None and not findings.errors:
        check(runbook, root, findings)
    return runbook, findings


def _runbook(root: Node, source: str, findings: Findings) -> Runbook | None:
    if root.entries is None:
        findings.add(
            root.mark,
            "document.type",
            "A runbook is a mapping with 'title' and 'steps'.",
            "Start it with 'steps:'.",
        )
        return None
    fields = Fields(root.entries, "The runbook", findings)
    fields.refuse_unknown(("title", "description", "inputs", "steps"))
    steps = _steps(fields, root.mark)
    return Runbook(
        title=fields.text("title") or PurePath(source).stem,
        description=fields.text("description") or "",
        inputs=_inputs(fields),
        steps=tuple(steps),
        source=source,
    )


def _steps(fields: Fields, mark: Mark) -> list[Step]:
    node = fields.node("steps")
    if node is None or not node.items:
        fields.findings.add(
            node.mark if node else mark,
            "document.steps",
            "The runbook has no steps.",
            "Give it a list of them under 'steps'.",
        )
        return []
    steps: list[Step] = []
    for item in node.items:
        group = _group(item)
        for position, member in enumerate(group or (item,)):
            step = read_step(
                member,
                len(steps) + 1,
                fields.findings,
                parallel=group is not None and position > 0,
            )
            if step is not None:
                steps.append(step)
    if len(steps) > MAX_STEPS:
        fields.findings.add(
            steps[MAX_STEPS].mark(),
            "document.steps",
            f"The runbook has more than {MAX_STEPS} steps.",
            "Split it into several runbooks, or go over a list with 'for_each'.",
        )
    return steps


def _group(node: Node) -> tuple[Node, ...] | None:
    """The members of ``parallel: [step, …]``; None if the node is a step of its own."""
    if node.entries is None or set(node.entries) != {"parallel"}:
        return None
    return node.entries["parallel"].value.items


def _inputs(fields: Fields) -> dict[str, Input]:
    inputs = {}
    for name, entry in (fields.mapping("inputs") or {}).items():
        if entry.value.entries is None:
            inputs[name] = _short_input(name, entry.value, entry.mark, fields)
        else:
            inner = Fields(entry.value.entries, f"Input {name}", fields.findings)
            inputs[name] = _full_input(name, inner, entry.mark)
    return inputs


def _short_input(name: str, node: Node, mark: Mark, fields: Fields) -> Input:
    """``name: value`` declares an input by its default; ``name:`` alone is required text."""
    default = node.plain()
    return Input(
        name, type=kind_of(default), default=default, required=node.value is None, mark=mark
    )


def _full_input(name: str, fields: Fields, mark: Mark) -> Input:
    fields.refuse_unknown(("type", "default", "required", "description", "choices"))
    node = fields.node("default")
    default = node.plain() if node else None
    stated = fields.choice("type", INPUT_TYPES)
    kind = cast("InputType", stated) if stated else kind_of(default)
    choices = fields.node("choices")
    if choices is not None and choices.items is None:
        fields.mismatch(choices, "choices", "a list")
    required = fields.flag("required")
    declared = Input(
        name,
        type=kind,
        default=default,
        required=node is None if required is None else required,
        description=fields.text("description") or "",
        choices=tuple(item.plain() for item in (choices.items or ())) if choices else (),
        mark=mark,
    )
    if node is not None and (wrong := mismatch(declared, default)):
        fields.findings.add(
            node.mark, "input.default", f"Input {name}: its default {wrong}.", "Mend one of them."
        )
    return declared
