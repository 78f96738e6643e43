"""A model is told which skills put out items and which read them, and held to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from planner_cards import COMPUTER

from agents.loading import load_file
from agents.site.source import together
from agents.skills import skill
from constellation.aip.cards import DeviceCard, SkillCard
from constellation.cli.processes import child
from constellation.client import open_hub
from constellation.config import Settings
from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddTask, Batch
from constellation.graph.export import to_json
from constellation.graph.task import Outcome, Task, TaskState
from constellation.llm import OpenAIModel
from constellation.orchestrator import service
from constellation.planner.llm import LlmPlanner
from constellation.testing.chat_server import ScriptedServer, says, scripted_server

pytestmark = pytest.mark.anyio

READINGS = Path(__file__).parents[3] / "examples" / "readings.py"
ROOM = DeviceCard(name="room", skills=tuple(each.card for each in load_file(READINGS)))
DESK = DeviceCard(name="desk", skills=COMPUTER)
RULE = '"${task.items}"'


def step(id: str, skill: str, **arguments: Any) -> dict[str, Any]:
    return {"id": id, "skill": skill, "arguments": arguments}


MEASURE = step("measure", "sensor.measure", count=5, every_s=0.01)
PLAN = {
    "title": "Watch the room",
    "tasks": [
        MEASURE,
        step("smooth", "readings.smooth", readings="${measure.items}"),
        step("watch", "readings.highest", readings="${smooth.items}"),
    ],
}


async def planned(
    *answers: dict[str, Any], cards: tuple[DeviceCard, ...] = (ROOM, DESK)
) -> tuple[Constellation, ScriptedServer]:
    """The last of some answers as a constellation, and what the model was told."""
    with scripted_server(*map(says, answers)) as server:
        model = OpenAIModel("m", base_url=server.url, api_key="k")
        plan = await LlmPlanner(model).plan("measure the room", cards)
    graph = Constellation("c")
    graph.apply(Batch(plan.edits), 0.0)
    return graph, server


async def test_a_plan_lets_tasks_read_along() -> None:
    graph, server = await planned(PLAN)
    assert graph.predecessors("smooth")["measure"].condition == "stream"
    assert graph.predecessors("watch")["smooth"].condition == "stream"
    rules, data = (message["content"] for message in server.asked[0]["messages"][:2])
    assert RULE in rules
    skills = json.loads(data[data.index("{") : data.rindex("}") + 1])["devices"]["skills"]
    told = {name: {"emits", "reads"} & each.keys() for name, each in skills.items()}
    assert {name: found for name, found in told.items() if found} == {
        "sensor.measure": {"emits"},
        "readings.smooth": {"emits", "reads"},
        "readings.highest": {"reads"},
    }


async def test_where_nothing_could_be_joined_nothing_is_said_of_it() -> None:
    read = {"tasks": [step("read", "files.read", path="a.txt")]}
    alone = DeviceCard(name="room", skills=ROOM.skills[:1])
    _, server = await planned(read, cards=(alone, DESK))
    assert RULE not in server.asked[0]["messages"][0]["content"]


WRONG = {
    "a skill that reads no items": (
        step("other", "files.write", path="a.txt", content="${measure.items}"),
        "files.write reads no items as they come; refer to ${measure.output}",
    ),
    "a skill that puts out none": (
        step("other", "readings.highest", readings="${memory.items}"),
        "system.memory puts out no items while it runs; refer to ${memory.output}",
    ),
    "items inside a text": (
        step("other", "readings.highest", readings="all of ${measure.items}"),
        "${measure.items} stands inside a text, and items come one by one",
    ),
    "a result that is not there": (
        step("other", "files.write", path="a.txt", content="${memory.output.percents}"),
        "the output of memory has no 'percents'; it has total_bytes,",
    ),
    "a field of a number": (
        step("other", "files.write", path="a.txt", content="${memory.output.percent.of}"),
        "the output of memory has no 'of'",
    ),
    "what is no reference": (
        step("other", "files.write", path="a.txt", content="${memory.result}"),
        "${memory.result} is no reference",
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_references_that_lead_nowhere_are_sent_back(name: str) -> None:
    wrong, problem = WRONG[name]
    # The request asks for all of it: what is wrong is found even so.
    tasks = [MEASURE, step("memory", "system.memory"), wrong]
    _, server = await planned({"tasks": tasks}, PLAN)
    assert problem in server.asked[1]["messages"][-1]["content"]


async def test_a_list_is_read_like_a_stream() -> None:
    listing = SkillCard(name="days", effect="read", output={"type": "array"})
    unknown = SkillCard(name="nights", effect="read")
    desk = DeviceCard(name="desk", skills=(listing, unknown))
    tasks = [
        step("days", "days"),
        step("nights", "nights"),
        step("a", "readings.highest", readings="${days.items}"),
        step("b", "readings.highest", readings="${nights.items}"),
    ]
    graph, _ = await planned({"tasks": tasks}, cards=(ROOM, desk))
    assert graph.predecessors("a")["days"].condition == "stream"
    assert graph.predecessors("b")["nights"].condition == "stream"


async def test_results_of_elements_are_a_list() -> None:
    listed = step("find", "files.list", path=".")
    each = {**step("each", "files.read", path="${item.path}"), "for_each": "${find.output.entries}"}

    def plan(content: str) -> dict[str, Any]:
        write = step("write", "files.write", path="a.txt", content=content)
        return {"tasks": [listed, each, write]}

    _, server = await planned(plan("${each.output.content}"), plan("${each.output[0].content}"))
    assert "gives a list" in server.asked[1]["messages"][-1]["content"]


async def test_a_revision_may_read_along_with_what_runs() -> None:
    graph = Constellation("c")
    measure = Task("measure", "sensor.measure", {"count": 5})
    graph.apply(Batch((AddTask(measure), AddTask(Task("other", "system.memory")))), 0.0)
    graph.start("other", "desk", 1.0)
    graph.finish("other", Outcome(TaskState.FAILED, None, {"message": "no"}), 2.0, settle=False)

    def adds(reference: str) -> dict[str, Any]:
        watch = step("watch", "readings.highest", readings=reference)
        return {"changes": [{"do": "add", "task": watch}]}

    with scripted_server(says(adds("${other.items}")), says(adds("${measure.items}"))) as server:
        model = OpenAIModel("m", base_url=server.url, api_key="k")
        snapshot = {**to_json(graph), "request": "measure the room"}
        event = {"task": "other", "state": "failed"}
        edits = await LlmPlanner(model).revise(snapshot, event, (ROOM, DESK))
    graph.apply(Batch(edits), 3.0)
    assert graph.predecessors("watch")["measure"].condition == "stream"
    assert "puts out no items" in server.asked[1]["messages"][-1]["content"]


async def test_a_revision_cannot_read_what_began_without_a_reader() -> None:
    graph = Constellation("c")
    graph.apply(Batch((AddTask(Task("measure", "sensor.measure", {"count": 5})),)), 0.0)
    graph.start("measure", "room", 1.0)
    add = {"do": "add", "task": step("watch", "readings.highest", readings="${measure.items}")}
    with scripted_server(says({"changes": [add]}), says({"changes": []})) as server:
        model = OpenAIModel("m", base_url=server.url, api_key="k")
        snapshot = {**to_json(graph), "request": "measure the room"}
        event = {"task": "measure", "state": "failed"}
        assert await LlmPlanner(model).revise(snapshot, event, (ROOM, DESK)) == ()
    problem = "measure began when nobody read what it puts out; refer to ${measure.output}"
    assert problem in server.asked[1]["messages"][-1]["content"]


def test_a_skill_says_whether_it_puts_out_items() -> None:
    @skill("a", effect="read")
    async def generates() -> AsyncIterator[int]:
        yield 1

    @skill("b", effect="read", emits=True)
    async def emits() -> None: ...

    @skill("c", effect="read")
    async def plain() -> None: ...

    assert [each.card.emits for each in (generates, emits, plain)] == [True, True, False]


def test_a_site_hands_no_items_on() -> None:
    assert not any(card.emits or card.reads for card in together([ROOM]).values())


async def test_a_hub_runs_such_a_plan_while_the_model_writes_it(tmp_path: Path) -> None:
    with scripted_server(says(PLAN, pieces=200)) as server:
        planner = {"kind": "llm", "model": "m", "base_url": server.url, "api_key": "k"}
        mine = Settings.model_validate(
            {"state_dir": tmp_path, "hub": {"port": 0}, "planner": planner}
        )
        arguments = ["agent", "--name", "room", "--kind", "test", "--skills", str(READINGS)]
        async with (
            service.open_hub(mine),
            child("room", arguments, mine) as agent,
            open_hub(mine) as hub,
        ):
            await agent.ready()
            submitted = await hub.ask("submit", request="watch the room")
            name = submitted["constellation"]
            async for event in await hub.watch(name, after=0):
                if event["kind"] == "ended":
                    break
            logs = await hub.ask("logs", constellation=name)
    facts = [(each["kind"], each["body"].get("task")) for each in logs["facts"]]
    assert facts.index(("started", "watch")) < facts.index(("finished", "measure"))
    assert event["body"]["state"] == "completed"
