"""The how-tos and the examples do what they say."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from agents.loading import load_file
from agents.policy import Policy, load_policy
from agents.testing import Trial
from constellation.aip.auth import CredentialStore, PairingDesk, StoreAuthenticator
from constellation.aip.cards import DeviceCard
from constellation.aip.messages import Hello, Message
from constellation.aip.server import Peer, serve
from constellation.graph.edits import AddTask
from constellation.planner.offline import OfflinePlanner

pytestmark = pytest.mark.anyio

PROJECT = Path(__file__).parents[2]
HOWTO = (PROJECT / "docs" / "howto" / "write-a-device.md").read_text()
EXAMPLES = ["lamp.py", "greenhouse.py", "own_process.py"]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


ROOM, PAINT, CONTEXT, OTHERS, TRIAL = blocks(HOWTO, "python")


class Hub:
    """Gives a device one task as soon as it has joined, and keeps what it answers."""

    def __init__(self, skill: str, **arguments: Any) -> None:
        self.assignment = {"attempt": "c/t/1", "skill": skill, "arguments": arguments}
        self.name = ""
        self.result: Mapping[str, Any] = {}
        self.done = anyio.Event()

    def opened(self, peer: Peer, hello: Hello, resumed: bool) -> None:
        self.name = hello.name
        peer.send("assign", self.assignment)

    def received(self, peer: Peer, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.type == "result":
                self.result = message.body
                self.done.set()
        peer.acknowledge(messages[-1].seq)

    def detached(self, peer: Peer, reason: str) -> None: ...

    def closed(self, peer: Peer, reason: str) -> None: ...


async def given_work(hub: Hub, folder: Path, *command: str, env: Mapping[str, str]) -> None:
    """Run a device that pairs with the hub until it has done its task; it must exit with 0."""
    pairing = PairingDesk()
    credentials = CredentialStore(folder / "credentials.json")
    async with serve(hub, StoreAuthenticator(credentials, pairing)) as server:
        filled = {"HUB": server.url, "CODE": pairing.offer(time.time()).code}
        words = [filled.get(word, word) for word in command]
        async with await anyio.open_process([sys.executable, *words], env=env) as process:
            with anyio.fail_after(100):
                await hub.done.wait()
                process.terminate()
                assert await process.wait() == 0


async def test_the_device_in_twenty_lines_serves(tmp_path: Path) -> None:
    assert len([line for line in ROOM.splitlines() if line.strip()]) <= 20
    (tmp_path / "room.py").write_text(ROOM)
    hub = Hub("room.heat", celsius=21)
    command = ["-m", "constellation.cli", "agent", "--hub", "HUB", "--pair", "CODE"]
    command += ["--name", "room", "--kind", "room", "--skills", str(tmp_path / "room.py")]
    await given_work(
        hub, tmp_path, *command, env={"CONSTELLATION_STATE_DIR": str(tmp_path / "state")}
    )
    assert hub.name == "room"
    assert hub.result["output"] == {"celsius": 21.0}


async def test_the_words_of_a_task_reach_the_example_that_takes_them(tmp_path: Path) -> None:
    file = tmp_path / "easel.py"
    file.write_text(PAINT)
    easel = DeviceCard(name="easel", skills=tuple(each.card for each in load_file(file)))
    request = "paint two trees in the rain on easel, within 30 s"
    assert request in HOWTO.replace("\n", " ")
    (edit,) = (await OfflinePlanner().plan(request, [easel])).edits
    assert isinstance(edit, AddTask)
    assert edit.task.arguments == {"task": "paint two trees in the rain", "seconds": 30}


async def test_the_example_with_a_context_asks_and_hands_over(tmp_path: Path) -> None:
    file = tmp_path / "photo.py"
    file.write_text(CONTEXT)
    (tmp_path / "raw").write_text("pixels")
    (develop,) = load_file(file)
    trial = Trial(roots=[tmp_path], answers=["vivid"])
    output = await trial.run(develop, path="raw")
    assert trial.artifacts == {output["hash"]: b"pixels"}
    assert trial.text("output") == "developing as vivid\n"
    assert trial.questions == [("choice", "Which style?", ("plain", "vivid"))]


def test_skills_of_others_are_passed_on(tmp_path: Path) -> None:
    file = tmp_path / "reader.py"
    file.write_text(OTHERS)
    assert {each.name for each in load_file(file)} == {"files.list", "files.read"}


def test_trying_it_without_a_hub_works(tmp_path: Path) -> None:
    (tmp_path / "room.py").write_text(ROOM)
    (tmp_path / "try.py").write_text(TRIAL)
    subprocess.run([sys.executable, "try.py"], cwd=tmp_path, check=True)


def test_the_policy_of_the_howto_holds(tmp_path: Path) -> None:
    (text,) = blocks((PROJECT / "docs" / "howto" / "policy.md").read_text(), "toml")
    file = tmp_path / "policy.toml"
    file.write_text(text)
    policy = load_policy(file)
    assert policy.for_skill("python.run", "dangerous").rule == "deny"
    assert policy.for_skill("http.get", "read").rule == "ask"
    assert policy.effects == Policy().effects, "the defaults, as it says"


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_short(name: str) -> None:
    assert len((PROJECT / "examples" / name).read_text().splitlines()) < 60


async def test_the_lamp() -> None:
    set_lamp, lamp_state = load_file(PROJECT / "examples" / "lamp.py")
    trial = Trial()
    await trial.run(set_lamp, on=True, brightness=0.5)
    assert await trial.run(lamp_state) == {"on": True, "brightness": 0.5}


async def test_the_greenhouse(tmp_path: Path) -> None:
    watch, record, open_valve = load_file(PROJECT / "examples" / "greenhouse.py")
    trial = Trial(roots=[tmp_path], answers=[False])
    last = await trial.run(watch, seconds=0.03, every_s=0.01)
    assert len(trial.outputs) == 3
    assert trial.outputs[-1] == ("output", last)
    stored = await trial.run(record, readings=5)
    rows = list(csv.reader(trial.artifacts[stored["hash"]].decode().splitlines()))
    assert [row[0] for row in rows] == ["0", "1", "2", "3", "4"]
    assert await trial.run(open_valve, litres=5) == "5 litres were given."
    assert await trial.run(open_valve, litres=50) == "Nothing was watered."


async def test_a_device_inside_a_program_of_ones_own(tmp_path: Path) -> None:
    hub = Hub("door.count")
    program = str(PROJECT / "examples" / "own_process.py")
    await given_work(hub, tmp_path, program, "HUB", "CODE", env={"HOME": str(tmp_path)})
    assert hub.result["output"] == {"visits": 0}
