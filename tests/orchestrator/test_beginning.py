"""Requests whose reading part runs while a model still writes the plan: a real hub and device."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import pytest

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.client import Link
from constellation.aip.client import connect as connect_device
from constellation.aip.messages import Message
from constellation.client import HubClient, find_hub, open_hub
from constellation.config import Settings, load_settings
from constellation.errors import PlanError
from constellation.fabric import Fabric
from constellation.graph.task import TaskState
from constellation.orchestrator import service
from constellation.testing.chat_server import (
    Hangs,
    ScriptedServer,
    breaks_off,
    halts,
    says,
    scripted_server,
)

pytestmark = pytest.mark.anyio

CARD = DeviceCard(
    name="desk",
    skills=(
        SkillCard(
            name="files.list",
            effect="read",
            description="List the files in a folder.",
            input={"type": "object", "properties": {"path": {"type": "string"}}},
        ),
        SkillCard(name="sys.memory", effect="read", description="Show the memory."),
        SkillCard(name="files.write", effect="write", description="Write a file."),
    ),
    capacity=8,
)
LOOK = {"id": "look", "skill": "files.list", "arguments": {"path": "music"}}
WRITE = {
    "id": "save",
    "skill": "files.write",
    "arguments": {"path": "songs.txt", "content": "${look.output.names}"},
}
REQUEST = "write songs.txt with the files in music"


class Desk:
    """A device that does at once whatever it is told, or never ends it if it shall hold on."""

    link: Link

    def __init__(self) -> None:
        self.holds = False
        self.fails = 0
        self.done: list[str] = []
        self.canceled: list[str] = []

    def take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.type == "assign":
                self._assigned(message.body)
            elif message.type == "cancel":
                attempt = message.body["attempt"]
                self.canceled.append(attempt.split("/")[1])
                self.link.send("result", {"attempt": attempt, "state": "canceled"})
        self.link.acknowledge(messages[-1].seq)

    def _assigned(self, body: Any) -> None:
        if self.holds:
            return
        self.done.append(body["context"]["task"])
        outcome: dict[str, Any] = {"state": "completed", "output": {"names": ["one.mp3"]}}
        if self.fails:
            self.fails -= 1
            outcome = {"state": "failed", "error": {"code": "task.failed", "message": "no"}}
        self.link.send("result", {"attempt": body["attempt"], **outcome})


class Place:
    """A hub that plans with a model, a device, and somebody who asks."""

    def __init__(self, settings: Settings, hub: HubClient, desk: Desk) -> None:
        self.settings = settings
        self.hub = hub
        self.fabric = Fabric(hub)
        self.desk = desk

    async def until(self, kind: str, holds: Callable[[Any], bool] = lambda body: True) -> Any:
        """The first event of a kind, of any constellation."""
        async with aclosing(await self.hub.follow(None, after=0)) as events:
            async for event in events:
                if event["kind"] == kind and holds(event["body"]):
                    return event
        raise AssertionError("the hub has gone")


@asynccontextmanager
async def place(state: Path, server: ScriptedServer, **planner: Any) -> AsyncIterator[Place]:
    chosen = {"kind": "llm", "model": "m", "base_url": server.url, "api_key": "k", **planner}
    mine = load_settings({"state_dir": state, "hub": {"port": 0}, "planner": chosen})
    desk = Desk()
    async with service.open_hub(mine), open_hub(mine) as hub:
        url, token = find_hub(mine)
        async with connect_device(
            url,
            role="device",
            name=CARD.name,
            card=CARD,
            credential=token,
            on_messages=desk.take,
        ) as desk.link:
            await desk.link.ready()
            yield Place(mine, hub, desk)


def plan(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"title": "Songs", "tasks": steps, "notes": ["behind the tasks"], **more}


async def test_what_only_reads_is_done_before_the_model_has_written_the_rest(
    tmp_path: Path,
) -> None:
    go = Event()
    with scripted_server(halts(plan(LOOK, WRITE), '"music"}}', go)) as server:
        async with place(tmp_path, server) as here, anyio.create_task_group() as tasks:

            @tasks.start_soon
            async def early() -> None:
                finished = await here.until("finished")
                assert finished["body"]["task"] == "look"
                (row,) = await here.fabric.constellations()
                assert (row["name"], row["state"]) == (REQUEST, "working")
                assert here.desk.done == ["look"]
                go.set()

            work = await here.fabric.submit(REQUEST)
            ended = await work.ended()
        assert here.desk.done == ["look", "save"]
    nodes = ended.constellation.nodes
    assert [node.state for node in nodes.values()] == [TaskState.COMPLETED] * 2
    assert not any(node.task.optional for name, node in nodes.items() if name != "look")
    assert work.title == "Songs"


async def test_what_changes_something_waits_for_the_whole_plan(tmp_path: Path) -> None:
    go = Event()
    write = {**WRITE, "arguments": {"path": "songs.txt", "content": "music"}}
    with scripted_server(halts(plan(write, LOOK), '"music"}}]', go)) as server:
        async with place(tmp_path, server) as here, anyio.create_task_group() as tasks:

            @tasks.start_soon
            async def early() -> None:
                await here.until("finished")
                assert here.desk.done == ["look"]
                go.set()

            await (await here.fabric.submit(REQUEST)).ended()
        assert here.desk.done == ["look", "save"]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([plan(LOOK, WRITE, problems=["There is no music."])], "There is no music."),
        ([plan(LOOK, {**WRITE, "skill": "files.sing"})] * 2, "files.sing"),
    ],
    ids=["refused", "unusable"],
)
async def test_what_was_begun_for_no_plan_is_canceled(
    tmp_path: Path, answers: list[Any], reason: str
) -> None:
    with scripted_server(*map(says, answers)) as server:
        async with place(tmp_path, server, repairs=1) as here:
            here.desk.holds = True
            with pytest.raises(PlanError, match=reason):
                await here.fabric.submit(REQUEST)
            (row,) = await here.fabric.constellations(ended=True)
            assert (row["state"], row["name"]) == ("canceled", REQUEST)
            assert row["tokens"] == 100 * len(answers), "it was paid for all the same"
            canceled = await here.until("canceled")
            assert reason in canceled["body"]["reason"]


async def test_an_answer_that_breaks_off_leaves_nothing_running(tmp_path: Path) -> None:
    # The client library asks again by itself, and is cut off each time.
    with scripted_server(*[breaks_off] * 8) as server:
        async with place(tmp_path, server) as here:
            with pytest.raises(PlanError):
                await here.fabric.submit(REQUEST)
            assert await here.fabric.constellations(ended=True) == []


async def test_a_plan_that_is_mended_keeps_what_was_begun(tmp_path: Path) -> None:
    wrong = plan(LOOK, {**WRITE, "skill": "files.sing"})
    with scripted_server(says(wrong), says(plan(LOOK, WRITE))) as server:
        async with place(tmp_path, server) as here:
            ended = await (await here.fabric.submit(REQUEST)).ended()
            assert here.desk.done == ["look", "save"]
    assert list(ended.constellation.nodes) == ["look", "save"]


async def test_what_failed_early_is_done_again(tmp_path: Path) -> None:
    go = Event()
    script = [halts(plan(LOOK, WRITE), '"music"}}', go), says({"changes": []})]
    with scripted_server(*script) as server:
        async with place(tmp_path, server) as here, anyio.create_task_group() as tasks:
            here.desk.fails = 1

            @tasks.start_soon
            async def early() -> None:
                await here.until("finished")
                go.set()

            ended = await (await here.fabric.submit(REQUEST)).result()
            assert here.desk.done == ["look", "look", "save"]
    assert ended.constellation.nodes["save"].state is TaskState.COMPLETED


async def test_a_request_that_is_canceled_while_it_is_planned_stays_canceled(
    tmp_path: Path,
) -> None:
    go = Event()
    with scripted_server(halts(plan(LOOK, WRITE), '"music"}}', go)) as server:
        async with place(tmp_path, server) as here, anyio.create_task_group() as tasks:

            @tasks.start_soon
            async def change_of_mind() -> None:
                finished = await here.until("finished")
                await here.fabric.work(finished["constellation"]).cancel()
                go.set()

            with pytest.raises(PlanError, match="canceled before its plan was whole"):
                await here.fabric.submit(REQUEST)
            assert here.desk.done == ["look"]


async def test_a_plan_that_nobody_waits_for_any_more_is_given_up(tmp_path: Path) -> None:
    hangs = Hangs()
    with scripted_server(hangs) as server:
        async with place(tmp_path, server, speculate=True) as here:
            guest = open_hub(here.settings, name="guest")
            async with guest as client, anyio.create_task_group() as tasks:
                request = "list the files in music on desk"
                tasks.start_soon(partial(client.ask, "submit", request=request))
                await here.until("finished")
                assert await anyio.to_thread.run_sync(hangs.begun.wait, 60)
                tasks.cancel_scope.cancel()
            canceled = await here.until("canceled")
            assert canceled["body"]["reason"] == "nobody waits for its plan"
        assert hangs.left.wait(60), "the model's server still writes"


@pytest.mark.parametrize(("options", "submits"), [({}, True), ({"stream": False}, False)])
async def test_nothing_begins_early_where_a_person_looks_first(
    tmp_path: Path, options: dict[str, Any], submits: bool
) -> None:
    with scripted_server(*[says(plan(LOOK, WRITE))] * 2) as server:
        async with place(tmp_path, server, **options) as here:
            await here.fabric.plan(REQUEST)
            work = await here.fabric.submit(REQUEST, paused=submits)
            await work.resume()
            events = [event.kind async for event in work.events()]
            assert "planned" not in events
            assert here.desk.done == ["look", "save"]


# ── guesses ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_guess_is_begun_before_the_model_says_anything(tmp_path: Path) -> None:
    go = Event()
    step = {"id": "t1", "skill": "files.list", "device": "desk", "arguments": {"path": "music"}}
    other = {"id": "t2", "skill": "sys.memory", "device": "desk"}
    with scripted_server(halts(plan(step, other), '"title"', go)) as server:
        async with place(tmp_path, server, speculate=True) as here:
            async with anyio.create_task_group() as tasks:

                @tasks.start_soon
                async def early() -> None:
                    await here.until("finished")
                    go.set()

                work = await here.fabric.submit("list the files in music on desk")
                ended = await work.result()
            assert len(here.desk.done) == 2
            assert here.desk.done[1] == "t2"
    assert "t1" not in ended.constellation.nodes


async def test_a_guess_that_was_wrong_is_canceled(tmp_path: Path) -> None:
    step = {"id": "t1", "skill": "sys.memory", "device": "desk"}
    with scripted_server(says(plan(step))) as server:
        async with place(tmp_path, server, speculate=True) as here:
            here.desk.holds = True
            async with anyio.create_task_group() as tasks:

                @tasks.start_soon
                async def release() -> None:
                    await here.until("started", lambda body: body["task"] == "t1")
                    for attempt in await running(here):
                        outcome = {"attempt": attempt, "state": "completed"}
                        if "/t1/" in attempt:
                            here.desk.link.send("result", outcome)

                ended = await (await here.fabric.submit("list the files in music on desk")).result()
            (guess,) = ended.constellation.nodes.keys() - {"t1"}
            assert here.desk.canceled == [guess]


async def test_what_cannot_be_guessed_is_planned_all_the_same(tmp_path: Path) -> None:
    with scripted_server(says(plan(LOOK))) as server:
        async with place(tmp_path, server, speculate=True) as here:
            ended = await (await here.fabric.submit("tell me about my music, will you")).result()
            assert list(ended.constellation.nodes) == ["look"]


async def running(here: Place) -> list[str]:
    (device,) = await here.fabric.devices()
    return list(device.running)
