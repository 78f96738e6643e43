"""What credentials permit, over real sockets: of clients, of devices, of what planners want."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.client import Link, connect
from constellation.aip.messages import Message
from constellation.aip.scope import Scope
from constellation.config import Settings
from constellation.errors import (
    AuthenticationError,
    ConfigError,
    PermissionDenied,
    UnknownConstellationError,
    UnknownDeviceError,
)
from constellation.orchestrator.hub import Hub
from constellation.orchestrator.service import open_hub

pytestmark = pytest.mark.anyio
SKILLS = ("files.read", "files.delete", "agent.do")


class World:
    """A hub, and peers of it with credentials of every kind.

    Attributes:
        assigned: the skills that each device was given.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.assigned: dict[str, list[str]] = {}

    @asynccontextmanager
    async def client(self, name: str, kind: Any = "client", **scope: Any) -> AsyncIterator[Link]:
        _, token = self.hub.access.credentials.issue(name, kind, time.time(), scope=Scope(**scope))
        async with connect(self.hub.url, role="client", name=f"{name}-1", credential=token) as link:
            with anyio.fail_after(100):
                await link.ready()
            yield link

    @asynccontextmanager
    async def device(self, name: str, **scope: Any) -> AsyncIterator[Link]:
        _, token = self.hub.access.credentials.issue(
            name, "device", time.time(), scope=Scope(**scope)
        )
        given = self.assigned.setdefault(name, [])

        def take(messages: Sequence[Message]) -> None:
            for message in messages:
                if message.type == "assign":
                    given.append(message.body["skill"] or message.body["instruction"])
                    result = {"attempt": message.body["attempt"], "state": "completed"}
                    link.send("result", result)
            link.acknowledge(messages[-1].seq)

        card = DeviceCard(name=name, skills=tuple(SkillCard(name=each) for each in SKILLS))
        async with connect(
            self.hub.url, role="device", name=name, card=card, credential=token, on_messages=take
        ) as link:
            with anyio.fail_after(100):
                await link.ready()
                while name not in self.hub.scheduler.devices:
                    await anyio.lowlevel.checkpoint()
            yield link


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    mine = Settings.model_validate({"state_dir": tmp_path, "hub": {"port": 0}})
    async with open_hub(mine) as hub:
        yield World(hub)


def add(skill: str, device: str | None = None, task: str = "a", **more: Any) -> dict[str, Any]:
    plain = {"id": task, "skill": skill, **more}
    if device is not None:
        plain["requirement"] = {"device": device}
    return {"op": "add_task", "task": plain}


async def ended(link: Link, constellation: str) -> str:
    answer = await link.request("subscribe", {"constellation": constellation, "after": 0})
    with anyio.fail_after(100):
        async for event in link.events(answer["subscription"]):
            if event["kind"] == "ended":
                return str(event["body"]["state"])
    raise AssertionError("the events ended")


# ── clients: skills ─────────────────────────────────────────────────────────────────────────────


async def test_a_client_uses_the_skills_that_it_is_allowed(world: World) -> None:
    async with world.device("desk"), world.client("ada", skills=("files.read",)) as ada:
        made = await ada.request("submit", {"edits": [add("files.read")]})
        assert await ended(ada, made["constellation"]) == "completed"
        with pytest.raises(PermissionDenied, match=r"not use the skill files\.delete") as no:
            await ada.request("submit", {"edits": [add("files.delete")]})
        assert "constellation allow ada --skill files.delete" in no.value.remedy
    assert world.assigned["desk"] == ["files.read"]


@pytest.mark.parametrize(
    "edits",
    [
        [add("files.delete", task="b")],
        [{"op": "update_task", "id": "a", "changes": {"skill": "files.delete"}}],
        [
            {"op": "update_task", "id": "a", "changes": {"instruction": "delete all"}},
            {"op": "update_task", "id": "a", "changes": {"skill": ""}},
        ],
        [
            {"op": "remove_task", "id": "a"},
            {"op": "add_task", "task": {"id": "a", "instruction": "delete all"}},
        ],
        [{"op": "replace_subgraph", "remove": ["a"], "tasks": [add("files.delete")["task"]]}],
        [
            add("files.read", task="b"),
            {"op": "update_task", "id": "b", "changes": {"skill": "files.delete"}},
        ],
    ],
)
async def test_no_edit_gets_around_it(world: World, edits: list[Any]) -> None:
    async with world.client("ada", skills=("files.read",)) as ada:
        made = await ada.request("submit", {"edits": [add("files.read")], "paused": True})
        with pytest.raises(PermissionDenied):
            await ada.request("edit", {"constellation": made["constellation"], "edits": edits})
        shown = await ada.request("show", {"constellation": made["constellation"]})
        assert shown["version"] == 1


