"""A draft runbook as YAML, with nothing in it that would change something unasked.

A command that may change something runs only if an input says so that is false until a person has
looked at it; a condition that the guide says in words is an input, too, and so is a placeholder.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml

from constellation.planner.runbook.expressions import REFERENCE
from constellation.planner.runbook.findings import Findings
from constellation.planner.runbook.reader import MAX_STEPS
from constellation.planner.runbook.steps import slug

from .commands import only_looks
from .draft import Draft, Found, OnDecision, OnResult
from .placeholders import fill


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    style = "|" if "\n" in data else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)


def write(draft: Draft, source: str, on: str, findings: Findings) -> str:
    """The runbook.

    Args:
        draft: what was found.
        source: the guide's file name.
        on: the device for what says none; empty for any.
        findings: gets what a person must look at.
    """
    return _Writer(draft, on, findings).write(source)


class _Writer:
    def __init__(self, draft: Draft, on: str, findings: Findings) -> None:
        self._draft = draft
        self._on = on
        self._findings = findings
        self._inputs: dict[str, dict[str, Any]] = {}
        self._ids: list[str] = []
        looked_at = [when for step in draft.steps for when in step.when]
        self._looked_at = {each.step for each in looked_at if isinstance(each, OnResult)}

    def write(self, source: str) -> str:
        title = self._draft.title or source
        if len(self._draft.steps) > MAX_STEPS:
            self._findings.add(
                self._draft.steps[MAX_STEPS].mark,
                "prose.steps",
                f"The guide has more than {MAX_STEPS} commands; the draft ends here.",
                "Split it into several guides.",
                "warning",
            )
        self._name_steps()
        numbered = enumerate(self._draft.steps[:MAX_STEPS])
        steps = [self._step(number, found) for number, found in numbered]
        head: dict[str, Any] = {"title": _plain(title), "description": f"Drafted from {source}."}
        if self._inputs:
            head["inputs"] = self._inputs
        parts = [_dump(head), "steps:\n"]
        for found, step in zip(self._draft.steps, steps, strict=False):
            parts.append(f"  # line {found.mark.line}\n")
            parts += [f"  {line}\n" for line in _dump([step]).splitlines()]
        self._say_no_place()
        return "".join(parts)

    def _name_steps(self) -> None:
        taken: set[str] = set()
        for found in self._draft.steps[:MAX_STEPS]:
            wanted = slug(found.command.removeprefix("sudo ")[:40]) or slug(found.title) or "step"
            self._ids.append(_free(wanted, taken, "-"))
            taken.add(self._ids[-1])

    def _step(self, number: int, found: Found) -> dict[str, Any]:
        name = self._ids[number]
        filled = fill(found.command)
        self._say_left(filled.left, found)
        step: dict[str, Any] = {
            "id": name,
            "title": _plain(found.title),
            "run": _plain(filled.command),
        }
        if filled.variables:
            step["with"] = {"env": self._values(filled.variables, found)}
        if len(found.places) > 1:
            step["on"] = list(found.places)
        elif found.places or self._on:
            step["on"] = found.places[0] if found.places else self._on
        conditions = list(self._conditions(found))
        if not only_looks(filled.command):
            conditions.insert(0, self._gate(name, found))
        if conditions:
            step["if"] = " and ".join(conditions)
        if found.parallel:
            step["parallel"] = True
        if number in self._looked_at:
            # Others look at how it ended: its failure is theirs to handle.
            step["optional"] = True
        return step

    def _gate(self, name: str, found: Found) -> str:
        words = f"Line {found.mark.line} may change something: {_line(found.command)}"
        allowed = self._input(
            f"allow_{name}", {"type": "boolean", "default": False, "description": words}
        )
        self._findings.add(
            found.mark,
            "prose.writes",
            f"{_line(found.command)!r} may change something, so the draft does not run it.",
            f"Look at it; then run with --input {allowed}=true, or remove that condition.",
            "warning",
        )
        return f"inputs.{allowed}"

    # ── conditions ──────────────────────────────────────────────────────────────────────────────

    def _conditions(self, found: Found) -> Iterator[str]:
        for when in found.when:
            if isinstance(when, OnDecision):
                answer = "yes" if when.holds else "no"
                yield f"inputs.{self._decision(when)} == '{answer}'"
            else:
                yield self._on_result(when)

    def _decision(self, when: OnDecision) -> str:
        described = {
            "type": "string",
            "choices": ["unknown", "yes", "no"],
            "default": "unknown",
            "description": f"Line {when.mark.line}: {_line(when.words)}?",
        }
        known = {name for name, declared in self._inputs.items() if declared == described}
        if known:
            return known.pop()
        name = self._input(when.words, described)
        self._findings.add(
            when.mark,
            "prose.decision",
            f"Whether {_line(when.words)!r} holds is for a person to say.",
            f"Run with --input {name}=yes or no; or say in 'if' how a result shows it.",
            "warning",
        )
        return name

    def _on_result(self, when: OnResult) -> str:
        name = self._ids[when.step]
        match when.look:
            case "failed" | "completed":
                other = {"failed": "completed", "completed": "failed"}[when.look]
                return f"{name}.state == '{when.look if when.holds else other}'"
            case "empty":
                return f"{name}.output.stdout {'==' if when.holds else '!='} ''"
            case "contains":
                text = when.text.replace("\\", "\\\\").replace("'", "\\'")
                return f"'{text}' {'in' if when.holds else 'not in'} {name}.output.stdout"

    # ── commands ────────────────────────────────────────────────────────────────────────────────

    def _values(self, variables: Mapping[str, str], found: Found) -> dict[str, str]:
        """Where the values of a command's placeholders come from."""
        values = {}
        for variable, words in variables.items():
            name = variable.lower()
            if name not in self._inputs:
                name = self._input(name, {"description": f"Line {found.mark.line}: {words}."})
            values[variable] = f"${{inputs.{name}}}"
        return values

    def _say_left(self, left: tuple[str, ...], found: Found) -> None:
        for words in left:
            self._findings.add(
                found.mark,
                "prose.placeholder",
                f"<{words}> stands in single quotes, where no value can be put in.",
                "Write the value into the draft.",
                "warning",
            )

    def _input(self, words: str, declared: dict[str, Any]) -> str:
        wanted = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:48].strip("_")
        name = _free(wanted or "decision", self._inputs, "_")
        self._inputs[name] = declared
        return name

    def _say_no_place(self) -> None:
        nowhere = [found for found in self._draft.steps if not found.places and not self._on]
        if nowhere:
            self._findings.add(
                nowhere[0].mark,
                "prose.anywhere",
                f"{len(nowhere)} of {len(self._draft.steps)} commands say no device: any that "
                "runs commands takes them.",
                "Name one with --on, or put 'on' into the draft.",
                "hint",
            )


def _free(wanted: str, taken: Collection[str], joint: str) -> str:
    """A name that is not taken."""
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}{joint}{number}", number + 1
    return name


def _plain(text: str) -> str:
    """Shell text in which nothing is read as a reference of ours."""
    return REFERENCE.sub(lambda match: f"${match[0]}", text)


def _line(text: str) -> str:
    line = _plain(" ".join(text.split()))
    return line if len(line) <= 120 else f"{line[:119]}…"


def _dump(data: object) -> str:
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000))
