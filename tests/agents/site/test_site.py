"""A hub under another one: real hubs, a real device below, and requests from above."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from agents.site.source import RUN, together
from constellation.aip.cards import DeviceCard, SkillCard
from constellation.cli.embedded import embedded_hub
from constellation.cli.processes import child
from constellation.client import HubClient, open_hub
from constellation.config import LocalHub, load_settings


@dataclass
class World:
    """A region with one site, which has one device.

    Attributes:
        region, below: clients of the two hubs.
    """

    region: HubClient
    below: HubClient
    portal: BlockingPortal

    def submit(self, **work: Any) -> str:
        return str(self.portal.call(self._submit, work))

    async def _submit(self, work: dict[str, Any]) -> str:
        return str((await self.region.ask("submit", **work))["constellation"])

    def call(self, skill: str, **arguments: Any) -> str:
        task = {"id": "up", "skill": skill, "arguments": arguments}
        return self.submit(edits=[{"op": "add_task", "task": task}])

    def until(self, work: str, kind: str) -> dict[str, Any]:
        """The body of the first such event of a constellation above."""
        return dict(self.portal.call(self._until, work, kind))

    async def _until(self, work: str, kind: str) -> dict[str, Any]:
        with anyio.fail_after(100):
            async for event in await self.region.watch(work, after=0):
                if event["kind"] == kind:
                    return dict(event["body"])
        raise AssertionError("it never came")

    def node(self, work: str) -> dict[str, Any]:
        self.until(work, "ended")
        shown = self.portal.call(self.region.show, work)
        (node,) = shown["graph"]["nodes"]
        return dict(node)

    def answer(self, work: str, answer: Any) -> None:
        async def send() -> None:
            await self.region.ask("answer", constellation=work, task="up", answer=answer)

        self.portal.call(send)

    def under(self) -> list[dict[str, Any]]:
        """The constellations below."""

        async def listed() -> list[dict[str, Any]]:
            return list((await self.below.ask("list", all=True))["constellations"])

        return list(self.portal.call(listed))


@asynccontextmanager
async def opened(root: Path, states: Path) -> AsyncIterator[tuple[HubClient, HubClient]]:
    above = load_settings({"state_dir": states / "above"})
    settings = load_settings({"state_dir": states / "below"})
    async with (
        embedded_hub(settings, root) as below,
        child("region", ["hub", "--host", "127.0.0.1", "--port", "0"], above) as hub,
    ):
        await hub.ready()
        local = LocalHub.find(above.state_dir)
        assert local is not None
        async with open_hub(above) as region:
            code = (await region.ask("pair", name="north"))["code"]
            arguments = ["site", "--hub", local.url, "--name", "north", "--pair", code]
            async with child("site", arguments, settings) as site:
                await site.ready()
                yield region, below


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("root")
    (root / "hello.txt").write_text("hello from below")
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            opened(root, tmp_path_factory.mktemp("states"))
        ) as clients,
    ):
        yield World(*clients, portal)


def test_site_does_what_its_devices_can(world: World) -> None:
    node = world.node(world.call("files.read", path="hello.txt"))
    assert node["state"] == "completed"
    assert node["output"]["content"] == "hello from below"
    assert node["device"] == "north"


def test_request_in_words_is_planned_by_the_site(world: World) -> None:
    work = world.call(RUN, request="read hello.txt and show the memory")
    # `site.run` is dangerous by its effect, and allowed: the devices below ask by themselves.
    node = world.node(work)
    assert node["state"] == "completed"
    assert len(node["output"]) == 2
    contents = [each["content"] for each in node["output"].values() if "content" in each]
    assert contents == ["hello from below"]


def test_failure_below_is_one_above_with_its_reason(world: World) -> None:
    node = world.node(world.call("files.read", path="nothing.txt"))
    assert node["state"] == "failed"
    assert "nothing.txt" in node["error"]["message"]


def test_arguments_that_do_not_fit_are_named(world: World) -> None:
    node = world.node(world.call("files.read", way="hello.txt"))
    assert node["error"]["code"] == "agent.skill"
    assert "path" in node["error"]["message"]
    node = world.node(world.call(RUN, wish="something"))
    assert "takes a request in words" in node["error"]["message"]


@pytest.mark.parametrize(("answer", "state"), [(True, "completed"), (False, "canceled")])
def test_what_is_asked_below_is_asked_above(world: World, answer: bool, state: str) -> None:
    work = world.call("shell.run", argv=["echo", "down here"])
    question = world.until(work, "asked")["question"]
    assert question["kind"] == "approval"
    assert "echo" in question["prompt"]
    world.answer(work, answer)
    node = world.node(work)
    assert node["state"] == state
    if answer:
        assert node["output"]["stdout"] == "down here\n"


def test_cancel_above_cancels_below(world: World) -> None:
    work = world.call("wait.file", path="never.txt")
    world.until(work, "started")

    async def begun() -> None:
        with anyio.fail_after(100):
            async for event in await world.below.watch(after=0):
                if event["kind"] == "started" and event["constellation"].startswith(work):
                    return

    world.portal.call(begun)

    async def cancel() -> None:
        await world.region.ask("cancel", constellation=work)

    world.portal.call(cancel)
    assert world.node(work)["state"] == "canceled"
    (below,) = [each for each in world.under() if each["id"].startswith(work)]
    assert below["state"] == "canceled"


def test_skills_of_devices_are_put_together() -> None:
    def device(name: str, *skills: SkillCard) -> DeviceCard:
        return DeviceCard(name=name, skills=skills)

    read = SkillCard(name="read", effect="read", idempotent=True, capacity=1)
    found = together(
        [
            device("a", read, SkillCard(name="b")),
            device("c", read.model_copy(update={"effect": "dangerous", "idempotent": False})),
            device("d", read.model_copy(update={"input": {"type": "null"}})),
        ]
    )
    assert set(found) == {"read", "b"}
    assert found["read"].effect == "dangerous"
    assert not found["read"].idempotent
    assert found["read"].capacity is None
    assert found["read"].input == read.input


def test_streams_do_not_pass_a_site() -> None:
    reading = SkillCard(name="read", reads=True)
    found = together([DeviceCard(name="a", skills=(reading,))])
    assert not found["read"].reads
