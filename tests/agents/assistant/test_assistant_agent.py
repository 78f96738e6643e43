"""Tasks in plain words on a real hub, with an agent that has a model and one that has none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from agents.assistant.trajectory import replay
from constellation import sync
from constellation.cli.embedded import embedded_hub
from constellation.config import load_settings
from constellation.graph.edits import AddDependency, AddTask
from constellation.graph.task import Dependency, Task
from constellation.testing.chat_server import says, scripted_server

READ = {"do": "call", "skill": "files.read", "arguments": {"path": "a.txt"}}
CALL, LONG = says(READ), says(READ, tokens=2000)
FINISH = says({"do": "finish", "text": "It says hello."})


@contextmanager
def running(folder: Path, model: dict[str, Any]) -> Iterator[sync.Fabric]:
    """A hub and an agent, each a process."""
    (folder / "root").mkdir()
    (folder / "root" / "a.txt").write_text("hello")
    config = folder / "config.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in model.items()]
    config.write_text("\n".join(["[assistant]", *lines]))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CONSTELLATION_CONFIG", str(config))
        settings = load_settings({"state_dir": folder / "state"})
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(embedded_hub(settings, folder / "root")),
            sync.connect(state_dir=settings.state_dir) as fabric,
        ):
            yield fabric


def test_a_task_is_its_words(tmp_path: Path) -> None:
    with scripted_server(CALL, FINISH) as server:
        model = {"model": "m", "base_url": server.url, "api_key": "k"}
        with running(tmp_path, model) as fabric:
            look = AddTask(Task(id="look", instruction="What does a.txt say?"))
            copy = {"path": "b.txt", "content": "${look.output.answer}"}
            keep = AddTask(Task(id="keep", skill="files.write", arguments=copy))
            edge = AddDependency(Dependency("look", "keep"))
            nodes = fabric.submit([look, keep, edge]).ended().constellation.nodes
            output = nodes["look"].output
            kept = fabric.get_artifact(output["trajectory"]["artifact"]).decode()
    assert (tmp_path / "root" / "b.txt").read_text() == "It says hello."
    (call,) = replay(kept.splitlines()).calls
    assert (call.skill, call.arguments) == ("files.read", {"path": "a.txt"})
    assert "What does a.txt say?" in str(server.asked[0]["messages"])


def test_without_a_model_words_are_refused(tmp_path: Path) -> None:
    with running(tmp_path, {}) as fabric:
        assert fabric.devices()[0].card.skill("agent.do") is None
        ended = fabric.submit([AddTask(Task(id="t", instruction="Do it."))]).ended()
    error = ended.constellation.nodes["t"].error
    assert error is not None
    assert "not instructions in words" in str(error)


def test_a_constellation_counts_and_bounds_what_its_devices_spend(tmp_path: Path) -> None:
    look = AddTask(Task(id="look", instruction="What does a.txt say?"))
    with scripted_server(CALL, FINISH, LONG) as server:
        prices = {"price_in": 1.0, "price_out": 10.0}
        model = {"model": "m", "base_url": server.url, "api_key": "k", **prices}
        with running(tmp_path, model) as fabric:
            fabric.submit([look]).ended()
            (row,) = fabric.constellations(ended=True)
            assert (row["tokens"], row["cost"]) == (200, pytest.approx(2 * 0.000991))
            # Enough for one answer and no more.
            work = fabric.submit([look], max_cost=0.021)
            node = work.ended().constellation.nodes["look"]
            rows = [each for each in fabric.constellations(ended=True) if each["id"] == work.id]
    assert node.error is not None
    assert node.error["code"] == "task.failed.budget"
    assert node.error["details"]["steps"] == 1
    assert rows[0]["max_cost"] == 0.021
    assert 0 < rows[0]["cost"] <= 0.021
    assert len(server.asked) == 3
