"""How results are put into the arguments that take them, by the argument's schema."""

from __future__ import annotations

from typing import Any

import pytest

from constellation.aip.cards import SkillCard
from constellation.planner.offline.content import Source, content
from constellation.planner.offline.schemas import parameters


def _skill(**properties: Any) -> SkillCard:
    return SkillCard(name="x.y", input={"type": "object", "properties": properties})


def _source(task: str, **output: Any) -> Source:
    card = SkillCard(name="x.y", output={"type": "object", "properties": output})
    return Source(task, card, f"what {task} found")


TEXT = _source("page", body={"type": "string"}, status={"type": "integer"})
DATA = _source("disks", percent={"type": "number"})

STRING = {"type": "string"}
ANYTHING: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "object"}]}
SECTIONS = {
    "type": "array",
    "items": {"type": "object", "properties": {"heading": STRING, "text": STRING}},
}


def _content(schema: dict[str, Any], *sources: Source) -> Any:
    (parameter,) = parameters(_skill(content=schema))
    return content(parameter, sources)


@pytest.mark.parametrize(
    ("schema", "sources", "expected"),
    [
        (STRING, [TEXT], "${page.output.body}"),
        (STRING, [DATA], "${disks.output}\n"),
        (ANYTHING, [DATA], "${disks.output}"),
        ({}, [TEXT], "${page.output.body}"),
        (
            ANYTHING,
            [TEXT, DATA],
            {"what page found": "${page.output.body}", "what disks found": "${disks.output}"},
        ),
        (
            {"type": "array", "items": STRING},
            [TEXT, DATA],
            ["${page.output.body}", "${disks.output}\n"],
        ),
        (
            SECTIONS,
            [DATA],
            [{"heading": "what disks found", "text": "${disks.output}\n"}],
        ),
        (
            STRING,
            [TEXT, DATA],
            "## what page found\n\n${page.output.body}\n\n"
            "## what disks found\n\n```json\n${disks.output}\n```\n",
        ),
    ],
)
def test_content(schema: dict[str, Any], sources: list[Source], expected: Any) -> None:
    assert _content(schema, *sources) == expected


def test_schemas_may_refer_to_their_definitions() -> None:
    card = SkillCard(
        name="x.y",
        input={
            "$defs": {"Part": {"type": "object", "properties": {"title": STRING, "body": {}}}},
            "properties": {"sections": {"type": "array", "items": {"$ref": "#/$defs/Part"}}},
        },
    )
    (parameter,) = parameters(card)
    assert content(parameter, [DATA]) == [{"title": "what disks found", "body": "${disks.output}"}]
