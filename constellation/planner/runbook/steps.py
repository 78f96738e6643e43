"""Reading one step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from constellation.graph.task import Requirement, RetryPolicy

from .fields import Fields
from .findings import Findings, Mark
from .model import Need, Outcome, Step, Target
from .tree import Entry, Node

STEP_FIELDS = (
    "id",
    "title",
    "skill",
    "run",
    "instruction",
    "with",
    "on",
    "needs",
    "if",
    "for_each",
    "max_parallel",
    "retry",
    "timeout",
    "deadline",
    "optional",
    "idempotent",
    "priority",
    "join",
    "parallel",
)
_SELECTOR = re.compile(r"([A-Za-z0-9_.-]+)=([A-Za-z0-9_.-]+)")


def slug(title: str) -> str:
    """An id made from a title: ``Check the disk!`` → ``check-the-disk``."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:48].strip("-")


def read_step(
    node: Node, number: int, findings: Findings, *, parallel: bool = False
) -> Step | None:
    """Read a step.

    Args:
        node: its mapping.
        number: its place in the document, from 1; names it if it has neither id nor title.
        findings: gets what does not fit.
        parallel: True for the second and later members of a group.
    """
    if node.entries is None:
        findings.add(
            node.mark,
            "step.type",
            f"Step {number} is not a mapping.",
            "Give it fields, such as 'skill' or 'run'.",
        )
        return None
    named = node.entries.get("id") or node.entries.get("title")
    owner = f"Step {named.value.value if named else number}"
    fields = Fields(node.entries, owner, findings)
    fields.refuse_unknown(STEP_FIELDS)
    title = fields.text("title") or ""
    skill, arguments, instruction = _work(fields, node.mark)
    return Step(
        id=fields.identifier("id") or slug(title) or f"step-{number}",
        title=title,
        skill=skill,
        arguments=arguments,
        instruction=instruction,
        on=_target(fields),
        needs=_needs(fields),
        condition=fields.text("if") or "",
        for_each=_for_each(fields),
        max_parallel=fields.integer("max_parallel", 1),
        retry=_retry(fields),
        timeout_s=fields.duration_s("timeout"),
        deadline_s=fields.duration_s("deadline"),
        optional=fields.flag("optional") or False,
        idempotent=fields.flag("idempotent"),
        priority=fields.integer("priority") or 0,
        join="any" if fields.choice("join", ("all", "any")) == "any" else "all",
        parallel=fields.flag("parallel") or parallel,
        marks={"": node.mark, **fields.marks(), **_argument_marks(fields)},
    )


def _work(fields: Fields, mark: Mark) -> tuple[str, Mapping[str, Any], str]:
    """The skill, its arguments and the instruction: exactly one kind of work."""
    said = [name for name in ("skill", "run", "instruction") if fields.node(name)]
    if len(said) != 1:
        fields.findings.add(
            mark,
            "step.work",
            f"{fields.owner} says {' and '.join(said) if said else 'nothing to do'}.",
            "Give it exactly one of 'skill', 'run' (a shell command) and 'instruction'.",
        )
    entries = fields.mapping("with") or {}
    arguments = {name: entry.value.plain() for name, entry in entries.items()}
    skill = fields.text("skill") or ""
    if "run" in said:
        arguments = {"command": fields.text("run") or "", **arguments}
        skill = skill or "shell.run"
    return skill, arguments, fields.text("instruction") or ""


def _argument_marks(fields: Fields) -> dict[str, Mark]:
    entries: Mapping[str, Entry] = {}
    node = fields.node("with")
    if node is not None and node.entries is not None:
        entries = node.entries
    return {f"with.{name}": entry.mark for name, entry in entries.items()}


# ── where ───────────────────────────────────────────────────────────────────────────────────────


def _target(fields: Fields) -> Target:
    node = fields.node("on")
    if node is None:
        return Target()
    if node.items is not None:
        return Target(names=fields.words("on"))
    if node.entries is not None:
        return _target_mapping(Fields(node.entries, f"{fields.owner}, 'on'", fields.findings))
    if not isinstance(node.value, str) or not node.value.strip():
        fields.mismatch(node, "on", "a device, a selector such as role=db, 'all', or a mapping")
        return Target()
    return _target_words(node.value.split(), node, fields)


