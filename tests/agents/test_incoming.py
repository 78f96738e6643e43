"""Parameters that are read item by item, and what skills put out for others."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agents.context import Context
from agents.skills import skill
from agents.testing import Trial
from constellation.errors import SkillError

pytestmark = pytest.mark.anyio


@skill("double", effect="read")
async def double(numbers: AsyncIterator[int], times: int = 2) -> AsyncIterator[int]:
    """Double numbers.

    Args:
        numbers: to be doubled.
    """
    async for number in numbers:
        yield number * times


@skill("say", effect="read", reads=True)
async def say(context: Context) -> list[str]:
    return [word async for word in context.inputs("words")]


@skill("count", effect="read")
def count(context: Context, to: int) -> str:
    for number in range(to):
        context.wait(context.emit(number))
    return "done"


def test_it_looks_like_a_list_to_others() -> None:
    assert double.card.reads
    assert double.card.input["properties"]["numbers"] == {
        "type": "array",
        "items": {"type": "integer"},
        "description": "to be doubled.",
    }
    assert say.card.reads
    assert not count.card.reads


async def test_a_list_is_read_like_a_stream() -> None:
    trial = Trial(emits=True)
    assert await trial.run(double, numbers=[1, 2]) == 4
    assert trial.items == [2, 4]
    assert trial.outputs == []


async def test_without_readers_what_a_generator_yields_is_output() -> None:
    trial = Trial()
    assert await trial.run(double, numbers=[1, 2], times=3) == 6
    assert trial.outputs == [("output", 3), ("output", 6)]
    assert trial.items == []


async def test_items_of_a_task_are_of_the_type_that_was_declared() -> None:
    trial = Trial(emits=True, inputs={"a": ["3", 4]})
    await trial.run(double, numbers={"$items": "a"})
    assert trial.items == [6, 8]
    with pytest.raises(SkillError, match="double cannot take an item of a"):
        await Trial(inputs={"a": ["three"]}).run(double, numbers={"$items": "a"})


@pytest.mark.parametrize("wrong", [{"$items": "a", "more": 1}, "text", {"items": "a"}, ["x"]])
async def test_anything_else_is_refused(wrong: object) -> None:
    with pytest.raises(SkillError, match="numbers"):
        await Trial().run(double, numbers=wrong)


async def test_a_skill_may_ask_for_the_items_of_a_task_by_name() -> None:
    assert await Trial(inputs={"words": ["a", "b"]}).run(say) == ["a", "b"]


async def test_a_plain_function_puts_out_items_too() -> None:
    trial = Trial(emits=True)
    assert await trial.run(count, to=3) == "done"
    assert trial.items == [0, 1, 2]
    quiet = Trial()
    await quiet.run(count, to=3)
    assert quiet.items == []
