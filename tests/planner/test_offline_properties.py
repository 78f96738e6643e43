"""Whatever is said, the planner plans it or says why not, and what it plans can be applied."""

from __future__ import annotations

from pathlib import Path

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st
from planner_cards import COMPUTER

from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddTask, Batch
from constellation.planner.offline import OfflinePlanner
from constellation.planner.ports import Plan

CARDS = (
    DeviceCard(name="desk", platform="linux", labels={"role": "db"}, skills=COMPUTER),
    DeviceCard(name="pi-2.local", platform="linux", skills=COMPUTER[:8]),
    DeviceCard(name="and", kind="robot", platform="ros"),
)
REQUESTS = [
    line[2:]
    for line in Path(__file__).with_name("requests.txt").read_text(encoding="utf-8").splitlines()
    if line.startswith((">", "?"))
]
WORDS = sorted({word for request in REQUESTS for word in request.split()})

sentences = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A request of the table, with a piece replaced, removed or doubled."""
    text = draw(st.sampled_from(REQUESTS))
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 12)))
    piece = draw(st.one_of(st.just(""), st.sampled_from(WORDS), st.text(max_size=5)))
    return text[:start] + piece + draw(st.sampled_from([text[end:], text[start:]]))


def _plan(request: str) -> Plan | None:
    """The plan, or None if it was refused in the one way allowed."""
    try:
        return anyio.run(OfflinePlanner().plan, request, CARDS)
    except PlanError:
        return None


@settings(max_examples=250)
@given(st.one_of(st.text(max_size=200), sentences, mutated()))
def test_anything_is_planned_or_refused(request: str) -> None:
    plan = _plan(request)
    if plan is None:
        return
    Constellation("c").apply(Batch(plan.edits), 0.0)
    assert plan == _plan(request)


@settings(max_examples=150)
@given(st.one_of(sentences, mutated()))
def test_what_could_do_harm_is_never_guessed(request: str) -> None:
    """A task that is not harmless has a device, and each of its own arguments was typed."""
    skills = {skill.name: skill for skill in COMPUTER}
    typed = " ".join(request.split())
    for edit in ((plan := _plan(request)) and plan.edits) or ():
        if isinstance(edit, AddTask) and skills[edit.task.skill].effect != "read":
            needed = edit.task.requirement
            assert needed.device or needed.avoid or len(CARDS) == 1
            assert edit.task.arguments.keys() >= {
                *skills[edit.task.skill].input.get("required", ())
            }
            for value in edit.task.arguments.values():
                parts = value.split(": ") if isinstance(value, str) else ()
                # What stands in quotes is taken as it is.
                assert all(part in typed or part in request or "${" in part for part in parts)
