"""The fabric as an A2A agent: the SDK's own client, a real hub and a real agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from a2a.auth.user import User
from a2a.client import Client, ClientConfig, create_client
from a2a.helpers import get_data_parts, new_data_part, new_text_message, new_text_part
from a2a.server.context import ServerCallContext
from a2a.types import (
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    StreamResponse,
    Task,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)
from a2a.utils.errors import A2AError
from anyio.from_thread import start_blocking_portal

from constellation import fabric
from constellation.aip.client import connect
from constellation.bridges.a2a import RPC, Followed, KeptTasks, serve_a2a
from constellation.bridges.http import MOST_BYTES
from constellation.cli.embedded import embedded_hub
from constellation.cli.processes import child
from constellation.config import LocalHub, load_settings

pytestmark = pytest.mark.anyio

ASKING = '''
from agents.context import Context
from agents.skills import skill


@skill("wall.paint", effect="read", examples=["paint the wall"])
async def paint(context: Context) -> str:
    """Paint the wall."""
    return "painted " + await context.choose("Which colour?", ["red", "blue"])
'''


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all keep what they remember."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def hub(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A hub with an agent, each a process."""
    root = tmp_path_factory.mktemp("root")
    (root / "hello.txt").write_text("hello")
    settings = load_settings({"state_dir": state})
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(embedded_hub(settings, root)),
    ):
        found = LocalHub.find(state)
        assert found is not None
        yield found


@asynccontextmanager
async def reaching(base: str, token: str, *, streaming: bool = True) -> AsyncIterator[Client]:
    """A client with a credential."""
    headers = {"Authorization": f"Bearer {token}", "A2A-Version": "1.0"}
    async with (
        httpx.AsyncClient(headers=headers, timeout=100) as http,
        await create_client(base, ClientConfig(streaming=streaming, httpx_client=http)) as client,
    ):
        yield client


@asynccontextmanager
async def client_of(
    hub: LocalHub, *, streaming: bool = True, token: str | None = None
) -> AsyncIterator[Client]:
    """A client of a bridge to the hub."""
    async with (
        serve_a2a(hub.url, "127.0.0.1", 0) as base,
        reaching(base, token or hub.token.get_secret_value(), streaming=streaming) as client,
    ):
        yield client


async def credential_of_guest(hub: LocalHub) -> str:
    """The credential of another client of the hub."""
    async with fabric.connect(hub.url, token=hub.token.get_secret_value()) as connected:
        offer = await connected.hub.ask("pair", name="guest", role="client")
    tokens: list[str] = []
    async with connect(
        hub.url,
        role="client",
        name="guest",
        pair_code=offer["code"],
        on_credential=tokens.append,
    ) as link:
        await link.ready()
    return tokens[0]


def request(text: str) -> SendMessageRequest:
    return SendMessageRequest(message=new_text_message(text, role=Role.ROLE_USER))


async def said(client: Client, text: str) -> list[StreamResponse]:
    return [event async for event in client.send_message(request(text))]


async def test_a_request_is_streamed_to_its_end(hub: LocalHub) -> None:
    async with client_of(hub) as client:
        events = await said(client, "read hello.txt")
        states = [each.status_update.status.state for each in events if each.status_update.task_id]
        assert states[0] == TaskState.TASK_STATE_WORKING
        assert states[-1] == TaskState.TASK_STATE_COMPLETED
        (artifact,) = [
            each.artifact_update.artifact for each in events if each.artifact_update.task_id
        ]
        (outputs,) = get_data_parts(artifact.parts)
        assert "hello" in str(outputs)
        task = await client.get_task(GetTaskRequest(id=events[0].task.id))
        assert task.status.state == TaskState.TASK_STATE_COMPLETED


