"""`@skill`: what becomes of a function."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, cast

import anyio
import pytest
from pydantic import Field

from agents.context import Context
from agents.skills import Registry, skill, threads_are_busy
from agents.testing import Trial
from constellation.errors import SkillError, TaskFailed

pytestmark = pytest.mark.anyio


@skill("lamp.set", effect="write", idempotent=True, examples=["turn the lamp on"], capacity=1)
def set_lamp(
    on: bool, brightness: Annotated[float, Field(ge=0, le=1)] = 1.0, copy: str = ""
) -> dict[str, bool]:
    """Turn the lamp on
    or off.

    More words that planners need not read.

    Args:
        on: whether it shall
            shine.
        brightness: from 0 to 1.
    """
    return {"on": on, "dimmed": brightness < 1}


@skill(effect="read")
async def greet(context: Context, name: str = "you") -> str:
    context.progress(0.5, "thinking")
    return f"Hello {name}"


@skill("count", effect="read")
async def count(to: int) -> AsyncIterator[int]:
    """Count."""
    for number in range(1, to + 1):
        yield number


class Opaque: ...


OPAQUE = Opaque()


@dataclass
class Point:
    x: float
    y: float


async def test_a_card_is_read_from_the_function() -> None:
    card = set_lamp.card
    assert card.name == "lamp.set"
    assert card.description == "Turn the lamp on or off."
    assert card.effect == "write"
    assert card.idempotent
    assert card.capacity == 1
    assert card.examples == ("turn the lamp on",)
    assert card.input == {
        "type": "object",
        "additionalProperties": False,
        "required": ["on"],
        "properties": {
            "on": {"type": "boolean", "description": "whether it shall shine."},
            "brightness": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 1.0,
                "description": "from 0 to 1.",
            },
            "copy": {"type": "string", "default": ""},
        },
    }
    assert card.output == {"type": "object", "additionalProperties": {"type": "boolean"}}
    assert not card.streams


async def test_the_context_is_no_argument() -> None:
    assert greet.name == "greet"
    assert list(greet.card.input["properties"]) == ["name"]
    assert greet.card.idempotent, "what only reads can be repeated"
    trial = Trial()
    assert await trial.run(greet, name="Ada") == "Hello Ada"
    assert trial.reports == [(0.5, "thinking")]


async def test_a_skill_is_still_the_function() -> None:
    assert set_lamp(True, 0.5) == {"on": True, "dimmed": True}


async def test_a_plain_function_runs_in_a_thread() -> None:
    @skill("where", effect="read")
    def where(context: Context) -> bool:
        context.output("from a thread")
        return threading.current_thread() is threading.main_thread()

    trial = Trial()
    assert await trial.run(where) is False
    assert trial.outputs == [("output", "from a thread")]


async def test_a_plain_function_can_wait_for_a_person() -> None:
    @skill("choose", effect="read")
    def choose(context: Context) -> str:
        return context.wait(context.choose("Which?", ["a", "b"]))

    trial = Trial(answers=["b"])
    assert await trial.run(choose) == "b"
    assert trial.questions == [("choice", "Which?", ("a", "b"))]


async def test_values_of_a_generator_are_output_and_the_last_is_the_result() -> None:
    assert count.card.streams
    assert count.card.output == {"type": "integer"}
    trial = Trial()
    assert await trial.run(count, to=3) == 3
    assert trial.outputs == [("output", 1), ("output", 2), ("output", 3)]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "on"),
        ({"on": "perhaps"}, "on"),
        ({"on": True, "brightness": 2}, "brightness"),
        ({"on": True, "colour": "red"}, "colour"),
    ],
)
async def test_bad_arguments_name_the_field(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(SkillError, match=r"lamp\.set cannot take its argument") as caught:
        await Trial().run(set_lamp, **arguments)
    assert caught.value.details["field"] == field
    assert caught.value.code == "agent.skill"


async def test_one_of_several_arguments_must_be_given() -> None:
    @skill("either", effect="read", one_of=("a", "b"))
    async def either(a: int = 0, b: int = 0) -> int:
        return a or b

    assert either.card.input["oneOf"] == [{"required": ["a"]}, {"required": ["b"]}]
    assert await Trial().run(either, b=2) == 2
    for wrong in ({}, {"a": 1, "b": 2}):
        with pytest.raises(SkillError, match="exactly one of the arguments a and b"):
            await Trial().run(either, **wrong)


async def test_results_become_plain_data() -> None:
    @skill("point", effect="read")
    async def point(scale: float) -> list[Point]:
        return [Point(1, 2 * scale)]

    assert await Trial().run(point, scale=2) == [{"x": 1, "y": 4.0}]


async def test_a_result_that_is_not_as_declared_is_the_skills_fault() -> None:
    @skill("liar", effect="read")
    async def liar() -> dict[str, int]:
        return cast(Any, "nothing")

    with pytest.raises(SkillError, match="returned what it does not declare"):
        await Trial().run(liar)


def test_what_cannot_be_a_skill_is_refused_when_declared() -> None:
    def variadic(*names: str) -> None: ...
    def lazy() -> Iterator[int]:
        yield 1

    def strange(thing: Opaque) -> None: ...
    def lost(thing: int) -> None: ...

    def hooked(call: Callable[[], None]) -> None: ...
    def untyped(thing: int) -> None: ...
    def method(self: Any, thing: int) -> None: ...
    def odd(thing: int = cast(Any, "many")) -> None: ...
    def empty(thing: str = cast(Any, None)) -> None: ...
    def hidden(thing: Any = OPAQUE) -> None: ...

    lost.__annotations__["thing"] = "Nowhere"
    untyped.__annotations__["thing"] = "list["
    for function, reason in (
        (hooked, "JsonSchema"),
        (untyped, "a type hint is no type"),
        (method, "it is a method"),
        (odd, "the default 'many' of 'thing' is not of its type"),
        (empty, r"write the type as `… \| None`"),
        (hidden, "the default of 'thing' is no plain data"),
        (Opaque, "it is no function but type"),
        (partial(method, 1), "it is no function but partial"),
        (variadic, "'names' cannot be given by name"),
        (lazy, "a generator that is not async"),
        (strange, "Opaque"),
        (lost, "name 'Nowhere' is not defined"),
    ):
        with pytest.raises(SkillError, match=reason):
            skill("bad")(function)
    with pytest.raises(SkillError, match="without its parentheses"):
        skill(cast(Any, variadic))
    with pytest.raises(SkillError, match="declared wrongly: name"):
        skill("no spaces please")(lambda: None)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"capacity": 0}, "capacity: 0 calls"),
        ({"timeout_s": 0}, "timeout_s: 0 s"),
        ({"one_of": ["a", "c"]}, "no parameter 'c'"),
    ],
)
def test_what_could_never_be_called_is_refused(wrong: dict[str, Any], reason: str) -> None:
    def either(a: int = 0, b: int = 0) -> None: ...

    with pytest.raises(SkillError, match=reason):
        skill("never", **wrong)(either)


async def test_bytes_that_are_no_text_are_explained() -> None:
    @skill("raw", effect="read")
    def raw(data: bytes) -> bytes:
        return data or b"\xff"

    assert await Trial().run(raw, data="plain") == "plain"
    with pytest.raises(SkillError, match="bytes that are not text"):
        await Trial().run(raw, data="")


async def test_a_generator_is_closed_though_what_it_yields_is_wrong() -> None:
    closed: list[bool] = []

    @skill("wrong", effect="read")
    async def wrong() -> AsyncIterator[int]:
        try:
            yield cast(Any, "one")
        finally:
            closed.append(True)

    with pytest.raises(SkillError):
        await Trial().run(wrong)
    assert closed == [True]


async def test_many_functions_that_never_return_do_not_stop_others() -> None:
    release = threading.Event()

    @skill("hang", effect="read")
    def hang() -> None:
        release.wait(20)

    @skill("quick", effect="read")
    def quick() -> int:
        return 1

    hanging = [asyncio.create_task(Trial().run(hang)) for _ in range(80)]
    try:
        await asyncio.sleep(0)
        with anyio.fail_after(100):
            assert await Trial().run(quick) == 1
    finally:
        release.set()
        await asyncio.gather(*hanging)


def test_two_skills_cannot_share_a_name() -> None:
    other = skill("count")(lambda: None)
    with pytest.raises(SkillError, match="two skills named 'count'"):
        Registry([count, other])
    assert [card.name for card in Registry([count, greet]).cards()] == ["count", "greet"]


async def test_a_skill_that_exits_does_not_end_the_agent() -> None:
    @skill("leave", effect="read")
    def leave() -> None:
        sys.exit(3)

    @skill("leave.soon", effect="read")
    async def leave_soon() -> None:
        sys.exit(3)

    for each in (leave, leave_soon):
        with pytest.raises(TaskFailed, match=r"called exit\(3\)"):
            await Trial().run(each)


async def test_a_canceled_function_is_told_and_waited_for() -> None:
    running, stopped = threading.Event(), threading.Event()

    @skill("busy", effect="read")
    def busy(context: Context) -> None:
        running.set()
        while not context.canceled:
            stopped.wait(0.001)
        stopped.set()

    task = asyncio.create_task(Trial().run(busy))
    with anyio.fail_after(100):
        await anyio.to_thread.run_sync(running.wait)
        assert threads_are_busy()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert stopped.is_set()
    await asyncio.sleep(0)
    assert not threads_are_busy()


def test_literals_become_choices() -> None:
    @skill("pick", effect="read")
    def pick(size: Literal["s", "m"] = "s") -> None: ...

    assert pick.card.input["properties"]["size"]["enum"] == ["s", "m"]