async def test_what_others_began_is_not_retried_with_their_skills(world: World) -> None:
    async with (
        world.client("root", "admin") as root,
        world.client("ada", skills=("files.read",)) as ada,
    ):
        made = await root.request("submit", {"edits": [add("files.delete")]})
        await root.request("cancel", {"constellation": made["constellation"]})
        with pytest.raises(PermissionDenied, match=r"files\.delete"):
            await ada.request("retry", {"constellation": made["constellation"]})


async def test_planners_and_listings_show_what_may_be_used(world: World) -> None:
    async with world.device("desk"), world.client("ada", skills=("files.read",)) as ada:
        (desk,) = (await ada.request("devices"))["devices"]
        assert [skill["name"] for skill in desk["card"]["skills"]] == ["files.read"]
        book = "title: x\nsteps:\n  - {id: a, skill: files.delete, with: {}}\n"
        with pytest.raises(PermissionDenied):
            await ada.request("submit", {"runbook": book})
        with pytest.raises(PermissionDenied):
            await ada.request("plan", {"runbook": book})


async def test_a_change_holds_at_once(world: World) -> None:
    async with (
        world.device("desk"),
        world.client("root", "admin") as root,
        world.client("ada", skills=()) as ada,
    ):
        with pytest.raises(PermissionDenied, match="allowed no skill"):
            await ada.request("submit", {"edits": [add("files.read")]})
        await root.request("allow", {"name": "ada", "skills": ["files.*"]})
        made = await ada.request("submit", {"edits": [add("files.read")]})
        assert await ended(ada, made["constellation"]) == "completed"
        answer = await root.request("allow", {"name": "ada", "read_only": True})
        assert answer["scope"]["skills"] == ["files.*"]
        with pytest.raises(PermissionDenied, match="may only look"):
            await ada.request("submit", {"edits": [add("files.read")]})


# ── clients: constellations ─────────────────────────────────────────────────────────────────────


async def test_a_client_that_only_looks_changes_nothing(world: World) -> None:
    async with (
        world.client("root", "admin") as root,
        world.client("eve", read_only=True) as eve,
    ):
        made = await root.request("submit", {"edits": [add("files.read")], "paused": True})
        name = {"constellation": made["constellation"]}
        assert (await eve.request("show", name))["owner"] == "root"
        for verb, params in (
            ("submit", {"edits": [add("files.read")]}),
            ("plan", {"request": "list the files"}),
            ("cancel", name),
            ("pause", name),
            ("resume", name),
            ("retry", name),
            ("edit", {**name, "edits": []}),
            ("answer", {**name, "task": "a", "answer": True}),
        ):
            with pytest.raises(PermissionDenied, match="may only look"):
                await eve.request(verb, params)


async def test_what_others_do_is_hidden_from_who_sees_its_own_only(world: World) -> None:
    async with (
        world.device("desk"),
        world.client("root", "admin") as root,
        world.client("ada", constellations="own") as ada,
    ):
        mine = (await ada.request("submit", {"edits": [add("files.read")]}))["constellation"]
        assert await ended(ada, mine) == "completed"
        theirs = (await root.request("submit", {"edits": [add("files.read")]}))["constellation"]
        assert await ended(root, theirs) == "completed"
        live = await root.request("submit", {"edits": [add("no.such")]})
        for hidden in (theirs, live["constellation"], "c-nonsuch"):
            for verb in ("show", "logs", "subscribe", "cancel", "retry", "pause"):
                with pytest.raises(UnknownConstellationError, match="There is no constellation"):
                    await ada.request(verb, {"constellation": hidden})
        rows = (await ada.request("list", {"all": True}))["constellations"]
        assert [row["id"] for row in rows] == [mine]
        assert len((await root.request("list", {"all": True}))["constellations"]) == 3
        with pytest.raises(PermissionDenied, match="is taken"):
            await ada.request("submit", {"edits": [add("files.read")], "id": theirs})


async def test_events_of_others_are_not_told(world: World) -> None:
    async with (
        world.device("desk"),
        world.client("root", "admin") as root,
        world.client("ada", constellations="own") as ada,
    ):
        past = (await root.request("submit", {"edits": [add("files.read")]}))["constellation"]
        await ended(root, past)
        # What is read back from the journal, and what is pushed as it happens.
        answer = await ada.request("subscribe", {"after": 0})
        later = (await root.request("submit", {"edits": [add("files.read")]}))["constellation"]
        await ended(root, later)
        mine = (await ada.request("submit", {"edits": [add("files.read")]}))["constellation"]
        seen = set()
        with anyio.fail_after(100):
            async for event in ada.events(answer["subscription"]):
                seen.add(event["constellation"])
                if event["kind"] == "ended":
                    break
        assert seen - {""} == {mine}


