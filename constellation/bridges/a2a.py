"""The fabric as an A2A agent: others give it requests in plain words, and follow them.

Each request brings the credential of a hub's client as its bearer token, and what it asks for is
done with that credential: this process needs no rights. Tasks of one credential are hidden from
others.

Approvals stay with people. An agent that could approve what it asked for would make them void, so
a step that waits for one is told as progress; what else a task asks makes it ``input-required``.

Tasks are kept in memory, the latest of them: after a restart, or once so many others came after
them, the constellations go on and are shown by the hub alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from a2a.helpers import new_data_part, new_task, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.context import ServerCallContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    HTTPAuthSecurityScheme,
    Message,
    SecurityRequirement,
    SecurityScheme,
    StringList,
    Task,
)
from a2a.types import TaskState as A2ATaskState
from starlette.applications import Starlette
from starlette.authentication import SimpleUser
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from constellation import __version__
from constellation.errors import (
    AuthenticationError,
    ConstellationError,
    GraphError,
    PlanError,
)
from constellation.fabric import Ended, Event, Work, connect
from constellation.graph.task import TaskState
from constellation.telling.questions import parse_answer

from .http import Bounded, credential, listening, serving

RPC = "/a2a"
MOST_TASKS = 1_000
ENDED = frozenset(
    {
        A2ATaskState.TASK_STATE_COMPLETED,
        A2ATaskState.TASK_STATE_FAILED,
        A2ATaskState.TASK_STATE_CANCELED,
        A2ATaskState.TASK_STATE_REJECTED,
    }
)
FORGOTTEN = "What this task was about is forgotten; the hub still knows: constellation ps --all"
REMEDY = "Send the credential of a client of the hub as the bearer token."
SKILL = AgentSkill(
    id="request",
    name="Do something on a person's devices",
    description="Takes a request in plain words and does it with the skills of the devices.",
    tags=["devices", "automation"],
    examples=["show the memory of every machine"],
)


@dataclass(slots=True)
class Followed:
    """A constellation that a task stands for.

    Attributes:
        constellation: its id.
        after: the number of the last fact that was told.
        asks: the task of the constellation that waits for an answer.
        question: the id of what it asks.
    """

    constellation: str
    after: int = 0
    asks: str | None = None
    question: str = ""


class KeptTasks(InMemoryTaskStore):
    """The latest tasks, in memory.

    Args:
        most: so many are kept. Those that have ended go first, the oldest of them before others.

    Attributes:
        followed: the constellations of tasks that have not ended, by task.
    """

    def __init__(self, most: int = MOST_TASKS) -> None:
        super().__init__()
        self.followed: dict[str, Followed] = {}
        self._most = most
        # Owners, in the order of their tasks; what came with a request is not kept.
        self._open: dict[str, ServerCallContext] = {}
        self._ended: dict[str, ServerCallContext] = {}

    async def save(self, task: Task, context: ServerCallContext) -> None:
        """See `TaskStore.save`."""
        await super().save(task, context)
        owner = ServerCallContext(user=context.user)
        if task.status.state in ENDED:
            self._open.pop(task.id, None)
            self._ended.setdefault(task.id, owner)
        else:
            self._open.setdefault(task.id, owner)
        while len(self._open) + len(self._ended) > self._most:
            oldest = self._ended or self._open
            name = next(iter(oldest))
            await self.delete(name, oldest[name])

    async def delete(self, task_id: str, context: ServerCallContext) -> None:
        """See `TaskStore.delete`."""
        await super().delete(task_id, context)
        for kept in (self._open, self._ended, self.followed):
            kept.pop(task_id, None)


class FabricExecutor(AgentExecutor):
    """Runs requests as constellations of a hub.

    Args:
        url: of the hub.
        tasks: where tasks are kept, and what each of them stands for.
    """

    def __init__(self, url: str, tasks: KeptTasks) -> None:
        self._url = url
        self._followed = tasks.followed

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Submit a request, or hand in an answer; tell what happens until an end or a question.

        See `AgentExecutor.execute`.
        """
        task, message = context.current_task, context.message
        if message is None or context.task_id is None or context.context_id is None:
            return
        followed = self._followed.get(context.task_id)
        if task is None:
            begun = A2ATaskState.TASK_STATE_SUBMITTED
            task = new_task(context.task_id, context.context_id, begun, history=[message])
            await event_queue.enqueue_event(task)
        elif followed is None:
            # What it stood for is forgotten: an answer must not become a request.
            updater = TaskUpdater(event_queue, task.id, task.context_id)
            await updater.failed(_says(updater, FORGOTTEN))
            return
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        said = context.get_user_input()
        headers = context.call_context.state["headers"]
        try:
            async with connect(self._url, token=credential(headers, REMEDY)) as fabric:
                if followed is None:
                    work = await fabric.submit(said, traceparent=headers.get("traceparent"))
                    followed = self._followed[task.id] = Followed(work.id)
                    await updater.start_work(_says(updater, "\n".join([work.title, *work.notes])))
                else:
                    work = fabric.work(followed.constellation)
                    if not await _answer(work, followed, said, updater):
                        return
                    await updater.start_work()
                if not await _follow(work, followed, updater):
                    return
                await _end(work, updater)
        except (PlanError, GraphError) as error:
            await updater.reject(_says(updater, str(error)))
        except ConstellationError as error:
            await updater.failed(_says(updater, str(error)))
        self._followed.pop(task.id, None)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Cancel the constellation; see `AgentExecutor.cancel`."""
        task = context.current_task
        if task is None:
            return
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        followed = self._followed.pop(task.id, None)
        if followed is not None:
            token = credential(context.call_context.state["headers"], REMEDY)
            async with connect(self._url, token=token) as fabric:
                await fabric.work(followed.constellation).cancel()
        await updater.cancel()


class Admission:
    """Lets requests through whose credential the hub takes; each is a user of its own."""

    def __init__(self, app: ASGIApp, url: str) -> None:
        self._app = app
        self._url = url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != RPC:
            await self._app(scope, receive, send)
            return
        try:
            token = credential(Headers(scope=scope), REMEDY)
            async with connect(self._url, token=token):
                pass
        except ConstellationError as error:
            status = 401 if isinstance(error, AuthenticationError) else 503
            refusal = JSONResponse(
                {"error": str(error)}, status, headers={"WWW-Authenticate": "Bearer"}
            )
            await refusal(scope, receive, send)
            return
        user = SimpleUser(hashlib.sha256(token.encode()).hexdigest())
        try:
            await self._app({**scope, "user": user}, receive, send)
        except UnicodeEncodeError:
            # The library repeats the id of a request in its answer, and cannot if it is no text.
            refusal = JSONResponse({"error": "The request holds half a character."}, 400)
            await refusal(scope, receive, send)


def agent_card(base: str) -> AgentCard:
    """The fabric's card.

    Args:
        base: where it is reached, such as ``http://127.0.0.1:8473``.
    """
    return AgentCard(
        name="constellation",
        description="A person's devices as one: takes requests in plain words.",
        version=__version__,
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"],
        default_output_modes=["application/json", "text/plain"],
        supported_interfaces=[
            AgentInterface(url=f"{base}{RPC}", protocol_binding="JSONRPC", protocol_version="1.0")
        ],
        security_schemes={
            "hub": SecurityScheme(http_auth_security_scheme=HTTPAuthSecurityScheme(scheme="bearer"))
        },
        security_requirements=[SecurityRequirement(schemes={"hub": StringList()})],
        skills=[SKILL],
    )


def a2a_app(url: str, base: str, tasks: KeptTasks | None = None) -> Starlette:
    """The agent as an ASGI application.

    Args:
        url: of the hub.
        base: see `agent_card`.
        tasks: where tasks are kept; None for a place of their own.
    """
    card, tasks = agent_card(base), tasks or KeptTasks()
    handler = DefaultRequestHandler(
        agent_executor=FabricExecutor(url, tasks), task_store=tasks, agent_card=card
    )
    app = Starlette(routes=[*create_agent_card_routes(card), *create_jsonrpc_routes(handler, RPC)])
    app.add_middleware(Bounded)
    app.add_middleware(Admission, url=url)
    return app


@asynccontextmanager
async def serve_a2a(
    url: str, host: str, port: int, tasks: KeptTasks | None = None
) -> AsyncIterator[str]:
    """Serve the agent for as long as the context is open; yields its base address.

    Args:
        url: of the hub.
        host, port: where to listen; 0 takes a free port.
        tasks: see `a2a_app`.

    Raises:
        ConfigError: the address cannot be bound.
    """
    async with listening(host, port) as listener:
        base = f"http://{host}:{listener.getsockname()[1]}"
        async with serving(a2a_app(url, base, tasks), listener):
            yield base


def _says(updater: TaskUpdater, text: str) -> Message:
    return updater.new_agent_message([new_text_part(text)])


async def _answer(work: Work, followed: Followed, said: str, updater: TaskUpdater) -> bool:
    """Hand in an answer; False if it is none, and was asked for again."""
    question = await _open_question(work, followed.asks)
    if question is None or question["id"] != followed.question:
        # Somebody else answered it meanwhile, or it ended otherwise.
        return True
    try:
        answer = parse_answer(question, said)
    except ValueError as error:
        await _ask(question, updater, f"{error}\n")
        return False
    await work.answer(str(followed.asks), answer, question=followed.question)
    return True


async def _ask(question: Mapping[str, Any], updater: TaskUpdater, before: str = "") -> None:
    choices = "".join(f"\n- {each}" for each in question.get("options") or ())
    await updater.requires_input(_says(updater, f"{before}{question['prompt']}{choices}"))


async def _open_question(work: Work, task: str | None) -> Mapping[str, Any] | None:
    """What a task asks now."""
    node = (await work.show()).nodes.get(task or "")
    return None if node is None else node.question


async def _follow(work: Work, followed: Followed, updater: TaskUpdater) -> bool:
    """Tell what happens; True at the end, False if it waits for an answer of the client."""
    async with aclosing(work.events(after=followed.after)) as events:
        async for event in events:
            if event.seq is not None:
                followed.after = event.seq
            if event.kind == "asked" and event.body["question"]["kind"] != "approval":
                question = event.body["question"]
                if await _open_question(work, event.task) != question:
                    continue
                followed.asks, followed.question = event.task, question["id"]
                await _ask(question, updater)
                return False
            told = _told(event)
            if told is not None:
                await updater.start_work(_says(updater, told))
    return True


def _told(event: Event) -> str | None:
    """What is worth telling of an event, in words."""
    match event.kind:
        case "finished":
            return f"{event.task}: {event.body['state']}"
        case "asked":
            return f"{event.task} waits for a person to approve it: constellation approve"
    return None


async def _end(work: Work, updater: TaskUpdater) -> None:
    ended = Ended(await work.show())
    if ended.outputs:
        await updater.add_artifact([new_data_part(ended.outputs)], name="outputs")
    match ended.state:
        case TaskState.COMPLETED:
            await updater.complete()
        case TaskState.CANCELED:
            await updater.cancel()
        case _:
            try:
                ended.raise_if_failed()
            except ConstellationError as error:
                await updater.failed(_says(updater, str(error)))
