"""A real model on a real server: llama.cpp with SmolLM2 (135M parameters), on this machine.

It is far too small to plan. What it proves is the protocol: structured output, streaming,
canceling, and that whatever it says ends in a plan or in a typed refusal.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Literal

import anyio
import pytest
from pydantic import BaseModel, Field

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.errors import PlanError
from constellation.graph.edits import AddTask
from constellation.llm import OpenAIModel
from constellation.planner.llm import Budget, LlmPlanner

pytestmark = [pytest.mark.anyio, pytest.mark.full]

LAMP = SkillCard(
    name="lamp.set",
    description="Turn the lamp on or off.",
    input={"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]},
)


class Switch(BaseModel):
    to: Literal["on", "off"]
    count: int


class Story(BaseModel):
    """One that cannot end soon."""

    chapters: Annotated[list[str], Field(min_length=100)]


def model(url: str, max_tokens: int) -> OpenAIModel:
    return OpenAIModel("smol", base_url=url, api_key="any", max_tokens=max_tokens)


async def test_structured_output(smollm_url: str) -> None:
    answer = await model(smollm_url, 100).answer([{"role": "user", "content": "Lamp on!"}], Switch)
    Switch.model_validate_json(answer.text)
    assert answer.tokens > 10


async def test_whatever_it_says_is_a_plan_or_a_refusal(smollm_url: str) -> None:
    cards = [DeviceCard(name="lamp", skills=(LAMP,))]
    planner = LlmPlanner(model(smollm_url, 150), budget=Budget(repairs=1))
    with suppress(PlanError):
        plan = await planner.plan("turn the lamp on", cards)
        assert [edit.task.skill for edit in plan.edits if isinstance(edit, AddTask)]


async def test_canceling_frees_the_server(smollm_url: str) -> None:
    chat = [{"role": "user", "content": "Tell a very long story of a thousand knights."}]
    endless = model(smollm_url, 4000)
    with anyio.move_on_after(1.0) as scope:
        await endless.answer(chat, Story)
    assert scope.cancelled_caught
    # It has one slot: were it still busy with the story, this would wait for minutes.
    with anyio.fail_after(60):
        await model(smollm_url, 50).answer([{"role": "user", "content": "Lamp off!"}], Switch)
