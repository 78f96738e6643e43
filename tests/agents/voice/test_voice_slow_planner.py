"""A real hub whose planner takes its time, and the dialogue that does not wait for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from agents.voice.dialogue import Dialogue
from agents.voice.hands import Outcome
from agents.voice.hub import Hub, connected
from agents.voice.ports import Working
from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.client import Link, connect
from constellation.aip.messages import Message
from constellation.config import LocalHub, load_settings
from constellation.errors import AgentError, PlanError
from constellation.llm.spending import Account
from constellation.orchestrator import service
from constellation.planner.offline import OfflinePlanner
from constellation.planner.ports import Ahead, Plan

CARD = DeviceCard(
    name="desk",
    skills=(SkillCard(name="sys.memory", effect="read", description="Show the memory."),),
)
REQUEST = "show the memory"


class Slow(OfflinePlanner):
    """Plans once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = anyio.Event()
        self.go = anyio.Event()
        self.given_up = anyio.Event()
        self.requests: list[str] = []
        self.error: PlanError | None = None

    async def plan(
        self,
        request: str,
        devices: Sequence[DeviceCard],
        ahead: Ahead | None = None,
        account: Account | None = None,
    ) -> Plan:
        self.requests.append(request)
        self.asked.set()
        try:
            await self.go.wait()
        except BaseException:
            self.given_up.set()
            raise
        if self.error is not None:
            raise self.error
        return await super().plan(request, devices, ahead, account)


class World:
    """Attributes:
    hub: as the dialogue has it.
    assigned: what the device was told to do; it does so at once, unless it holds on.
    """

    def __init__(self, portal: BlockingPortal, planner: Slow, stack: ExitStack) -> None:
        self.planner = planner
        self.assigned: list[str] = []
        self.holds = False
        self.hub: Hub
        self._portal = portal
        self._link: Link
        self._stack = stack
        self._guest = ExitStack()

    def open(self, local: LocalHub) -> None:
        device = connect(
            local.url,
            role="device",
            name=CARD.name,
            card=CARD,
            credential=local.token.get_secret_value(),
            on_messages=self._take,
        )
        enter = self._stack.enter_context
        self._link = enter(self._portal.wrap_async_context_manager(device))
        self._portal.call(self._link.ready)
        self.hub = self._guest.enter_context(connected(local))
        self._stack.callback(self.leave)

    def leave(self) -> None:
        """The agent ends."""
        self._guest.close()

    def _take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.type == "assign":
                self.assigned.append(message.body["attempt"])
                if not self.holds:
                    done = {"state": "completed", "output": {"percent": 51}}
                    self._link.send("result", {"attempt": message.body["attempt"], **done})
        self._link.acknowledge(messages[-1].seq)

    def asked(self) -> None:
        """Wait until there is something to plan."""
        self._portal.call(self._within, self.planner.asked)

    def given_up(self) -> None:
        """Wait until what is planned is wanted no more."""
        self._portal.call(self._within, self.planner.given_up)

    def go(self) -> None:
        """Let it be planned."""
        self._portal.call(self.planner.go.set)

    async def _within(self, event: anyio.Event) -> None:
        with anyio.fail_after(60):
            await event.wait()

    def states(self) -> dict[str, str]:
        listed = self.hub._ask("list", all=True)["constellations"]
        return {each["id"]: each["state"] for each in listed}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("agents.voice.dialogue._LOOKS", 1)
    monkeypatch.setattr("agents.voice.dialogue._LOOK_S", 0.05)
    settings = load_settings({"state_dir": tmp_path, "hub": {"port": 0}})
    with start_blocking_portal() as portal, ExitStack() as stack:
        planner = portal.call(Slow)
        opened = service.open_hub(settings, planner)
        stack.enter_context(portal.wrap_async_context_manager(opened))
        local = LocalHub.find(tmp_path)
        assert local is not None
        world = World(portal, planner, stack)
        world.open(local)
        yield world


