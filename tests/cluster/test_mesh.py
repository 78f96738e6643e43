"""Nodes on real NATS: who hears whom, and what happens when one of them has forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import anyio
import pytest
from cluster_kit import eventually

from constellation.cluster import mesh as module
from constellation.cluster.bus import connected
from constellation.cluster.mesh import Kind, Mesh
from constellation.cluster.names import Names

pytestmark = pytest.mark.anyio

_FABRICS = count(1)


class Node:
    """Keeps what it is told."""

    mesh: Mesh

    def __init__(self) -> None:
        self.log: list[Any] = []

    def opened_channel(self, peer: str) -> None:
        self.log.append(("opened", peer))

    def heard(self, peer: str, message: list[Any]) -> None:
        self.log.append(message)

    def lost(self, peer: str) -> None:
        self.log.append(("lost", peer))

    def told(self, peer: str, body: list[Any]) -> None:
        self.log.append(("told", *body))


Nodes = dict[str, Node]


@pytest.fixture
async def nodes(nats_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Nodes]:
    monkeypatch.setattr(module, "BEAT_S", 0.05)
    monkeypatch.setattr(module, "SILENT_S", 0.5)
    names = Names(f"mesh{next(_FABRICS)}")
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
    for name in nodes:
        wanted = 300
        await eventually(
            lambda log=nodes[name].log, wanted=wanted: sum(each[0] == "n" for each in log) == wanted  # type: ignore[misc]
        )
        assert [each[1] for each in nodes[name].log if each[0] == "n"] == list(range(300))


async def test_all_are_told_what_is_told_to_all(nodes: Nodes) -> None:
    await nodes["g1"].mesh.tell_all("moved", "desk", 1.0)
    await eventually(lambda: ("told", "moved", "desk", 1.0) in nodes["o1"].log)
    await eventually(lambda: ("told", "moved", "desk", 1.0) in nodes["o2"].log)


@pytest.mark.parametrize("forgetful", ["g1", "o1"])
async def test_a_channel_that_one_end_has_forgotten_is_opened_anew(
    nodes: Nodes, forgetful: str
) -> None:
    other = "o1" if forgetful == "g1" else "g1"
    nodes["o1"].mesh.say("g1", "before")
    await eventually(lambda: ["before"] in nodes["g1"].log)
    nodes[forgetful].mesh._drop(other)
    nodes[other].mesh.say(forgetful, "lost with it")
    await eventually(lambda: nodes["o1"].log.count(("opened", "g1")) == 2)
    await eventually(lambda: nodes["g1"].log.count(("opened", "o1")) == 2)
    assert nodes[other].log[-2:] == [("lost", forgetful), ("opened", forgetful)]
    nodes["g1"].mesh.say("o1", "after")
    nodes["o1"].mesh.say("g1", "after")
    await eventually(lambda: ["after"] in nodes["g1"].log and ["after"] in nodes["o1"].log)
    assert ["lost with it"] not in nodes[forgetful].log


async def test_a_node_that_falls_silent_is_given_up_and_one_that_leaves_at_once(
    nodes: Nodes,
) -> None:
    async def silence(*args: object) -> None:
        pass

    nodes["o1"].mesh._publish = silence  # type: ignore[method-assign]
    await nodes["o2"].mesh.tell_all("leaving")
    await eventually(lambda: ("lost", "o2") in nodes["g1"].log)
    await eventually(lambda: ("lost", "o1") in nodes["g1"].log)
