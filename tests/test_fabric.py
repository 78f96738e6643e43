"""The Python interface, with and without an event loop, against a hub and an agent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing, closing
from pathlib import Path

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

import constellation
from constellation import AddTask, RemoveTask, Task, TaskState, sync
from constellation.cli.embedded import embedded_hub
from constellation.config import load_settings
from constellation.errors import (
    HubUnreachable,
    ImmutableTaskError,
    PlanError,
    TaskCanceled,
    TaskFailed,
    UnknownArtifactError,
    UnknownConstellationError,
)

pytestmark = pytest.mark.anyio

RUNBOOK = """
inputs:
  text: {description: what to note}
steps:
  - id: note
    skill: files.write
    with: {path: noted.txt, content: "${inputs.text}"}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    (folder / "hello.txt").write_text("hello")
    return folder


@pytest.fixture(scope="module")
def state_dir(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a hub and an agent run, each a process."""
    state = tmp_path_factory.mktemp("state")
    settings = load_settings({"state_dir": state})
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(embedded_hub(settings, root)),
    ):
        yield state


def read(task: str, path: str = "hello.txt") -> AddTask:
    return AddTask(Task(task, skill="files.read", arguments={"path": path}))


def wait(task: str) -> AddTask:
    return AddTask(Task(task, skill="wait.seconds", arguments={"seconds": 3600}))


def run(task: str, command: str) -> AddTask:
    return AddTask(Task(task, skill="shell.run", arguments={"command": command}))


async def test_a_request_in_words(state_dir: Path) -> None:
    async with constellation.connect(state_dir=state_dir) as fabric:
        ended = await fabric.run("read hello.txt")
        assert ended.state is TaskState.COMPLETED
        assert [output["content"] for output in ended.outputs.values()] == ["hello"]


async def test_a_plan_can_be_looked_at_before_it_runs(state_dir: Path) -> None:
    async with constellation.connect(state_dir=state_dir) as fabric:
        plan = await fabric.plan("read hello.txt")
        assert [each["state"] for each in await fabric.constellations()] == []
        work = await fabric.submit(plan, name="looked at")
        assert len((await work.result()).outputs) == 1
        names = [each["name"] for each in await fabric.constellations(ended=True)]
        assert "looked at" in names


async def test_a_request_that_cannot_be_planned(state_dir: Path) -> None:
    async with constellation.connect(state_dir=state_dir) as fabric:
        with pytest.raises(PlanError):
            await fabric.submit("transmogrify the flux")


async def test_edits_while_it_runs(state_dir: Path) -> None:
    async with constellation.connect(state_dir=state_dir) as fabric:
        work = await fabric.submit([wait("a"), wait("b")])
        async with aclosing(work.events()) as events:
            async for event in events:
                if event.kind == "started" and event.task == "a":
                    break
        with pytest.raises(ImmutableTaskError):
            await work.edit(RemoveTask("a"))
        version = await work.edit(read("c"), note="one more")
        assert (await work.show()).version == version
        await work.cancel("a")
        await work.cancel("b")
        ended = await work.ended()
        assert ended.constellation.nodes["c"].output["content"] == "hello"
        with pytest.raises(TaskCanceled):
            ended.raise_if_failed()


async def test_a_failure_says_what_failed_and_what_to_do(state_dir: Path) -> None:
    async with constellation.connect(state_dir=state_dir) as fabric:
        with pytest.raises(TaskFailed, match="missing: There is no") as caught:
            await fabric.run([read("missing", "missing.txt")])
        assert caught.value.details["task"] == "missing"


async def test_what_asks_is_answered_and_what_was_refused_is_tried_again(state_dir: Path) -> None:
    async with constellation.connect(state_dir=state_dir) as fabric:
        work = await fabric.submit([run("ask", "echo done"), wait("b")])
        answers = [False, True]
        async with aclosing(work.events()) as events:
            async for event in events:
                if event.kind == "asked":
                    await work.answer("ask", answers.pop(0))
                elif event.kind == "finished" and event.body["state"] != "completed":
                    await work.retry("ask")
                elif event.kind == "finished":
                    break
        await work.cancel()
        assert answers == []


async def test_paused_work_waits(state_dir: Path) -> None:
    async with constellation.connect(state_dir=state_dir) as fabric:
        work = await fabric.submit([read("a")], paused=True)
        assert (await work.show()).nodes["a"].state is TaskState.SUBMITTED
        await work.resume()
        await work.result()


async def test_events_come_once_and_in_order(state_dir: Path) -> None:
    async with constellation.connect(state_dir=state_dir) as fabric:
        work = await fabric.submit([read("a")])
        kinds = [event.kind async for event in work.events() if event.seq is not None]
        assert kinds == ["created", "edited", "started", "finished", "ended"]
        # It has ended: whoever asks later is told the same.
        again = [event async for event in fabric.work(work.id).events() if event.seq is not None]
        assert [event.kind for event in again] == kinds
        assert [event.seq for event in again] == sorted(event.seq or 0 for event in again)


async def test_artifacts(state_dir: Path) -> None:
    async with constellation.connect(state_dir=state_dir) as fabric:
        digest = await fabric.put_artifact(b"some bytes", "note.txt")
        assert await fabric.get_artifact(digest) == b"some bytes"
        with pytest.raises(UnknownArtifactError):
            await fabric.get_artifact("0" * 64)


async def test_devices(state_dir: Path) -> None:
    async with constellation.connect(state_dir=state_dir) as fabric:
        (device,) = await fabric.devices()
        assert device.presence == "connected"
        assert "files.read" in {skill.name for skill in device.card.skills}


async def test_what_the_hub_does_not_know(state_dir: Path) -> None:
    async with constellation.connect(state_dir=state_dir) as fabric:
        with pytest.raises(UnknownConstellationError):
            await fabric.work("c-none").show()


async def test_no_hub(tmp_path: Path) -> None:
    with pytest.raises(HubUnreachable):
        async with constellation.connect(state_dir=tmp_path):
            pass


async def test_a_runbook(state_dir: Path, tmp_path: Path) -> None:
    book = tmp_path / "note.yaml"
    await anyio.Path(book).write_text(RUNBOOK)
    async with constellation.connect(state_dir=state_dir) as fabric:
        plan = await fabric.submit(book, inputs={"text": "noted"})
        assert (await plan.result()).state is TaskState.COMPLETED


class TestWithoutAnEventLoop:
    def test_run(self, state_dir: Path) -> None:
        with sync.connect(state_dir=state_dir) as fabric:
            ended = fabric.run("read hello.txt")
            assert [output["content"] for output in ended.outputs.values()] == ["hello"]

    def test_all_that_work_can_do(self, state_dir: Path) -> None:
        with sync.connect(state_dir=state_dir) as fabric:
            work = fabric.submit([wait("a"), wait("b")], name="sync", paused=True)
            assert work.edit(read("c")) == work.show().version
            work.resume()
            with closing(work.events()) as events:
                assert any(event.kind == "started" and event.task == "a" for event in events)
            work.cancel("a")
            work.pause()
            work.cancel()
            assert fabric.work(work.id).ended().state is TaskState.CANCELED
            with pytest.raises(TaskCanceled):
                work.result()

    def test_plan_and_look(self, state_dir: Path) -> None:
        with sync.connect(state_dir=state_dir) as fabric:
            assert fabric.plan("read hello.txt").edits
            assert fabric.get_artifact(fabric.put_artifact(b"bytes")) == b"bytes"
            assert [device.presence for device in fabric.devices()] == ["connected"]
            assert fabric.constellations(ended=True)

    def test_errors_are_the_same(self, tmp_path: Path) -> None:
        with pytest.raises(HubUnreachable), sync.connect(state_dir=tmp_path):
            pass
