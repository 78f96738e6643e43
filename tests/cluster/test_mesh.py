"""Nodes on real NATS: who hears whom, and what happens when one of them has forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from cluster_kit import Changing, eventually, new_fabric

from constellation.cluster import mesh as module
from constellation.cluster.bus import connected
from constellation.cluster.mesh import Kind, Mesh
from constellation.cluster.names import Names

pytestmark = pytest.mark.anyio


class Node(Changing):
    """Keeps what it is told."""

    mesh: Mesh

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Any] = []

    def opened_channel(self, peer: str) -> None:
        self._keep(("opened", peer))

    def heard(self, peer: str, message: list[Any]) -> None:
        self._keep(message)

    def lost(self, peer: str) -> None:
        self._keep(("lost", peer))

    def told(self, peer: str, body: list[Any]) -> None:
        self._keep(("told", *body))

    def _keep(self, what: Any) -> None:
        self.log.append(what)
        self.changed()

    async def has(self, what: Any, times: int = 1) -> None:
        await self.until(lambda: self.log.count(what) >= times)


Nodes = dict[str, Node]


@pytest.fixture
async def nodes(nats_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Nodes]:
    monkeypatch.setattr(module, "BEAT_S", 0.05)
    monkeypatch.setattr(module, "SILENT_S", 0.5)
    names = Names(new_fabric("mesh"))
    kinds: dict[str, Kind] = {"o1": "orchestrator", "o2": "orchestrator", "g1": "gateway"}
    found = {name: Node() for name in kinds}
    async with connected([nats_url], "test") as nats, anyio.create_task_group() as tasks:
        for name, kind in kinds.items():
            found[name].mesh = Mesh(nats, names, name, kind, found[name])
            await found[name].mesh.run(tasks)
        await eventually(lambda: set(found["g1"].mesh.peers) == {"o1", "o2"})
        yield found
        tasks.cancel_scope.cancel()


async def test_gateways_and_orchestrators_hear_one_another_in_order(nodes: Nodes) -> None:
    assert nodes["o1"].mesh.peers == ("g1",)
    for n in range(300):
        nodes["o1"].mesh.say("g1", "n", n, b"\x00" * 3_000)
        nodes["g1"].mesh.say_all("n", n)
    for node in nodes.values():
        await node.until(lambda log=node.log: sum(each[0] == "n" for each in log) == 300)  # type: ignore[misc]
        assert [each[1] for each in node.log if each[0] == "n"] == list(range(300))


async def test_all_are_told_what_is_told_to_all(nodes: Nodes) -> None:
    await nodes["g1"].mesh.tell_all("moved", "desk", 1.0)
    for name in ("o1", "o2"):
        await nodes[name].has(("told", "moved", "desk", 1.0))


@pytest.mark.parametrize("forgetful", ["g1", "o1"])
async def test_a_channel_that_one_end_has_forgotten_is_opened_anew(
    nodes: Nodes, forgetful: str
) -> None:
    other = "o1" if forgetful == "g1" else "g1"
    nodes["o1"].mesh.say("g1", "before")
    await nodes["g1"].has(["before"])
    nodes[forgetful].mesh._drop(other)
    nodes[other].mesh.say(forgetful, "lost with it")
    await nodes["o1"].has(("opened", "g1"), times=2)
    await nodes["g1"].has(("opened", "o1"), times=2)
    assert nodes[other].log[-2:] == [("lost", forgetful), ("opened", forgetful)]
    nodes["g1"].mesh.say("o1", "after")
    nodes["o1"].mesh.say("g1", "after")
    for name in ("g1", "o1"):
        await nodes[name].has(["after"])
    assert ["lost with it"] not in nodes[forgetful].log


async def test_a_node_that_falls_silent_is_given_up_and_one_that_leaves_at_once(
    nodes: Nodes,
) -> None:
    async def silence(*args: object) -> None:
        pass

    nodes["o1"].mesh._publish = silence  # type: ignore[method-assign]
    await nodes["o2"].mesh.tell_all("leaving")
    for name in ("o2", "o1"):
        await nodes["g1"].has(("lost", name))
