"""Secrets of tasks: sealed in journal, log and every view, in the clear on the device alone."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.client import Link, connect
from constellation.aip.messages import Message
from constellation.config import LocalHub, Settings
from constellation.errors import EditConflictError
from constellation.graph.edits import AddTask
from constellation.graph.task import Task
from constellation.orchestrator.hub import Hub
from constellation.orchestrator.sealing import KEY_FILE, SealBroken, Vault
from constellation.orchestrator.service import open_hub

pytestmark = pytest.mark.anyio

SCHEMA = {
    "type": "object",
    "properties": {
        "host": {"type": "string"},
        "password": {"type": "string", "format": "password", "writeOnly": True},
        "pins": {"type": "array", "items": {"writeOnly": True}},
    },
}
CARD = SkillCard(name="login", input=SCHEMA, effect="read", idempotent=True)
PLAIN = SkillCard(name="echo", effect="read", idempotent=True)
PASSWORD = "correct-horse-battery"
TOKEN = "sk-live-" + "a1B2" * 8


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / KEY_FILE, lambda skill: [CARD] if skill == "login" else [])


def sealed_task(vault: Vault, task: Task, constellation: str = "c") -> Task:
    (edit,) = vault.seal(constellation, [AddTask(task)])
    assert isinstance(edit, AddTask)
    return edit.task


def body(task: Task, constellation: str = "c") -> dict[str, Any]:
    return {
        "skill": task.skill,
        "arguments": task.arguments,
        "instruction": task.instruction,
        "context": {"constellation": constellation, "task": task.id},
    }


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["host", "password", "pins", "more"]), VALUES))
def test_what_was_sealed_opens_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, arguments: dict[str, Any]
) -> None:
    vault = Vault(tmp_path_factory.getbasetemp() / KEY_FILE, lambda skill: [CARD])
    task = sealed_task(vault, Task("a", "login", arguments))
    opened = vault.opened(body(task), "a")
    assert opened["arguments"] == arguments
    # The same again is the same: an edit that repeats it changes nothing.
    assert sealed_task(vault, Task("a", "login", arguments)) == task
    assert sealed_task(vault, task) == task


def test_nothing_secret_costs_nothing(vault: Vault, tmp_path: Path) -> None:
    task = Task("a", "echo", {"text": "hello", "list": [1, {"x": "y"}]}, instruction="say it")
    assert sealed_task(vault, task) is task
    assert not (tmp_path / KEY_FILE).exists()


def test_secrets_are_sealed_wherever_they_are(vault: Vault, tmp_path: Path) -> None:
    task = Task(
        "a",
        "login",
        {"host": "h", "password": PASSWORD, "pins": [1234, "x"], "more": [f"use {TOKEN} now"]},
        instruction=f"take {TOKEN}",
    )
    sealed = sealed_task(vault, task)
    shown = json.dumps(sealed.arguments) + sealed.instruction
    assert PASSWORD not in shown
    assert TOKEN not in shown
    assert "1234" not in shown
    assert sealed.arguments["host"] == "h"
    assert sealed.arguments["more"][0].startswith("use [sealed:v1:")
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    opened = vault.opened(body(sealed), "a")
    assert (opened["arguments"], opened["instruction"]) == (task.arguments, task.instruction)


def test_references_in_a_secret_stay_in_sight(vault: Vault) -> None:
    task = Task("b", "login", {"password": f"{PASSWORD}-${{a.output.salt}}-${{a.output.x}}"})
    sealed = sealed_task(vault, task)
    assert "${a.output.salt}" in sealed.arguments["password"]
    assert PASSWORD not in sealed.arguments["password"]
    assert vault.opened(body(sealed), "b")["arguments"] == task.arguments


@pytest.mark.parametrize(
    ("constellation", "task", "skill", "field"),
    [
        ("d", "a", "login", "password"),
        ("c", "b", "login", "password"),
        ("c", "a", "echo", "password"),
        ("c", "a", "login", "host"),
    ],
)
def test_a_seal_opens_nowhere_else(
    vault: Vault, constellation: str, task: str, skill: str, field: str
) -> None:
    sealed = sealed_task(vault, Task("a", "login", {"password": PASSWORD}))
    moved = Task(task, skill, {field: sealed.arguments["password"]})
    with pytest.raises(EditConflictError, match="sealed for another place"):
        sealed_task(vault, moved, constellation)
    with pytest.raises(SealBroken):
        vault.opened(body(moved, constellation), task)


def test_another_key_opens_nothing(vault: Vault, tmp_path: Path) -> None:
    sealed = sealed_task(vault, Task("a", "login", {"password": PASSWORD}))
    (tmp_path / KEY_FILE).write_bytes(b"x" * 64)
    fresh = Vault(tmp_path / KEY_FILE, lambda skill: [CARD])
    with pytest.raises(SealBroken, match="cannot be opened"):
        fresh.opened(body(sealed), "a")
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(SealBroken):
        Vault(tmp_path / KEY_FILE, lambda skill: [CARD]).opened(body(sealed), "a")


# ── a hub ───────────────────────────────────────────────────────────────────────────────────────


class Device:
    """A device that keeps what it was given, and completes it unless told to hold it."""

    def __init__(self, holds: bool = False) -> None:
        self.link: Link
        self.holds = holds
        self.given: list[Any] = []
        self.changed = anyio.Event()

    def take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.type == "assign":
                self.given.append((message.body["skill"], message.body["arguments"]))
                if not self.holds:
                    result = {"attempt": message.body["attempt"], "state": "completed"}
                    self.link.send("result", result)
        self.link.acknowledge(messages[-1].seq)
        self.changed.set()

    @asynccontextmanager
    async def on(self, hub: Hub) -> AsyncIterator[None]:
        _, token = hub.access.credentials.issue("desk", "device", time.time())
        async with connect(
            hub.url,
            role="device",
            name="desk",
            card=DeviceCard(name="desk", skills=(CARD, PLAIN)),
            credential=token,
            on_messages=self.take,
        ) as self.link:
            with anyio.fail_after(100):
                await self.link.ready()
                while not hub.cards():
                    await anyio.lowlevel.checkpoint()
            yield


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Hub, Link]]:
    mine = Settings.model_validate({"state_dir": folder, "hub": {"port": 0}})
    async with open_hub(mine) as hub:
        local = LocalHub.find(folder)
        assert local is not None
        token = local.token.get_secret_value()
        async with connect(hub.url, role="client", name="me", credential=token) as link:
            with anyio.fail_after(100):
                await link.ready()
            yield hub, link


def bytes_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def login(task: str = "a", **more: Any) -> dict[str, Any]:
    arguments = {"host": "h", "password": PASSWORD, "note": f"with {TOKEN}"}
    return {
        "op": "add_task",
        "task": {"id": task, "skill": "login", "arguments": arguments, **more},
    }


async def until_ended(link: Link, constellation: str) -> list[Any]:
    answer = await link.request("subscribe", {"constellation": constellation, "after": 0})
    seen = []
    with anyio.fail_after(100):
        async for event in link.events(answer["subscription"]):
            seen.append(event)
            if event["kind"] == "ended":
                break
    return seen


async def test_a_secret_reaches_the_device_and_no_file_log_or_view(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    desk = Device()
    async with running(tmp_path) as (hub, link), desk.on(hub):
        made = await link.request(
            "submit",
            {"edits": [login()], "name": f"log in with {TOKEN}"},
        )
        name = made["constellation"]
        events = await until_ended(link, name)
        shown = [
            await link.request("show", {"constellation": name}),
            await link.request("list", {"all": True}),
            await link.request("logs", {"constellation": name}),
            await link.request("devices"),
        ]
        seen = json.dumps([events, shown], default=str)
        assert desk.given == [
            ("login", {"host": "h", "password": PASSWORD, "note": f"with {TOKEN}"})
        ]
        while_it_runs = bytes_of(tmp_path)
    for secret in (PASSWORD, TOKEN):
        assert secret not in seen
        assert secret.encode() not in while_it_runs
        assert secret.encode() not in bytes_of(tmp_path)
        assert secret not in caplog.text
    assert "sealed:v1" in seen


async def test_a_hub_that_is_started_again_still_has_it(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, link):
        made = await link.request("submit", {"edits": [login()]})
    desk = Device()
    async with running(tmp_path) as (hub, link), desk.on(hub):
        await until_ended(link, made["constellation"])
    assert desk.given[0][1]["password"] == PASSWORD
    assert PASSWORD.encode() not in bytes_of(tmp_path)


async def test_a_hub_without_its_key_fails_the_task_and_says_why(tmp_path: Path) -> None:
    desk = Device()
    async with running(tmp_path) as (hub, link), desk.on(hub):
        await link.request("submit", {"edits": [login()], "id": "c-1", "paused": True})
    (tmp_path / KEY_FILE).write_bytes(b"y" * 64)
    async with running(tmp_path) as (hub, link), desk.on(hub):
        await link.request("resume", {"constellation": "c-1"})
        await until_ended(link, "c-1")
        shown = await link.request("show", {"constellation": "c-1"})
    (node,) = shown["graph"]["nodes"]
    assert node["error"]["code"] == "task.failed.secret"
    assert desk.given == []


async def test_edits_are_sealed_too(tmp_path: Path) -> None:
    desk = Device()
    async with running(tmp_path) as (hub, link), desk.on(hub):
        empty = {"id": "a", "skill": "login"}
        edits = [{"op": "add_task", "task": empty}]
        await link.request("submit", {"edits": edits, "id": "c-1", "paused": True})
        batches = (
            [{"op": "update_task", "id": "a", "changes": {"arguments": {"password": PASSWORD}}}],
            [{"op": "replace_subgraph", "remove": [], "tasks": [login("b")["task"]]}],
            [
                {"op": "add_task", "task": {"id": "d", "skill": "login"}},
                {"op": "update_task", "id": "d", "changes": {"arguments": {"password": PASSWORD}}},
            ],
        )
        for batch in batches:
            await link.request("edit", {"constellation": "c-1", "edits": batch, "note": TOKEN})
        await link.request("resume", {"constellation": "c-1"})
        await until_ended(link, "c-1")
        assert [given["password"] for _, given in desk.given] == [PASSWORD] * 3
        content = bytes_of(tmp_path)
    assert PASSWORD.encode() not in content
    assert TOKEN.encode() not in content


async def test_a_secret_is_not_told_by_running_it_through_another_skill(tmp_path: Path) -> None:
    desk = Device()
    async with running(tmp_path) as (hub, link), desk.on(hub):
        await link.request("submit", {"edits": [login()], "id": "c-1", "paused": True})
        shown = await link.request("show", {"constellation": "c-1"})
        stolen = shown["graph"]["nodes"][0]["task"]["arguments"]["password"]
        for edits in (
            [{"op": "update_task", "id": "a", "changes": {"skill": "echo"}}],
            [{"op": "add_task", "task": {"id": "x", "skill": "echo", "arguments": {"t": stolen}}}],
        ):
            with pytest.raises(EditConflictError, match="sealed for another place"):
                await link.request("edit", {"constellation": "c-1", "edits": edits})


async def test_elements_of_a_map_get_the_secret_of_their_map(tmp_path: Path) -> None:
    desk = Device()
    async with running(tmp_path) as (hub, link), desk.on(hub):
        hosts = [{"op": "add_task", "task": {"id": "h", "skill": "echo"}}]
        mapped = login("a", for_each="${h.output}")
        mapped["task"]["arguments"]["host"] = "${item}"
        desk.holds = True
        await link.request("submit", {"edits": [*hosts, mapped], "id": "c-1"})
        with anyio.fail_after(100):
            while not desk.given:
                await desk.changed.wait()
        desk.holds = False
        result = {"attempt": "c-1/h/1", "state": "completed", "output": ["one", "two"]}
        desk.link.send("result", result)
        await until_ended(link, "c-1")
    given = [(one["host"], one["password"]) for skill, one in desk.given if skill == "login"]
    assert given == [("one", PASSWORD), ("two", PASSWORD)]