async def test_a_request_is_answered_at_its_end_without_streaming(hub: LocalHub) -> None:
    async with client_of(hub, streaming=False) as client:
        (answer,) = await said(client, "read hello.txt")
        assert answer.task.status.state == TaskState.TASK_STATE_COMPLETED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("read missing.txt", TaskState.TASK_STATE_FAILED),
        ("qwertz the frobnicator", TaskState.TASK_STATE_REJECTED),
    ],
)
async def test_what_fails_and_what_cannot_be_planned_are_told_apart(
    hub: LocalHub, text: str, expected: Any
) -> None:
    async with client_of(hub, streaming=False) as client:
        (answer,) = await said(client, text)
        assert answer.task.status.state == expected
        assert answer.task.status.message.parts[0].text


async def test_a_task_is_canceled_on_the_hub(hub: LocalHub) -> None:
    async with client_of(hub) as client:
        events = client.send_message(request("wait 500 seconds"))
        async for event in events:
            if event.status_update.status.state == TaskState.TASK_STATE_WORKING:
                found = event.status_update.task_id
                break
        canceled = await client.cancel_task(CancelTaskRequest(id=found))
        assert canceled.status.state == TaskState.TASK_STATE_CANCELED
    async with fabric.connect(hub.url, token=hub.token.get_secret_value()) as connected:
        assert await connected.constellations() == []


async def test_a_wrong_credential_is_refused(hub: LocalHub) -> None:
    async with client_of(hub, token="wrong") as client:
        with pytest.raises(A2AError, match="401"):
            await said(client, "read hello.txt")


async def test_a_body_that_is_too_large_is_refused(hub: LocalHub) -> None:
    headers = {"Authorization": f"Bearer {hub.token.get_secret_value()}", "A2A-Version": "1.0"}
    async with (
        serve_a2a(hub.url, "127.0.0.1", 0) as base,
        httpx.AsyncClient(headers=headers, timeout=60) as http,
    ):
        answer = await http.post(f"{base}{RPC}", content=b" " * (MOST_BYTES + 1))
        assert answer.json()["error"]["message"] == "Payload too large"


async def test_half_a_character_in_an_id_is_refused(hub: LocalHub) -> None:
    headers = {"Authorization": f"Bearer {hub.token.get_secret_value()}", "A2A-Version": "1.0"}
    async with (
        serve_a2a(hub.url, "127.0.0.1", 0) as base,
        httpx.AsyncClient(headers=headers, timeout=60) as http,
    ):
        wrong = b'{"jsonrpc": "2.0", "id": "\\ud800", "params": {}}'
        answer = await http.post(f"{base}{RPC}", content=wrong)
        assert answer.status_code == 400


async def test_the_tasks_of_one_credential_are_hidden_from_another(hub: LocalHub) -> None:
    token, guest = hub.token.get_secret_value(), await credential_of_guest(hub)
    async with (
        serve_a2a(hub.url, "127.0.0.1", 0) as base,
        reaching(base, token) as owner,
        reaching(base, guest) as other,
    ):
        events = await said(owner, "read hello.txt")
        wanted = GetTaskRequest(id=events[0].task.id)
        assert (await owner.get_task(wanted)).id == wanted.id
        with pytest.raises(A2AError, match="not found"):
            await other.get_task(wanted)


@asynccontextmanager
async def painter(tmp_path: Path, state: Path) -> AsyncIterator[None]:
    """A device that asks."""
    skills = tmp_path / "wall_skills.py"
    skills.write_text(ASKING)
    device = ["agent", "--name", "wall", "--kind", "wall", "--skills", str(skills)]
    async with child("wall", device, load_settings({"state_dir": state})) as agent:
        await agent.ready()
        yield


async def answered(client: Client, asked: TaskStatusUpdateEvent, text: str) -> StreamResponse:
    """The last of what an answer brings about."""
    message = new_text_message(
        text, role=Role.ROLE_USER, task_id=asked.task_id, context_id=asked.context_id
    )
    events = [each async for each in client.send_message(SendMessageRequest(message=message))]
    return events[-1]