# ── devices ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_device_is_not_given_what_it_may_not_be_given(world: World) -> None:
    async with (
        world.device("camera", skills=("files.read",)),
        world.client("root", "admin") as root,
    ):
        (shown,) = (await root.request("devices"))["devices"]
        assert [skill["name"] for skill in shown["card"]["skills"]] == ["files.read"]
        with pytest.raises(PermissionDenied, match="device camera may not be given"):
            await root.request("submit", {"edits": [add("files.delete", "camera")]})
        made = await root.request("submit", {"edits": [add("files.delete")]})
        waiting = await root.request("show", {"constellation": made["constellation"]})
        assert "camera has no skill files.delete" in waiting["waiting"]["a"]
        await root.request("allow", {"name": "camera", "skills": ["files.*"]})
        assert await ended(root, made["constellation"]) == "completed"
    assert world.assigned["camera"] == ["files.delete"]


async def test_words_for_a_device_are_a_skill_too(world: World) -> None:
    task = {"op": "add_task", "task": {"id": "a", "instruction": "tidy up"}}
    async with (
        world.device("camera", skills=("files.read",)),
        world.client("root", "admin") as root,
    ):
        made = await root.request("submit", {"edits": [task]})
        assert await ended(root, made["constellation"]) == "failed"
        shown = await root.request("show", {"constellation": made["constellation"]})
        (node,) = shown["graph"]["nodes"]
        assert "camera may not be given the skill agent.do" in node["error"]["message"]
    assert world.assigned["camera"] == []


async def test_a_card_that_is_published_later_is_held_to_the_same(world: World) -> None:
    async with (
        world.device("camera", skills=("files.read",)) as link,
        world.client("root", "admin") as root,
    ):
        more = (SkillCard(name="files.read"), SkillCard(name="shell.run"))
        link.publish_card(DeviceCard(name="camera", skills=more, capacity=9))
        with anyio.fail_after(100):
            while True:
                (shown,) = (await root.request("devices"))["devices"]
                if shown["card"]["capacity"] == 9:
                    break
        assert [skill["name"] for skill in shown["card"]["skills"]] == ["files.read"]


# ── who may change it ───────────────────────────────────────────────────────────────────────────


async def test_permissions_are_set_when_a_code_is_made(world: World) -> None:
    async with world.client("root", "admin") as root:
        scope = {"skills": ["files.read"], "constellations": "own"}
        offer = await root.request("pair", {"role": "client", "name": "ada", "scope": scope})
        async with connect(
            world.hub.url, role="client", name="ada", pair_code=offer["code"]
        ) as ada:
            with pytest.raises(PermissionDenied):
                await ada.request("submit", {"edits": [add("files.delete")]})
        (found,) = [
            each
            for each in (await root.request("credentials"))["credentials"]
            if each["name"] == "ada"
        ]
        assert found["scope"] == {**scope, "read_only": False}
        assert "sha256" not in found
        with pytest.raises(ConfigError, match="may do anything"):
            await root.request("pair", {"role": "admin", "scope": {"read_only": True}})


async def test_nobody_allows_themselves_more(world: World) -> None:
    async with world.client("ada", skills=()) as ada:
        for verb in ("allow", "revoke"):
            with pytest.raises(PermissionDenied):
                await ada.request(verb, {"name": "ada"})
        with pytest.raises(PermissionDenied):
            await ada.request("pair", {"role": "admin"})
        with pytest.raises(PermissionDenied, match="may not rotate the credential of local"):
            await ada.request("rotate", {"name": "local"})


async def test_a_rotated_credential_s_old_secret_is_worth_nothing(world: World) -> None:
    _, old = world.hub.access.credentials.issue("ada", "client", time.time())
    async with connect(world.hub.url, role="client", name="a", credential=old) as ada:
        fresh = (await ada.request("rotate"))["token"]
        assert (await ada.request("status"))["url"] == world.hub.url
        async with connect(world.hub.url, role="client", name="b", credential=fresh) as again:
            await again.request("status")
        with pytest.raises(AuthenticationError):
            async with connect(world.hub.url, role="client", name="c", credential=old):
                await anyio.sleep_forever()


async def test_unknown_credentials_are_named(world: World) -> None:
    async with world.client("root", "admin") as root:
        for verb in ("allow", "rotate", "revoke"):
            with pytest.raises(UnknownDeviceError, match="no credential named 'nobody'"):
                await root.request(verb, {"name": "nobody"})


async def test_who_may_not_watch_a_camera_does_not_even_see_it(world: World) -> None:
    async with (
        world.device("arm") as arm,
        world.client("ada", skills=["files.*", "live.front"]) as ada,
        world.client("bob", skills=["files.*"]) as bob,
    ):
        writer = arm.streams.open_items("live", {"name": "front", "type": "image/png"})
        with anyio.fail_after(100):
            while not (await ada.request("live"))["live"]:
                await anyio.lowlevel.checkpoint()
        assert (await bob.request("live"))["live"] == []
        with pytest.raises(PermissionDenied, match="may not watch front"):
            await bob.request("watch", {"device": "arm", "name": "front"})
        assert (await ada.request("watch", {"device": "arm", "name": "front"}))[
            "type"
        ] == "image/png"
        writer.close()