def said(dialogue: Dialogue, prompt: str) -> str:
    return " ".join(each for each in dialogue.answer(prompt, ()) if isinstance(each, str))


def announced(dialogue: Dialogue) -> list[str]:
    """What is told next without being asked for."""
    told: list[str] = []
    while not told:
        told += dialogue.ended(within_s=5.0)
    return told


def test_plan_that_takes_long_holds_up_nothing_else(world: World) -> None:
    dialogue = Dialogue(world.hub)
    assert said(dialogue, f"{REQUEST}.").startswith(f"It takes long to plan that: {REQUEST}.")
    world.asked()
    # The hub is there meanwhile, and nothing else is said of it.
    assert said(dialogue, "Which devices are there?") == "desk."
    assert said(dialogue, "How far is it?") == f"I am still planning it: {REQUEST}."
    assert list(dialogue.ended(within_s=0.0)) == []
    world.go()
    (told,) = announced(dialogue)
    assert told.endswith(": 51 percent.")
    assert dialogue.working == {}
    assert len(world.assigned) == 1


def test_what_is_stopped_while_it_is_planned_is_not_begun_or_ended_at_once(world: World) -> None:
    world.holds = True
    dialogue = Dialogue(world.hub)
    said(dialogue, f"{REQUEST}.")
    (work,) = dialogue.working
    world.asked()
    assert said(dialogue, "Stop.") == f"I have stopped it: {REQUEST}."
    assert world.states() == {}
    world.go()
    # It is there once it is planned, to be canceled.
    outcome = None
    while outcome is None:
        if work in world.states():
            outcome = world.hub.outcome(work, 5.0)
    assert isinstance(outcome, Outcome)
    assert outcome.state == "canceled"
    assert list(dialogue.ended()) == []
    assert world.hub._submits == {}
    assert world.hub._unwanted == set()


def test_answer_that_waits_for_a_plan_can_be_interrupted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.voice.dialogue._LOOKS", 1_000_000)
    dialogue = Dialogue(world.hub)
    answer = dialogue.answer(f"{REQUEST}.", ())
    assert [next(answer) for _ in range(3)] == [Working(True)] * 3
    world.asked()
    # As a conversation does for what it wants no more.
    del answer
    assert said(dialogue, "Stop.") == f"I have stopped it: {REQUEST}."
    assert not dialogue.busy


def test_plan_that_fails_late_is_told(world: World) -> None:
    dialogue = Dialogue(world.hub)
    said(dialogue, f"{REQUEST}.")
    world.asked()
    world.planner.error = PlanError("There is no such memory.")
    world.go()
    assert announced(dialogue) == [f"About {REQUEST}: There is no such memory."]
    assert dialogue.working == {}


def test_change_that_takes_long_to_plan_is_planned_once(world: World) -> None:
    world.holds = True
    world.go()
    work, title = world.hub.submit(REQUEST, 60)
    assert title is not None
    world.planner.go = anyio.Event()
    assert world.hub.amend(work, f"{REQUEST} on desk", 0.05) is None
    other, title = world.hub.submit(f"{REQUEST} on desk", 0.05)
    assert title is None
    world.go()
    assert world.hub.planned(other, 60) is not None
    assert world.planner.requests == [REQUEST, f"{REQUEST} on desk"]
    assert set(world.states()) == {work, other}
    for each in (work, other):
        world.hub.cancel(each)


def test_plan_is_given_up_with_the_agent(world: World) -> None:
    assert world.hub.submit(REQUEST, 0.05)[1] is None
    world.asked()
    world.leave()
    world.given_up()
    assert world.assigned == []


def test_hub_that_is_there_and_silent_is_not_called_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.voice.hub._ANSWER_S", 0.05)
    with pytest.raises(AgentError, match="is there, but has not answered"):
        world.hub._ask("plan", request=REQUEST)