async def test_a_question_of_a_task_is_answered_by_the_next_message(
    hub: LocalHub, tmp_path: Path, state: Path
) -> None:
    async with painter(tmp_path, state), client_of(hub) as client:
        asked = (await said(client, "paint the wall"))[-1].status_update
        assert asked.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
        assert asked.status.message.parts[0].text == "Which colour?\n- red\n- blue"
        again = (await answered(client, asked, "green")).status_update.status
        assert again.state == TaskState.TASK_STATE_INPUT_REQUIRED
        text = again.message.parts[0].text
        assert text == "'green' is not one of red, blue.\nWhich colour?\n- red\n- blue"
        last = await answered(client, asked, "blue")
        assert last.status_update.status.state == TaskState.TASK_STATE_COMPLETED
        task = await client.get_task(GetTaskRequest(id=asked.task_id))
        assert "painted blue" in str(task.artifacts)


async def test_an_answer_that_comes_after_another_one_does_no_harm(
    hub: LocalHub, tmp_path: Path, state: Path
) -> None:
    token = hub.token.get_secret_value()
    async with painter(tmp_path, state), client_of(hub) as client:
        asked = (await said(client, "paint the wall"))[-1].status_update
        async with fabric.connect(hub.url, token=token) as connected:
            (summary,) = await connected.constellations()
            work = connected.work(summary["id"])
            (waiting,) = (await work.show()).nodes
            await work.answer(waiting, "red")
            await work.result()
        last = await answered(client, asked, "blue")
        assert last.status_update.status.state == TaskState.TASK_STATE_COMPLETED
        task = await client.get_task(GetTaskRequest(id=asked.task_id))
        assert "painted red" in str(task.artifacts)


@pytest.mark.parametrize("part", [new_text_part(""), new_data_part({"say": "hello"})])
async def test_a_message_without_words_is_refused(hub: LocalHub, part: Part) -> None:
    message = Message(message_id="m1", role=Role.ROLE_USER, parts=[part])
    async with client_of(hub) as client:
        events = [each async for each in client.send_message(SendMessageRequest(message=message))]
        told = events[-1].status_update.status
        assert told.state == TaskState.TASK_STATE_REJECTED
        assert told.message.parts[0].text


# ── what is kept ────────────────────────────────────────────────────────────────────────────────


def task(name: str, state: Any = TaskState.TASK_STATE_WORKING) -> Task:
    return Task(id=name, context_id="c", status=TaskStatus(state=state))


class Ann(User):
    """An owner of tasks."""

    is_authenticated = True
    user_name = "ann"


async def test_only_the_latest_tasks_are_kept_and_open_ones_longest() -> None:
    kept, context = KeptTasks(most=3), ServerCallContext(user=Ann())
    for name in ("open", "done", "asks"):
        kept.followed[name] = Followed(f"c-{name}")
        await kept.save(task(name), context)
    await kept.save(task("done", TaskState.TASK_STATE_COMPLETED), context)
    await kept.save(task("new"), context)
    assert await kept.get("done", context) is None
    assert await kept.get("open", context) == task("open")
    await kept.save(task("newer"), context)
    assert await kept.get("open", context) is None
    assert list(kept.followed) == ["asks"]
    listed = await kept.list(ListTasksRequest(), context)
    assert {each.id for each in listed.tasks} == {"asks", "new", "newer"}


async def test_an_answer_to_what_is_forgotten_is_no_request(
    hub: LocalHub, tmp_path: Path, state: Path
) -> None:
    kept, token = KeptTasks(), hub.token.get_secret_value()
    async with (
        painter(tmp_path, state),
        serve_a2a(hub.url, "127.0.0.1", 0, kept) as base,
        reaching(base, token) as client,
    ):
        asked = (await said(client, "paint the wall"))[-1].status_update
        kept.followed.clear()
        last = (await answered(client, asked, "read hello.txt")).status_update
        assert last.status.state == TaskState.TASK_STATE_FAILED
        assert "is forgotten" in last.status.message.parts[0].text
