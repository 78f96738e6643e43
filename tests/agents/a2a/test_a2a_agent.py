"""An agent made with the A2A SDK's own server, on loopback HTTP, as skills of a device."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
import uvicorn
from a2a.helpers import new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from a2a.utils.errors import A2AError
from starlette.applications import Starlette

from agents.a2a.source import A2AAgent
from agents.errors import ToolFailed, ToolServerLost
from agents.skills import AnySkill, Registry
from agents.testing import Trial
from constellation.errors import SkillError, TaskCanceled

pytestmark = pytest.mark.anyio


class Baker(AgentExecutor):
    """Does what the first word of a request says."""

    def __init__(self) -> None:
        self.canceled = anyio.Event()

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        assert context.message is not None
        task = context.current_task
        if task is None:
            task = new_task_from_user_message(context.message)
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)

        match context.get_user_input():
            case "fail":
                await updater.failed(updater.new_agent_message([new_text_part("the oven broke")]))
            case "reject":
                await updater.reject(updater.new_agent_message([new_text_part("no bread today")]))
            case "give up":
                await updater.cancel()
            case "ask":
                question = updater.new_agent_message([new_text_part("which flour?")])
                await updater.requires_input(question)
            case "wait":
                await updater.start_work()
                await anyio.sleep_forever()
            case "trace":
                headers = context.call_context.state["headers"]
                said = [new_text_part(headers["traceparent"])]
                await updater.add_artifact(said)
                await updater.complete()
            case request:
                message = updater.new_agent_message([new_text_part("kneading")])
                await updater.start_work(message)
                parts = [new_text_part(f"{request}: ")]
                await updater.add_artifact(parts, artifact_id="a", name="bread")
                await updater.add_artifact([new_text_part("done")], artifact_id="a", append=True)
                await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        assert context.current_task is not None
        task = context.current_task
        self.canceled.set()
        await TaskUpdater(event_queue, task.id, task.context_id).cancel()


class World:
    """An agent that is served, and a device that follows its card."""

    def __init__(self, streaming: bool = True) -> None:
        self.baker = Baker()
        self.registry = Registry()
        self._moved = anyio.Event()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.card = AgentCard(
            name="baker",
            description="bakes",
            version="1",
            capabilities=AgentCapabilities(streaming=streaming),
            default_input_modes=["text/plain"],
            default_output_modes=["text/plain"],
            supported_interfaces=[
                AgentInterface(
                    url=f"{self.url}/rpc", protocol_binding="JSONRPC", protocol_version="1.0"
                )
            ],
            skills=[
                AgentSkill(id="bake bread", name="bread", description="Bake bread.", tags=["food"])
            ],
        )

    def changed(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()

    async def until(self, holds: Callable[[int], bool]) -> None:
        with anyio.fail_after(100):
            while not holds(len(self.registry)):
                await self._moved.wait()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        handler = DefaultRequestHandler(
            agent_executor=self.baker, task_store=InMemoryTaskStore(), agent_card=self.card
        )
        routes = [*create_agent_card_routes(self.card), *create_jsonrpc_routes(handler, "/rpc")]
        config = uvicorn.Config(
            Starlette(routes=routes), host="127.0.0.1", port=self.port, log_level="error"
        )
        server = uvicorn.Server(config)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve)
            while not server.started:
                await anyio.lowlevel.checkpoint()
            try:
                yield
            finally:
                server.should_exit = True

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        agent = A2AAgent("baker", self.url, "K", check_s=0.02)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(agent.run, self.registry, self.changed)
            yield
            tasks.cancel_scope.cancel()

    def skill(self) -> AnySkill:
        (found,) = self.registry
        return found


@asynccontextmanager
async def running(streaming: bool = True) -> AsyncIterator[World]:
    world = World(streaming)
    async with world.served(), world.followed():
        await world.until(lambda count: count == 1)
        yield world


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_agent_does_a_task(streaming: bool) -> None:
    async with running(streaming) as world:
        card, trial = world.skill().card, Trial()
        assert (card.name, card.effect) == ("baker.bake_bread", "dangerous")
        result = await trial.run(world.skill(), request="rye")
        assert result == {"text": "rye: done", "data": [], "items": []}
        if streaming:
            assert (None, "kneading") in trial.reports
            assert trial.outputs == [("bread", "rye: "), ("artifact", "done")]
        with pytest.raises(SkillError, match="'request' is a required property"):
            world.skill().bind({})


async def test_a_task_says_for_which_span_it_is_done() -> None:
    span = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with running() as world:
        result = await Trial(traceparent=span).run(world.skill(), request="trace")
        assert result["text"] == span


@pytest.mark.parametrize(
    ("request_", "error", "reason"),
    [
        ("fail", ToolFailed, "failed: the oven broke"),
        ("reject", ToolFailed, "rejected: no bread today"),
        ("give up", TaskCanceled, "canceled the task"),
    ],
)
async def test_each_end_of_its_tasks_has_its_own_meaning(
    request_: str, error: type[Exception], reason: str
) -> None:
    async with running() as world:
        with pytest.raises(error, match=reason):
            await Trial().run(world.skill(), request=request_)


async def test_what_an_agent_asks_a_person_answers() -> None:
    async with running() as world:
        trial = Trial(answers=["spelt"])
        result = await trial.run(world.skill(), request="ask")
        assert result["text"] == "spelt: done"
        ((_, prompt, _),) = trial.questions
        assert "which flour?" in prompt


async def test_canceling_a_task_cancels_it_at_the_agent() -> None:
    async with running() as world:
        trial = Trial()
        async with anyio.create_task_group() as tasks:

            async def work() -> None:
                await trial.run(world.skill(), request="wait")

            tasks.start_soon(work)
            while not trial.reports:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(100):
            await world.baker.canceled.wait()


async def test_its_skills_are_there_while_it_answers() -> None:
    world = World()
    async with world.followed():
        async with world.served():
            await world.until(lambda count: count == 1)
            skill = world.skill()
        await world.until(lambda count: count == 0)
        with pytest.raises(ToolServerLost):
            await Trial().run(skill, request="rye")


async def test_a_card_that_points_elsewhere_gets_no_credential() -> None:
    world = World()
    world.card.supported_interfaces[0].url = "http://127.0.0.2:1/rpc"
    agent = A2AAgent("baker", world.url, "K")
    async with world.served():
        with pytest.raises(A2AError, match="same host"):
            await agent.look()
