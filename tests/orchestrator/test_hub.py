"""The hub over real sockets: a real journal, real sessions, a device that answers as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from disk_kit import full_disk

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.client import Link, connect
from constellation.aip.messages import Message
from constellation.config import DISCOVERY_FILE, LocalHub, Settings
from constellation.errors import (
    AuthenticationError,
    ConstellationError,
    EditConflictError,
    ImmutableTaskError,
    InvalidTransition,
    JournalError,
    LimitExceeded,
    PermissionDenied,
    PlanError,
    RemoteProtocolError,
    UnknownConstellationError,
    UnknownTaskError,
)
from constellation.graph.edits import AddTask, Edit
from constellation.graph.task import Task
from constellation.llm.spending import Account
from constellation.orchestrator.events import Paused, Resumed
from constellation.orchestrator.hub import STRIDE, Hub
from constellation.orchestrator.service import open_hub
from constellation.orchestrator.verbs.planning import MOST_DOUBTS
from constellation.planner.offline import OfflinePlanner
from constellation.planner.ports import Ahead, Plan

pytestmark = pytest.mark.anyio

SKILLS = (
    SkillCard(
        name="work",
        description="Do a piece of work.",
        effect="read",
        idempotent=True,
        examples=("do the work",),
    ),
    SkillCard(name="once", effect="write"),
)
Answerer = Callable[["Device", Message], None]


def settings(state: Path, **hub: Any) -> Settings:
    return Settings.model_validate({"state_dir": state, "hub": {"port": 0, **hub}})


class Device:
    """A device whose answers the test decides.

    Attributes:
        assigned: bodies of the assignments that came, by task.
        other: other messages that came.
        frames: how many messages came in each frame.
    """

    def __init__(self, answer: Answerer | None) -> None:
        self.link: Link
        self.assigned: dict[str, dict[str, Any]] = {}
        self.other: list[Message] = []
        self.frames: list[int] = []
        self._answer = answer
        self._changed = anyio.Event()

    def take(self, messages: Sequence[Message]) -> None:
        self.frames.append(len(messages))
        for message in messages:
            if message.type == "assign":
                self.assigned[message.body["attempt"].split("/")[1]] = message.body
                if self._answer is not None:
                    self._answer(self, message)
            else:
                self.other.append(message)
        self.link.acknowledge(messages[-1].seq)
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, condition: Callable[[], Any]) -> None:
        with anyio.fail_after(100):
            while not condition():
                await self._changed.wait()

    def result(self, task: str, state: str = "completed", **fields: Any) -> None:
        attempt = self.assigned[task]["attempt"]
        self.link.send("result", {"attempt": attempt, "state": state, **fields})


def complete(device: Device, message: Message) -> None:
    device.link.send(
        "result",
        {
            "attempt": message.body["attempt"],
            "state": "completed",
            "output": message.body["arguments"],
        },
    )


@asynccontextmanager
async def client_of(hub: Hub, state: Path) -> AsyncIterator[Link]:
    local = LocalHub.find(state)
    assert local is not None
    token = local.token.get_secret_value()
    async with connect(hub.url, role="client", name="tester", credential=token) as link:
        await link.ready()
        yield link


@asynccontextmanager
async def device_of(
    hub: Hub,
    client: Link,
    name: str = "desk",
    answer: Answerer | None = complete,
    capacity: int = 4,
    **more: Any,
) -> AsyncIterator[Device]:
    device = Device(answer)
    offer = await client.request("pair", {"name": name})
    card = DeviceCard(name=name, skills=SKILLS, capacity=capacity)
    async with connect(
        hub.url,
        role="device",
        name=name,
        card=card,
        pair_code=offer["code"],
        on_messages=device.take,
        **more,
    ) as device.link:
        await device.link.ready()
        yield device


class Bench:
    """A hub with a client, and what tests do with them."""

    def __init__(self, hub: Hub, client: Link) -> None:
        self.hub = hub
        self.client = client

    async def submit(self, *tasks: Mapping[str, Any], **more: Any) -> str:
        edits = [{"op": "add_task", "task": {"skill": "work", **task}} for task in tasks]
        answer = await self.client.request("submit", {"edits": edits, **more})
        return str(answer["constellation"])

    async def events(self, constellation: str | None = None, after: int = 0) -> Any:
        params: dict[str, Any] = {"after": after}
        if constellation is not None:
            params["constellation"] = constellation
        answer = await self.client.request("subscribe", params)
        return self.client.events(answer["subscription"])

    async def until(self, constellation: str, kind: str) -> list[Mapping[str, Any]]:
        """The events of a constellation up to one of a kind."""
        seen = []
        with anyio.fail_after(100):
            async for event in await self.events(constellation):
                seen.append(event)
                if event["kind"] == kind:
                    break
        return seen

    async def until_last(self, constellation: str) -> None:
        """Wait for the end of one that had ended before and went on."""
        known = {"constellation": constellation, "after": 0}
        answer = await self.client.request("subscribe", known)
        with anyio.fail_after(100):
            async for event in self.client.events(answer["subscription"]):
                if event["kind"] == "ended" and event["seq"] >= answer["last"]:
                    break

    async def until_finished(self, constellation: str, task: str) -> None:
        """Wait for the outcome of a task."""
        with anyio.fail_after(100):
            async for event in await self.events(constellation):
                if event["kind"] == "finished" and event["body"]["task"] == task:
                    break

    async def ended(self, constellation: str) -> dict[str, dict[str, Any]]:
        """Wait for the end; return the nodes by task."""
        await self.until(constellation, "ended")
        return await self.nodes(constellation)

    async def nodes(self, constellation: str) -> dict[str, dict[str, Any]]:
        shown = await self.client.request("show", {"constellation": constellation})
        return {node["task"]["id"]: node for node in shown["graph"]["nodes"]}


@asynccontextmanager
async def bench(state: Path, **hub_settings: Any) -> AsyncIterator[Bench]:
    async with (
        open_hub(settings(state, **hub_settings)) as hub,
        client_of(hub, state) as client,
    ):
        yield Bench(hub, client)


@pytest.mark.parametrize("sync", ["normal", "full", "off"])
async def test_tasks_run_in_order_and_data_flows(tmp_path: Path, sync: str) -> None:
    async with bench(tmp_path, journal_sync=sync) as it, device_of(it.hub, it.client):
        name = await it.submit(
            {"id": "a", "arguments": {"x": 1}}, {"id": "b", "arguments": {"y": "${a.output.x}"}}
        )
        nodes = await it.ended(name)
        assert nodes["b"]["output"] == {"y": 1}
        listed = await it.client.request("list", {"all": True})
        assert [row["state"] for row in listed["constellations"]] == ["completed"]
        logs = await it.client.request("logs", {"constellation": name})
        assert [fact["kind"] for fact in logs["facts"]][-1] == "ended"


async def test_plain_words_become_a_constellation(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub, it.client):
        plan = await it.client.request("plan", {"request": "do the work on desk"})
        assert plan["edits"][0]["task"]["skill"] == "work"
        answer = await it.client.request("submit", {"request": "do the work on desk"})
        assert (await it.ended(answer["constellation"])).popitem()[1]["device"] == "desk"
        plan["edits"][0]["task"]["requirement"] = {"device": "desks"}
        doubted = await it.client.request("plan", {"edits": plan["edits"], "name": "more"})
        assert (doubted["title"], doubted["revise_on"]) == ("more", [])
        assert "no device 'desks' is connected. Did you mean 'desk'?" in doubted["notes"][0]
        many = [{"op": "add_task", "task": {"id": f"t{n}", "skill": "fly"}} for n in range(500)]
        assert len((await it.client.request("plan", {"edits": many}))["notes"]) == MOST_DOUBTS
        with pytest.raises(PlanError):
            await it.client.request("submit", {"request": "colourless green ideas"})
        with pytest.raises(PlanError, match="nothing to plan"):
            await it.client.request("submit", {})


async def test_the_same_submission_twice_is_one_constellation(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub, it.client):
        assert await it.submit({"id": "a"}, id="mine") == "mine"
        assert await it.submit({"id": "a"}, id="mine") == "mine"
        await it.ended("mine")
        assert await it.submit({"id": "a"}, id="mine") == "mine"
        listed = await it.client.request("list", {"all": True})
        assert [row["id"] for row in listed["constellations"]] == ["mine"]


async def test_what_is_wrong_with_a_request_is_said(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        ask = it.client.request
        with pytest.raises(RemoteProtocolError, match="no verb 'explode'"):
            await ask("explode", {})
        with pytest.raises(RemoteProtocolError, match="show: constellation"):
            await ask("show", {})
        with pytest.raises(RemoteProtocolError, match="colour"):
            await ask("list", {"colour": "red"})
        for verb in ("show", "logs", "cancel", "subscribe", "pause"):
            with pytest.raises(UnknownConstellationError, match="nope"):
                await ask(verb, {"constellation": "nope"})
        with pytest.raises(EditConflictError, match="is no id"):
            await it.submit({"id": "a b"})
        assert (await ask("list", {}))["constellations"] == []
        name = await it.submit({"id": "a"})
        with pytest.raises(UnknownTaskError):
            await ask("cancel", {"constellation": name, "task": "zzz"})
        with pytest.raises(UnknownTaskError, match="asks nothing"):
            await ask("answer", {"constellation": name, "task": "a", "answer": True})
        with pytest.raises(ImmutableTaskError):
            await ask("retry", {"constellation": name, "task": "a"})


async def test_edits_pause_resume_and_cancel(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub, it.client, answer=None) as device:
        ask = it.client.request
        name = await it.submit({"id": "a"}, paused=True)
        assert device.assigned == {}
        added = {"op": "add_task", "task": {"id": "b", "skill": "work"}}
        edit = {"constellation": name, "edits": [added], "base_version": 1, "name": "a and b"}
        assert (await ask("edit", edit))["version"] == 2
        assert (await ask("list", {}))["constellations"][0]["name"] == "a and b"
        await ask("resume", {"constellation": name})
        await device.until(lambda: set(device.assigned) == {"a", "b"})
        await ask("cancel", {"constellation": name, "task": "a", "reason": "not that one"})
        await device.until(lambda: device.other)
        assert device.other[0].type == "cancel"
        assert device.other[0].body["reason"] == "not that one"
        await ask("cancel", {"constellation": name})
        nodes = await it.ended(name)
        assert {node["state"] for node in nodes.values()} == {"canceled"}
        with pytest.raises(UnknownConstellationError, match="has ended"):
            await ask("pause", {"constellation": name})


async def test_a_person_answers_what_a_device_asks(tmp_path: Path) -> None:
    def ask_first(device: Device, message: Message) -> None:
        question = {"id": "q1", "kind": "approval", "prompt": "Really?"}
        device.link.send(
            "input_required", {"attempt": message.body["attempt"], "question": question}
        )

    async with bench(tmp_path) as it, device_of(it.hub, it.client, answer=ask_first) as device:
        name = await it.submit({"id": "a"})
        await it.until(name, "asked")
        assert (await it.nodes(name))["a"]["question"]["prompt"] == "Really?"
        await it.client.request("answer", {"constellation": name, "task": "a", "answer": True})
        await device.until(lambda: device.other)
        assert device.other[0].body["answer"] is True
        device.result("a")
        assert (await it.ended(name))["a"]["state"] == "completed"


async def test_progress_and_output_reach_those_who_watch(tmp_path: Path) -> None:
    def chat(device: Device, message: Message) -> None:
        attempt = message.body["attempt"]
        device.link.send("accept", {"attempts": [attempt]})
        device.link.send("progress", {"attempt": attempt, "fraction": 0.5})
        device.link.send("output", {"attempt": attempt, "index": 0, "data": "line"})
        device.link.send("output", {"attempt": "someone/elses/1", "index": 0, "data": "lie"})
        complete(device, message)

    async with bench(tmp_path) as it:
        events = await it.events()
        async with device_of(it.hub, it.client, answer=chat):
            await it.submit({"id": "a"})
            seen = []
            with anyio.fail_after(100):
                async for event in events:
                    seen.append(event)
                    if event["kind"] == "ended":
                        break
    kinds = [event["kind"] for event in seen]
    assert {"accept", "progress", "output"} <= set(kinds)
    assert [event["body"]["data"] for event in seen if event["kind"] == "output"] == ["line"]


async def test_devices_go_on_while_a_large_frame_is_worked_through(tmp_path: Path) -> None:
    count = 4 * STRIDE
    tasks: list[dict[str, Any]] = [{"id": f"a{each}"} for each in range(count)]
    tasks += [
        {"id": f"b{each}", "arguments": {"x": f"${{a{each}.output}}"}} for each in range(count)
    ]
    async with (
        bench(tmp_path) as it,
        device_of(it.hub, it.client, answer=None, capacity=count) as device,
    ):
        name = await it.submit(*tasks)
        await device.until(lambda: len(device.assigned) == count)
        device.frames.clear()
        for task in list(device.assigned):
            device.result(task, output=1)
        await device.until(lambda: len(device.assigned) == 2 * count)
        assert max(device.frames) <= STRIDE
        for task in list(device.assigned)[count:]:
            device.result(task)
        nodes = await it.ended(name)
    assert {node["state"] for node in nodes.values()} == {"completed"}


async def test_a_lying_device_harms_nobody(tmp_path: Path) -> None:
    async with (
        bench(tmp_path) as it,
        device_of(it.hub, it.client, "honest", answer=None) as honest,
        device_of(it.hub, it.client, "liar", answer=None) as liar,
    ):
        requirement = {"requirement": {"device": "honest"}}
        name = await it.submit({"id": "a", **requirement})
        await honest.until(lambda: honest.assigned)
        attempt = honest.assigned["a"]["attempt"]
        liar.link.send("result", {"attempt": attempt, "state": "completed", "output": "lie"})
        liar.link.send("result", {"attempt": "no/such/1", "state": "completed"})
        liar.link.send("reject", {"attempt": attempt, "error": {"code": "x", "message": "x"}})
        liar.link.send("card", {"card": {"name": "honest", "skills": []}})
        liar.link.send("drain", {})
        with anyio.fail_after(100):
            await liar.link.drained()
        assert (await it.nodes(name))["a"]["state"] == "working"
        honest.result("a", output="truth")
        assert (await it.ended(name))["a"]["output"] == "truth"


async def test_a_device_credential_may_not_act_as_a_client(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        tokens: list[str] = []
        async with device_of(it.hub, it.client, on_credential=tokens.append):
            pass
        with pytest.raises((PermissionDenied, AuthenticationError)):
            async with connect(
                it.hub.url, role="client", name="desk", credential=tokens[0]
            ) as link:
                await link.ready()
        offer = await it.client.request("pair", {"role": "client", "name": "friend"})
        async with connect(
            it.hub.url, role="client", name="friend", pair_code=offer["code"]
        ) as friend:
            await friend.ready()
            assert (await friend.request("list", {}))["constellations"] == []
            with pytest.raises(PermissionDenied, match="admin"):
                await friend.request("pair", {})


async def test_logs_and_devices_come_in_parts(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub, it.client):
        name = await it.submit({"id": "a"})
        await it.until(name, "ended")
        ask = it.client.request
        first = await ask("logs", {"constellation": name, "limit": 2})
        assert ([fact["kind"] for fact in first["facts"]], first["more"]) == (
            ["created", "edited"],
            True,
        )
        (bare,) = (await ask("devices", {"cards": False}))["devices"]
        assert (bare["name"], "card" in bare) == ("desk", False)
        (full,) = (await ask("devices", {"names": ["desk", "nobody"]}))["devices"]
        assert full["card"]["skills"][0]["name"] == "work"


async def test_a_revoked_device_is_gone_at_once(tmp_path: Path) -> None:
    async def serve_for_ever(it: Bench) -> None:
        async with device_of(it.hub, it.client) as device:
            await it.client.request("revoke", {"name": "desk"})
            await device.until(lambda: False)

    async with bench(tmp_path) as it:
        with pytest.raises(AuthenticationError):
            await serve_for_ever(it)
        devices = (await it.client.request("devices", {}))["devices"]
        assert [(row["name"], row["presence"]) for row in devices] == [("desk", "revoked")]
        names = [row["name"] for row in (await it.client.request("credentials", {}))["credentials"]]
        assert names == ["local"]


async def test_a_restarted_hub_goes_on_where_it_was(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub, it.client, answer=None) as device:
        name = await it.submit({"id": "a", "arguments": {"x": 1}}, {"id": "b"})
        after = {"op": "add_task", "task": {"id": "c", "skill": "work", "arguments": {}}}
        edge = {"op": "add_dependency", "dependency": {"source": "a", "target": "c"}}
        await it.client.request("edit", {"constellation": name, "edits": [after, edge]})
        await device.until(lambda: set(device.assigned) == {"a", "b"})
        device.result("a", output=7)
        await device.until(lambda: "c" in device.assigned)
    async with bench(tmp_path) as it:
        again = await it.nodes(name)
        assert again["a"]["output"] == 7
        assert (await it.client.request("list", {}))["constellations"][0]["version"] == 2
        # The device has forgotten everything: what it does not name never ended there.
        async with device_of(it.hub, it.client):
            nodes = await it.ended(name)
        assert {node["state"] for node in nodes.values()} == {"completed"}
        assert nodes["a"]["attempt"] == 1
        assert nodes["b"]["attempt"] == 2


async def test_a_revising_planner_holds_only_what_follows(tmp_path: Path) -> None:
    asked = anyio.Event()
    answer = anyio.Event()

    class Reviser(OfflinePlanner):
        revise_on = frozenset({"failed"})

        async def revise(
            self,
            snapshot: Mapping[str, Any],
            event: Mapping[str, Any],
            devices: Any,
            account: Account | None = None,
        ) -> tuple[Edit, ...]:
            assert event["task"] == "a"
            asked.set()
            await answer.wait()
            return (AddTask(Task("rescue", skill="work")),)

    def fail_a(device: Device, message: Message) -> None:
        if message.body["attempt"].split("/")[1] == "a":
            error = {"code": "task.failed", "message": "no"}
            device.link.send(
                "result", {"attempt": message.body["attempt"], "state": "failed", "error": error}
            )
        else:
            complete(device, message)

    async with bench(tmp_path) as it, device_of(it.hub, it.client, answer=fail_a) as device:
        it.hub.planner = Reviser()
        name = await it.submit(
            {"id": "a"},
            {"id": "below", "arguments": {"x": "${a.output}"}},
            {"id": "free"},
            revise_on=["failed"],
        )
        with anyio.fail_after(100):
            await asked.wait()
        await device.until(lambda: "free" in device.assigned)
        assert (await it.nodes(name))["below"]["state"] == "submitted"
        answer.set()
        nodes = await it.ended(name)
        assert nodes["below"]["state"] == "canceled"
        assert nodes["rescue"]["state"] == "completed"


async def test_a_journal_that_cannot_be_written_stops_the_hub(tmp_path: Path) -> None:
    devices: list[Device] = []

    async def fill_the_disk() -> None:
        async with bench(tmp_path) as it, device_of(it.hub, it.client, answer=None) as device:
            devices.append(device)
            with full_disk(tmp_path), anyio.fail_after(100):
                await it.submit({"id": "a", "arguments": {"x": "x" * 500_000}})

    with pytest.raises(BaseExceptionGroup) as caught:
        await fill_the_disk()
    assert devices[0].assigned == {}
    assert caught.value.subgroup(JournalError) is not None


async def test_the_discovery_file_is_private_and_goes_with_the_hub(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        path = tmp_path / DISCOVERY_FILE
        assert path.stat().st_mode & 0o077 == 0
        status = await it.client.request("status", {})
        assert status["url"] == it.hub.url
        with pytest.raises(JournalError, match="Another hub"):
            async with open_hub(settings(tmp_path)):
                pass
    assert not path.exists()


async def test_a_question_answered_twice_is_refused(tmp_path: Path) -> None:
    def ask_first(device: Device, message: Message) -> None:
        question = {"id": "q1", "kind": "text", "prompt": "Name?"}
        device.link.send(
            "input_required", {"attempt": message.body["attempt"], "question": question}
        )

    async with bench(tmp_path) as it, device_of(it.hub, it.client, answer=ask_first):
        name = await it.submit({"id": "a"})
        await it.until(name, "asked")
        answer = {"constellation": name, "task": "a", "question": "q1", "answer": "x"}
        await it.client.request("answer", answer)
        with pytest.raises((UnknownTaskError, InvalidTransition)):
            await it.client.request("answer", answer)


async def test_a_graph_comes_in_parts_of_bounded_size(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        tasks = [{"id": f"t{n}", "arguments": {"x": "x" * 700_000}} for n in range(6)]
        name = await it.submit(*tasks, {"id": "last", "arguments": {"x": "${t0.output}"}})
        ask = it.client.request
        first = await ask("show", {"constellation": name, "limit": 1})
        assert [node["task"]["id"] for node in first["graph"]["nodes"]] == ["t0"]
        assert [edge["target"] for edge in first["graph"]["dependencies"]] == ["last"]
        assert first["next"] == 1
        positions = [0]
        while (position := positions[-1]) is not None:
            part = await ask("show", {"constellation": name, "limit": 100, "after": position})
            waiting = {node["task"]["id"] for node in part["graph"]["nodes"]} - {"last"}
            assert part["waiting"] == dict.fromkeys(waiting, "No device is connected.")
            positions.append(part["next"])
        assert positions == [0, 2, 4, None]
        logs = await ask("logs", {"constellation": name})
        assert ([fact["kind"] for fact in logs["facts"]], logs["more"]) == (["created"], True)


async def test_a_graph_too_large_for_one_answer_is_refused_with_what_to_do(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        name = await it.submit(*({"id": f"t{n}"} for n in range(5_001)))
        with pytest.raises(LimitExceeded) as caught:
            await it.client.request("show", {"constellation": name})
        assert "in parts" in caught.value.remedy


def fail_at_first(device: Device, message: Message) -> None:
    """Every first attempt fails, every later one completes."""
    state = "failed" if message.body["attempt"].endswith("/1") else "completed"
    device.result(message.body["attempt"].split("/")[1], state)


async def test_what_has_ended_is_retried_and_goes_on(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub, it.client, answer=fail_at_first):
        name = await it.submit({"id": "a"}, {"id": "b"})
        await it.until(name, "ended")
        answer = await it.client.request("retry", {"constellation": name})
        assert answer["tasks"] == ["a", "b"]
        await it.until_last(name)
        nodes = await it.nodes(name)
        assert {node["state"] for node in nodes.values()} == {"completed"}
        listed = await it.client.request("list", {"all": True})
        assert [row["state"] for row in listed["constellations"]] == ["completed"]
        with pytest.raises(EditConflictError, match="ended without success"):
            await it.client.request("retry", {"constellation": name})
        with pytest.raises(UnknownConstellationError):
            await it.client.request("retry", {"constellation": "c-none"})


async def test_what_goes_on_after_its_end_does_so_across_a_restart(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        name = await it.submit({"id": "a"})
        await it.client.request("cancel", {"constellation": name})
        await it.until(name, "ended")
        edits = [{"op": "add_task", "task": {"id": "b", "skill": "work"}}]
        await it.client.request("edit", {"constellation": name, "edits": edits})
    async with bench(tmp_path) as it:
        listed = await it.client.request("list", {})
        assert [row["id"] for row in listed["constellations"]] == [name]
        async with device_of(it.hub, it.client):
            await it.until_last(name)
        assert (await it.nodes(name))["b"]["state"] == "completed"


async def test_listings_are_bounded(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub, it.client):
        for name in ("first", "second"):
            await it.submit({"id": "a"}, id=name)
            await it.until(name, "ended")
        await it.submit({"id": "a", "skill": "nobody.has.it"}, id="open")
        listed = await it.client.request("list", {"all": True, "limit": 1})
        assert ([row["id"] for row in listed["constellations"]], listed["more"]) == (
            ["second", "open"],
            True,
        )


async def test_the_hub_tells_what_it_counts(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub, it.client):
        name = await it.submit({"id": "a"}, {"id": "b", "arguments": {"y": "${a.output}"}})
        await it.until(name, "ended")
        await it.submit({"id": "a", "skill": "nobody.has.it"})
        counted = (await it.client.request("status", {}))["telemetry"]
        assert counted["tasks"] == {"completed": 2}
        assert counted["attempts"] == {"started": 2}
        assert counted["facts"]["created"] == 2
        assert counted["sessions"] == {"client": 1, "device": 1}
        assert (counted["constellations"], counted["ready"]) == (1, 1)
        assert counted["devices"]["desk"]["presence"] == "connected"
        assert counted["devices"]["desk"]["rtt_s"] == it.hub.peer("desk").rtt_s
        assert sum(counted["commit_s"]["counts"]) == sum(counted["commit_facts"]["counts"]) > 0
        assert counted["commit_facts"]["sum"] == sum(counted["facts"].values())


async def test_requests_that_wait_are_bounded(tmp_path: Path) -> None:
    answer = anyio.Event()

    class Slow(OfflinePlanner):
        async def plan(
            self,
            request: str,
            devices: Sequence[DeviceCard],
            ahead: Ahead | None = None,
            account: Account | None = None,
        ) -> Plan:
            await answer.wait()
            return Plan("late", (), ())

    refused: list[LimitExceeded] = []

    async def ask(it: Bench) -> None:
        try:
            await it.client.request("plan", {"request": "do the work"})
        except LimitExceeded as error:
            refused.append(error)
            answer.set()

    async with bench(tmp_path) as it:
        it.hub.planner = Slow()
        with anyio.fail_after(100):
            async with anyio.create_task_group() as tasks:
                for _ in range(65):
                    tasks.start_soon(ask, it)
        assert len(refused) == 1
        assert (await it.client.request("plan", {"request": "do it"}))["title"] == "late"


async def test_a_plan_that_no_client_could_be_told_is_refused(tmp_path: Path) -> None:
    class Verbose(OfflinePlanner):
        async def plan(
            self,
            request: str,
            devices: Sequence[DeviceCard],
            ahead: Ahead | None = None,
            account: Account | None = None,
        ) -> Plan:
            return Plan("much", (self.task("much"),), ())

        async def revise(
            self,
            snapshot: Mapping[str, Any],
            event: Mapping[str, Any],
            devices: Any,
            account: Account | None = None,
        ) -> tuple[Edit, ...]:
            return (self.task("more"),)

        def task(self, id: str) -> AddTask:
            return AddTask(Task(id, "work", {"x": "x" * 7 * 1024 * 1024}))

    async with bench(tmp_path) as it, device_of(it.hub, it.client):
        it.hub.planner = Verbose()
        for verb in ("plan", "submit"):
            with pytest.raises(LimitExceeded, match="more than the 7,340,032 of one message"):
                await it.client.request(verb, {"request": "do the work"})
        name = await it.submit({"id": "a"}, revise_on=["completed"])
        assert list(await it.ended(name)) == ["a"]


async def test_a_mistake_in_a_planner_does_not_stop_the_hub(tmp_path: Path) -> None:
    class Faulty(OfflinePlanner):
        revise_on = frozenset({"completed"})

        async def plan(
            self,
            request: str,
            devices: Sequence[DeviceCard],
            ahead: Ahead | None = None,
            account: Account | None = None,
        ) -> Plan:
            raise ZeroDivisionError

        async def revise(
            self,
            snapshot: Mapping[str, Any],
            event: Mapping[str, Any],
            devices: Any,
            account: Account | None = None,
        ) -> tuple[Edit, ...]:
            raise ZeroDivisionError

    faults: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: faults.append(context["exception"])
    )
    async with bench(tmp_path) as it, device_of(it.hub, it.client):
        it.hub.planner = Faulty()
        with pytest.raises(ConstellationError, match="The hub hit a fault"):
            await it.client.request("plan", {"request": "do the work"})
        name = await it.submit(
            {"id": "a"}, {"id": "b", "arguments": {"x": "${a.output}"}}, revise_on=["completed"]
        )
        nodes = await it.ended(name)
        assert [node["state"] for node in nodes.values()] == ["completed", "completed"]
    assert [type(fault) for fault in faults] == [ZeroDivisionError] * 3


async def test_a_device_with_room_for_more_tasks_than_arguments_gets_them_in_turn(
    tmp_path: Path,
) -> None:
    def answer(device: Device, message: Message) -> None:
        task = message.body["attempt"].split("/")[1]
        device.result(task, output="x" * 6_000_000 if task == "large" else None)

    async with bench(tmp_path) as it, device_of(it.hub, it.client, answer=answer, capacity=32):
        takers = [
            {"id": f"t{n}", "idempotent": False, "arguments": {"x": "${large.output}"}}
            for n in range(12)
        ]
        name = await it.submit({"id": "large"}, *takers)
        nodes = await it.ended(name)
        assert {node["state"] for node in nodes.values()} == {"completed"}
        assert {node["attempt"] for node in nodes.values()} == {1}


async def test_an_observer_who_fell_behind_hears_on_though_no_fact_follows(tmp_path: Path) -> None:
    heard: list[Any] = []

    async def listen(events: Any) -> None:
        async for event in events:
            match event:
                case {"kind": "output", "body": {"data": data}}:
                    heard.append(data)

    async with bench(tmp_path) as it, device_of(it.hub, it.client, answer=None) as device:
        name = await it.submit({"id": "a"})
        await device.until(lambda: device.assigned)
        said = {"attempt": device.assigned["a"]["attempt"], "index": 0}
        with anyio.fail_after(100):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen, await it.events(name))
                for _ in range(20):
                    device.link.send("output", {**said, "data": "x" * 100_000})
                while not heard or it.hub.observers.behind:
                    await anyio.lowlevel.checkpoint()
                assert len(heard) < 20, "some were dropped"
                device.link.send("output", {**said, "data": "last"})
                while heard[-1] != "last":
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()


async def test_more_answers_at_once_than_a_client_takes_are_refused_one_by_one(
    tmp_path: Path,
) -> None:
    taken: list[int] = []
    refused: list[str] = []

    async def look(it: Bench, name: str) -> None:
        try:
            logs = await it.client.request("logs", {"constellation": name, "after": 1})
            taken.append(len(logs["facts"]))
        except LimitExceeded as error:
            refused.append(error.message)

    async with bench(tmp_path) as it:
        name = await it.submit({"id": "a", "arguments": {"x": "x" * 6_000_000}})
        with anyio.fail_after(100):
            async with anyio.create_task_group() as tasks:
                for _ in range(14):
                    tasks.start_soon(look, it, name)
        assert set(taken) == {1}
        assert all("its answer is left out" in message for message in refused)
        assert len(taken) + len(refused) == 14
        assert refused
        assert (await it.client.request("status", {}))["constellations"] == 1


async def test_subscriptions_are_bounded(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        first = await it.client.request("subscribe", {})
        for _ in range(99):
            await it.client.request("subscribe", {})
        with pytest.raises(LimitExceeded, match="100 subscriptions"):
            await it.client.request("subscribe", {})
        await it.client.request("unsubscribe", {"subscription": first["subscription"]})
        await it.client.request("subscribe", {})


async def test_a_long_constellation_is_replayed_from_a_snapshot(tmp_path: Path) -> None:
    async with bench(tmp_path) as it, device_of(it.hub, it.client):
        name = await it.submit({"id": "a"}, {"id": "b", "skill": "nobody.has.it"})
        await it.until(name, "finished")
        for _ in range(10_001):
            it.hub.feed(Paused(name))
            it.hub.feed(Resumed(name))
        it.hub.pipeline.flush()
        with anyio.fail_after(100):
            while it.hub.journal.saved(name).state is None:
                await anyio.lowlevel.checkpoint()
        it.hub.feed(Paused(name))
        it.hub.pipeline.flush()
    async with bench(tmp_path) as it:
        assert (await it.client.request("status", {}))["journal"]["replayed"] == 1
        nodes = await it.nodes(name)
        assert (nodes["a"]["state"], nodes["a"]["output"]) == ("completed", {})
        await it.client.request("resume", {"constellation": name})
        await it.client.request("cancel", {"constellation": name})
        await it.ended(name)
    async with bench(tmp_path) as it:
        assert (await it.client.request("status", {}))["journal"]["replayed"] == 0
        assert (await it.nodes(name))["b"]["state"] == "canceled"