def _target_words(words: list[str], node: Node, fields: Fields) -> Target:
    every = words[0] == "all"
    rest = words[1:] if every else words
    if not every and len(rest) == 1 and not _SELECTOR.fullmatch(rest[0]):
        return Target(Requirement(device=rest[0]))
    labels: dict[str, str] = {}
    for word in rest:
        match = _SELECTOR.fullmatch(word)
        if match:
            labels[match[1]] = match[2]
        else:
            fields.findings.add(
                node.mark,
                "on.selector",
                f"{fields.owner}: {word!r} is not a label selector.",
                "Write key=value, a device's name alone, or 'all'.",
            )
    return Target(Requirement(labels=labels), every=every)


def _target_mapping(fields: Fields) -> Target:
    fields.refuse_unknown(
        ("all", "device", "platform", "labels", "capabilities", "exclusive", "avoid")
    )
    labels = {}
    for name, entry in (fields.mapping("labels") or {}).items():
        if isinstance(entry.value.value, str | int | float):
            labels[name] = str(entry.value.value)
        else:
            fields.mismatch(entry.value, f"labels.{name}", "text")
    return Target(
        Requirement(
            device=fields.text("device"),
            platform=fields.text("platform"),
            capabilities=fields.words("capabilities"),
            labels=labels,
            exclusive=fields.words("exclusive"),
            avoid=fields.words("avoid"),
        ),
        every=fields.flag("all") or False,
    )


# ── when ────────────────────────────────────────────────────────────────────────────────────────


def _needs(fields: Fields) -> tuple[Need, ...] | None:
    node = fields.node("needs")
    if node is None:
        return None
    nodes = node.items if node.items is not None else (node,)
    needs = (_need(item, fields) for item in nodes)
    return tuple(need for need in needs if need is not None)


def _need(node: Node, fields: Fields) -> Need | None:
    if isinstance(node.value, str):
        return Need(node.value, mark=node.mark)
    if node.entries is None:
        fields.mismatch(node, "needs", "a step's id, {step, when}, or a list of those")
        return None
    inner = Fields(node.entries, f"{fields.owner}, 'needs'", fields.findings)
    inner.refuse_unknown(("step", "when", "same_device"))
    step = inner.text("step")
    if step is None:
        fields.findings.add(
            node.mark, "needs.step", f"{fields.owner} needs no step here.", "Name it with 'step'."
        )
        return None
    same_device = inner.flag("same_device") or False
    when = inner.text("when") or "success"
    if when in ("success", "failure", "completion", "stream"):
        return Need(step, cast("Outcome", when), None, same_device, node.mark)
    return Need(step, "when", when, same_device, node.mark)


def _for_each(fields: Fields) -> str | tuple[Any, ...] | None:
    node = fields.node("for_each")
    if node is None:
        return None
    if node.items is not None:
        return tuple(item.plain() for item in node.items)
    if isinstance(node.value, str) and re.fullmatch(r"\$\{[^{}]+\}", node.value.strip()):
        return node.value.strip()
    fields.mismatch(node, "for_each", "a list, or a reference to one such as ${find.output.files}")
    return None


def _retry(fields: Fields) -> RetryPolicy:
    node = fields.node("retry")
    if node is None:
        return RetryPolicy()
    if node.entries is None:
        return RetryPolicy(attempts=fields.integer("retry", 1) or 1)
    inner = Fields(node.entries, f"{fields.owner}, 'retry'", fields.findings)
    inner.refuse_unknown(("attempts", "backoff", "factor", "max_backoff", "on", "elsewhere"))
    usual = RetryPolicy()
    return RetryPolicy(
        attempts=inner.integer("attempts", 1) or 2,
        backoff_s=inner.duration_s("backoff") or usual.backoff_s,
        factor=inner.number("factor", 1.0) or usual.factor,
        max_backoff_s=inner.duration_s("max_backoff") or usual.max_backoff_s,
        on=inner.words("on"),
        elsewhere=inner.flag("elsewhere") or False,
    )
