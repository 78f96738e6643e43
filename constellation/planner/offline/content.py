"""Putting results of earlier work into the arguments of later work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from constellation.aip.cards import SkillCard

from .schemas import Parameter, properties, takes_data, text_field

_TITLES = ("title", "heading", "name", "label")
_BODIES = ("body", "text", "content", "markdown", "data", "value")


@dataclass(frozen=True, slots=True)
class Source:
    """One result to be put somewhere: the task that has it, and what to call it."""

    task: str
    skill: SkillCard
    title: str

    @property
    def reference(self) -> str:
        """A reference to the result's main text, or to the whole result if it has none."""
        field = text_field(self.skill.output)
        return f"${{{self.task}.output.{field}}}" if field else f"${{{self.task}.output}}"

    @property
    def as_text(self) -> bool:
        return text_field(self.skill.output) is not None


def content(parameter: Parameter, sources: Sequence[Source]) -> Any:
    """The value of a parameter that takes these results.

    A list of objects gets one object for each; a text gets the only result as it is, or all of
    them under headings; anything else gets a mapping from title to result.
    """
    if parameter.kind == "list":
        return [_item(parameter.items, source) for source in sources]
    if not takes_data(parameter.schema):
        return _text(sources)
    if len(sources) == 1:
        return sources[0].reference
    return {source.title: source.reference for source in sources}


def _item(schema: Mapping[str, Any], source: Source) -> Any:
    """One element of a list: an object with a title and a body, or the result as text."""
    known = properties(schema)
    title = next((name for name in _TITLES if name in known), None)
    body = next((name for name in _BODIES if name in known), None)
    if body is None:
        return _text([source])
    value = source.reference if takes_data(known[body]) else _text([source])
    return {title: source.title, body: value} if title else {body: value}


def _text(sources: Sequence[Source]) -> str:
    """Results inside a text; a result that is no text itself is put in as JSON."""
    if len(sources) == 1:
        return sources[0].reference if sources[0].as_text else f"{sources[0].reference}\n"
    return "\n".join(f"## {source.title}\n\n{_block(source)}\n" for source in sources)


def _block(source: Source) -> str:
    if source.as_text:
        return source.reference
    return f"```json\n{source.reference}\n```"
