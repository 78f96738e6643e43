"""The requests of the benchmark: that each can be done, and that its checks can fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.computer import skills
from agents.loading import load_file
from bench.nebula.checking import verdicts
from bench.nebula.model import Output, Request, load
from bench.nebula.playing import in_even_steps, in_sequence
from bench.nebula.world import DEVICES, FACES, Folders
from constellation.aip.cards import DeviceCard
from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddTask, Batch, Edit
from constellation.graph.expressions import compile_predicate
from constellation.graph.task import Outcome, TaskState
from constellation.planner.runbook import load as load_runbook
from constellation.testing.chat_server import Reply, fails, says, scripted_server

READ = {
    "id": "read",
    "skill": "files.read",
    "device": "edge",
    "arguments": {"path": "readings.csv"},
}
KEEP = {"path": "archive/edge.csv", "content": "${read.output.content}"}
WRITE = {"id": "keep", "skill": "files.write", "device": "server", "arguments": KEEP}
# The request says "copy".
OWN_WORDS = {"title": "Keep the readings", "tasks": [READ, WRITE]}
COMPLETED = Outcome(TaskState.COMPLETED)
REQUESTS = load()
DOABLE = [request for request in REQUESTS if request.oracle is not None]


def named(request: Request) -> str:
    return request.id


def cards() -> list[DeviceCard]:
    found = []
    for device in DEVICES:
        face = FACES / f"{device}.py"
        own = load_file(face) if face.exists() else skills()
        offered = tuple(skill.card for skill in own)
        found.append(DeviceCard(name=device, labels={"role": device}, skills=offered))
    return found


def plan(request: Request) -> tuple[Edit, ...]:
    text = json.dumps({"title": request.id, "steps": request.oracle})
    runbook = load_runbook(text.replace("{site}", "http://127.0.0.1:8000"), "oracle.yaml")
    return runbook.plan({}, cards()).edits


def graph_of(edits: tuple[Edit, ...]) -> Constellation:
    graph = Constellation("c")
    graph.apply(Batch(edits), 0.0)
    return graph


def test_there_are_as_many_as_is_said() -> None:
    assert len({request.id for request in REQUESTS}) == len(REQUESTS) == 55
    assert len({request.request for request in REQUESTS}) == 55
    categories = {request.category for request in REQUESTS}
    assert len(categories) == 10
    assert [request.category for request in REQUESTS if request.heldout] == list(
        dict.fromkeys(request.category for request in REQUESTS)
    )


@pytest.mark.parametrize("request_", DOABLE, ids=named)
def test_a_persons_plan_asks_devices_for_what_they_can(request_: Request) -> None:
    offered = {card.name: {skill.name for skill in card.skills} for card in cards()}
    for edit in plan(request_):
        if isinstance(edit, AddTask):
            device = edit.task.requirement.device
            able = offered.values() if device is None else [offered[device]]
            assert any(edit.task.skill in each for each in able)


@pytest.mark.parametrize("request_", REQUESTS, ids=named)
def test_doing_nothing_passes_only_where_nothing_is_to_be_done(
    request_: Request, tmp_path: Path
) -> None:
    folders = Folders(tmp_path / "roots")
    folders.reset(request_.files)
    before = folders.files()
    found = verdicts(request_.checks, folders, None, before)
    assert all(found) == (request_.oracle is None)
    untouched = verdicts(request_.checks, folders, Constellation("c"), before)
    assert not all(untouched)
    for check in request_.checks:
        if isinstance(check, Output):
            compile_predicate(check.where)


@pytest.mark.parametrize("request_", DOABLE, ids=named)
def test_in_sequence_one_task_is_ready_at_a_time(request_: Request) -> None:
    graph = graph_of(in_sequence(in_even_steps(plan(request_), 0.1)))
    beside = graph_of(in_even_steps(plan(request_), 0.1))
    assert graph.nodes.keys() == beside.nodes.keys()
    for name, node in beside.nodes.items():
        assert node.incoming.keys() <= graph.nodes[name].incoming.keys()
    count = 0
    while not graph.done:
        (ready,) = [node.id for node in graph.nodes.values() if node.ready]
        graph.start(ready, "desktop", 0.0)
        graph.finish(ready, COMPLETED, 0.0)
        count += 1
    assert count == len(graph.nodes)


@pytest.mark.full
def test_some_are_played_by_real_devices() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "nebula", "--quick", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["done"]["all"]["oracle"] == {"subtasks": 1, "tasks": 1}
    assert found["faults"]["for good"]["start"]["tasks"] < 1


@pytest.mark.full
@pytest.mark.parametrize(
    ("only", "reply", "done"),
    [
        ("refuse-no-skill", fails(401, "bad key"), False),
        # In words of its own, so that a person is asked.
        ("transfer-renamed", says(OWN_WORDS), True),
    ],
    ids=["no answer is no refusal", "asked"],
)
def test_a_language_model_takes_part(only: str, reply: Reply, done: bool) -> None:
    command = [sys.executable, "-m", "bench", "nebula", "--quick", "--json"]
    with scripted_server(*[reply] * 4) as server:
        planner = {"KIND": "llm", "MODEL": "m", "BASE_URL": server.url, "API_KEY": "k"}
        planner |= {"PRICE_OUT": "10"}
        played = subprocess.run(
            [*command, "--set", f"only={only}", "--set", "faults=no"],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {f"CONSTELLATION_PLANNER__{key}": planner[key] for key in planner},
        )
    found = json.loads(played.stdout)
    assert bool(found["done"]["all"]["words"]["tasks"]) is done
    assert server.asked
    if only == "transfer-renamed":
        assert found["speed"]["words"]["questions to a person"] == 1
        assert found["speed"]["words"]["tokens of models"] == 100
