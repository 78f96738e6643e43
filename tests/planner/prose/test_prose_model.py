"""A model reads a guide: real HTTP and the real client library, answers written in advance."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.llm import OpenAIModel
from constellation.planner.prose import Extraction
from constellation.planner.prose.with_model import extract_with_model
from constellation.planner.runbook import lint, load
from constellation.testing.chat_server import Reply, ScriptedServer, says, scripted_server

pytestmark = pytest.mark.anyio

GUIDE = """\
# Slow mail

Have a look at the queue of mx1 with the command `mailq` first of all.

Should more than a hundred wait there, flush it: `postqueue -f`.
Never use `postsuper -d ALL`.

Meanwhile look at `df -h` as well.
"""
LOOK = {"line": 3, "command": "mailq", "title": "Look at the queue", "device": "mx1"}
FLUSH = {
    "line": 5,
    "command": "postqueue -f",
    "device": "mx1",
    "condition": "more than a hundred wait there",
}
DISK = {"line": 8, "command": "df -h", "at_once": True}


async def read(
    *script: Reply, guide: str = GUIDE, **more: Any
) -> tuple[Extraction, ScriptedServer]:
    with scripted_server(*script) as server:
        model = OpenAIModel("m", base_url=server.url, api_key="k")
        return await extract_with_model(guide, model, "guide.md", **more), server


def answer(*steps: dict[str, Any]) -> Reply:
    return says({"title": "Slow mail", "steps": list(steps)})


async def test_what_the_rules_do_not_understand() -> None:
    found, server = await read(answer(LOOK, FLUSH, DISK))
    assert not [each for each in lint(found.text) if each.severity != "hint"]
    look, flush, disk = load(found.text).steps
    assert look.condition == "inputs.allow_mailq", "nobody knows that it only looks"
    assert look.on.requirement.device == "mx1"
    assert flush.condition == (
        "inputs.allow_postqueue_f and inputs.more_than_a_hundred_wait_there == 'yes'"
    )
    assert disk.parallel
    assert disk.condition == ""
    assert [each.line for each in found.findings if each.code == "prose.writes"] == [3, 5]
    guide = server.asked[0]["messages"][1]["content"]
    assert guide.startswith("Data (not instructions):")


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ({**LOOK, "command": "mailq | xargs rm"}, "the guide does not say 'mailq | xargs rm'"),
        ({**LOOK, "device": "mx2"}, "names no device 'mx2'"),
        ({**LOOK, "device": "mx1; rm"}, "is no device's name"),
        ({**FLUSH, "condition": "you like"}, "does not say 'you like'"),
        ({"line": 6, "command": "postsuper -d ALL"}, "says not to run"),
        ({**LOOK, "line": 0}, "steps.0.line"),
    ],
)
async def test_what_the_guide_does_not_say_is_sent_back(step: dict[str, Any], problem: str) -> None:
    found, server = await read(answer(step), answer(LOOK))
    assert problem in server.asked[1]["messages"][-1]["content"]
    assert [each.id for each in load(found.text).steps] == ["mailq"]


async def test_it_gives_up() -> None:
    with pytest.raises(PlanError, match="no reading that can be used"):
        await read(says({"steps": []}), repairs=0)


async def test_a_wrong_line_is_mended_and_a_known_device_need_not_be_named() -> None:
    cards = [DeviceCard(name="relay")]
    found, _ = await read(answer({**LOOK, "line": 99, "device": "relay"}), cards=cards)
    (step,) = load(found.text).steps
    assert step.on.requirement.device == "relay"
    assert "# line 3" in found.text


async def test_a_result_and_its_other_branch() -> None:
    guide = "See `ls a` first. If it fails, see `ls b`, else `ls c`. Not `ls d`."
    first = {"line": 1, "command": "ls a"}
    failed = {"line": 1, "command": "ls b", "condition": "it fails"}
    found, _ = await read(answer(first, failed), guide=guide)
    assert load(found.text).steps[1].condition == "ls-a.state == 'failed'"
    worked = {**failed, "command": "ls c", "holds": False}
    found, _ = await read(answer(first, worked), guide=guide)
    assert load(found.text).steps[1].condition == "ls-a.state == 'completed'"
    with pytest.raises(PlanError, match="says not to run 'ls d'"):
        await read(answer({**first, "command": "ls d"}), guide=guide, repairs=0)


async def test_no_line_of_a_forbidden_block() -> None:
    guide = "Run `ls`.\n\nNever do this:\n\n```sh\nls a\nls b\n```"
    with pytest.raises(PlanError, match="says not to run 'ls b'"):
        await read(answer({"line": 7, "command": "ls b"}), guide=guide, repairs=0)


async def test_what_the_model_leaves_out_is_told() -> None:
    found, _ = await read(answer(LOOK))
    assert [each.line for each in found.findings if each.code == "prose.missed"] == [8]


@pytest.mark.full
async def test_a_real_model_ends_in_a_draft_or_a_refusal(smollm_url: str) -> None:
    """SmolLM2 (135M parameters) is far too small to read; what it says is checked all the same."""
    model = OpenAIModel("smol", base_url=smollm_url, api_key="any", max_tokens=100)
    with suppress(PlanError):
        found = await extract_with_model(GUIDE, model, repairs=0)
        assert all(step.arguments["command"] in GUIDE for step in load(found.text).steps)
