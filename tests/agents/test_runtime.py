"""The agent between a hub and its skills."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from agents.context import Context
from agents.handover import Handover
from agents.policy import Intent, Policy
from agents.roots import Roots
from agents.runtime import MAX_PROMPT, Agent
from agents.skills import Registry, skill
from agents.store import Store
from agents.testing import Trial
from constellation.aip.messages import Message
from constellation.errors import TaskFailed

pytestmark = pytest.mark.anyio


@skill("echo", effect="read")
async def echo(value: int) -> int:
    return value


@skill("forever", effect="write")
async def forever(context: Context) -> None:
    context.progress(0.0, "begun")
    await asyncio.Event().wait()


@skill("stubborn", effect="read")
def stubborn(context: Context, after: int = 0) -> str:
    Gate.entered.set()
    Gate.open.wait(20)
    return "well"


class Gate:
    entered = threading.Event()
    open = threading.Event()


@skill("crash", effect="read")
async def crash() -> None:
    raise ValueError("a secret place")


@skill("fail", effect="read")
async def fail() -> None:
    raise TaskFailed("It is raining.", remedy="Wait.", sky=object())


@skill("talk", effect="read")
async def talk() -> AsyncIterator[str]:
    yield "one "
    yield "two"


@skill("ask", effect="read")
async def ask(context: Context) -> str:
    return await context.choose("Which one?", ["a", "b"])


@skill("allowed_by", effect="read")
async def allowed_by(context: Context) -> list[str | None]:
    return [await context.approver("May I?")]


@skill("ask_twice", effect="read")
async def ask_twice(context: Context) -> list[str]:
    return list(await asyncio.gather(context.ask("First?"), context.ask("Second?")))


@skill("narrow", effect="read", capacity=1)
async def narrow() -> None:
    await asyncio.Event().wait()


@skill("outer", effect="read")
async def outer(context: Context) -> str:
    async with context.calling("narrow", 1):
        return "inside"


@skill("wipe", effect="dangerous", intent=lambda disk: Intent(f"Wipe {disk}"))
async def wipe(disk: str) -> str:
    return f"wiped {disk}"


@skill("mumble", effect="read", intent=lambda: 1 / 0)
async def mumble() -> None: ...


@skill("burn", effect="dangerous")
async def burn(what: str = "toast", long: bool = False) -> None:
    """Make it black. There is no way back."""


HUB_TIME = 1_000.0
SKILLS = Registry(
    [
        *(echo, forever, stubborn, crash, fail, talk, ask, allowed_by, ask_twice, narrow, outer),
        *(wipe, mumble, burn),
    ]
)


class Hub:
    """The hub's end: sends messages to an agent, and keeps what comes back."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.sent: list[tuple[str, Mapping[str, Any]]] = []
        self.acknowledged = 0
        self.pending = 0
        self.is_full = False
        self._moved = asyncio.Event()
        self._seq = 0

    def send(self, type: str, body: Mapping[str, Any]) -> int:
        self.sent.append((type, body))
        self._moved.set()
        return len(self.sent)

    async def drained(self) -> None: ...

    def give(self, *messages: tuple[str, dict[str, Any]]) -> None:
        self.agent.received([Message(type, 1, body) for type, body in messages])

    def assign(self, attempt: str, skill: str, **more: Any) -> None:
        arguments = more.pop("arguments", {})
        self.give(("assign", {"attempt": attempt, "skill": skill, "arguments": arguments, **more}))

    async def until(self, wanted: Callable[[str, Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        """Wait for a message; return its body."""
        with anyio.fail_after(100):
            while True:
                for type, body in self.sent:
                    if wanted(type, body):
                        return body
                self._moved.clear()
                await self._moved.wait()

    async def result(self, attempt: str) -> Mapping[str, Any]:
        return await self.until(lambda type, body: type == "result" and body["attempt"] == attempt)

    async def first(self, wanted: str) -> Mapping[str, Any]:
        return await self.until(lambda type, body: type == wanted)

    def types(self) -> list[str]:
        return [type for type, _ in self.sent]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "agent") as opened:
        yield opened


@pytest.fixture
async def hub(store: Store) -> AsyncIterator[Hub]:
    Gate.entered.clear()
    Gate.open.clear()
    started = asyncio.get_running_loop().time()
    handover = Handover(store)
    agent = Agent(
        SKILLS,
        handover,
        Trial(),
        capacity=2,
        roots=Roots([]),
        policy=Policy(),
        hub_time=lambda: HUB_TIME + asyncio.get_running_loop().time() - started,
    )
    hub = Hub(agent)
    handover.opened(hub, resumed=False)
    await asyncio.sleep(0)
    yield hub
    Gate.open.set()
    agent.stop_all()
    await agent.idle()
    handover.close()


async def test_a_quick_task_answers_with_its_result_alone(hub: Hub) -> None:
    hub.give(
        *(
            ("assign", {"attempt": f"c/t/{n}", "skill": "echo", "arguments": {"value": n}})
            for n in (1, 2)
        )
    )
    result = await hub.result("c/t/2")
    assert (result["state"], result["output"]) == ("completed", 2)
    assert result["duration_s"] >= 0
    assert hub.types() == ["result", "result"]


async def test_a_long_task_is_accepted(hub: Hub) -> None:
    hub.assign("c/t/1", "forever")
    assert (await hub.first("accept"))["attempts"] == ["c/t/1"]
    assert (await hub.first("progress"))["message"] == "begun"


async def test_an_unknown_skill_is_refused_at_once(hub: Hub) -> None:
    hub.assign("c/t/1", "teleport")
    refused = await hub.first("reject")
    assert refused["attempt"] == "c/t/1"
    assert refused["error"]["code"] == "task.rejected.unknown_skill"
    assert "echo" in refused["error"]["remedy"]


async def test_wrong_arguments_fail_and_name_the_field(hub: Hub) -> None:
    hub.assign("c/t/1", "echo", arguments={"value": "many"})
    result = await hub.result("c/t/1")
    assert result["state"] == "failed"
    assert result["error"]["code"] == "agent.skill"
    assert result["error"]["details"]["field"] == "value"


async def test_a_replayed_assignment_is_not_run_again(hub: Hub) -> None:
    hub.assign("c/t/1", "forever")
    hub.assign("c/t/1", "forever")
    hub.assign("c/t/2", "echo", arguments={"value": 1})
    await hub.result("c/t/2")
    hub.assign("c/t/2", "echo", arguments={"value": 1})
    hub.assign("c/t/3", "echo", arguments={"value": 1})
    await hub.result("c/t/3")
    assert hub.types().count("result") == 2
    running, held = hub.agent.inventory()
    assert (running, held) == (["c/t/1"], ["c/t/2", "c/t/3"])


async def test_work_that_must_not_run_twice_is_on_record_before_it_runs(
    hub: Hub, store: Store
) -> None:
    hub.assign("c/t/1", "forever", idempotent=False)
    assert store.begun() == ["c/t/1"]
    hub.assign("c/t/2", "forever", idempotent=True)
    assert store.begun() == ["c/t/1"]
    await hub.first("accept")
    hub.give(("cancel", {"attempt": "c/t/1", "reason": "enough"}))
    await hub.result("c/t/1")
    assert store.begun() == []


async def test_a_call_of_another_skill_waits_until_that_one_has_room(hub: Hub) -> None:
    hub.assign("c/a/1", "narrow")
    hub.assign("c/b/1", "outer")
    await hub.until(lambda type, body: type == "accept" and "c/b/1" in body["attempts"])
    assert "result" not in hub.types()
    hub.give(("cancel", {"attempt": "c/a/1"}))
    assert (await hub.result("c/b/1"))["output"] == "inside"
    hub.assign("c/c/1", "narrow")
    await hub.until(lambda type, body: type == "accept" and "c/c/1" in body["attempts"])


async def test_capacity_is_kept_and_what_waits_runs_later(hub: Hub) -> None:
    for number in range(1, 5):
        hub.assign(f"c/t/{number}", "forever")
    await hub.first("accept")
    hub.assign("c/t/5", "forever")
    hub.assign("c/t/6", "forever")
    refused = await hub.first("reject")
    assert refused["attempt"] == "c/t/6"
    assert refused["error"]["code"] == "task.rejected.overloaded"
    accepted = [body["attempts"] for type, body in hub.sent if type == "accept"]
    assert accepted == [["c/t/1", "c/t/2"]]
    hub.give(("cancel", {"attempt": "c/t/1", "reason": "enough"}))
    await hub.until(lambda type, body: type == "accept" and body["attempts"] == ["c/t/3"])


async def test_cancel_stops_what_runs_and_what_waits(hub: Hub) -> None:
    for number in range(1, 4):
        hub.assign(f"c/t/{number}", "forever")
    await hub.first("accept")
    for number in (1, 3):
        hub.give(("cancel", {"attempt": f"c/t/{number}", "reason": "not needed"}))
        result = await hub.result(f"c/t/{number}")
        assert result["state"] == "canceled"
        assert result["error"]["message"] == "It was canceled: not needed."
    hub.give(("cancel", {"attempt": "c/none/1"}))


async def test_a_timeout_stops_a_task(hub: Hub) -> None:
    hub.assign("c/t/1", "forever", timeout_s=0.01)
    result = await hub.result("c/t/1")
    assert result["state"] == "failed"
    assert result["error"]["code"] == "task.timeout"


async def test_a_task_that_ends_well_in_spite_of_its_cancellation_has_ended_well(hub: Hub) -> None:
    hub.assign("c/t/1", "stubborn")
    with anyio.fail_after(100):
        await anyio.to_thread.run_sync(Gate.entered.wait)
    hub.give(("cancel", {"attempt": "c/t/1", "reason": "enough"}))
    Gate.open.set()
    assert (await hub.result("c/t/1"))["state"] == "canceled"


async def test_a_crash_is_told_in_a_sentence_and_its_traceback_stays(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    hub.assign("c/t/1", "crash")
    result = await hub.result("c/t/1")
    assert result["error"]["code"] == "task.failed.exception"
    assert result["error"]["message"] == "The code of crash crashed: ValueError: a secret place."
    assert "Traceback" not in str(result)
    assert caplog.records[0].levelno == logging.ERROR
    assert caplog.records[0].exc_info is not None


async def test_a_skill_that_cannot_even_say_what_it_does_fails_alone(hub: Hub) -> None:
    hub.assign("c/t/1", "mumble")
    assert (await hub.result("c/t/1"))["error"]["code"] == "task.failed.exception"
    hub.assign("c/t/2", "echo", arguments={"value": 1})
    assert (await hub.result("c/t/2"))["state"] == "completed"


async def test_an_error_of_ours_travels_as_it_is(hub: Hub) -> None:
    hub.assign("c/t/1", "fail")
    error = (await hub.result("c/t/1"))["error"]
    assert error["code"] == "task.failed"
    assert (error["message"], error["remedy"]) == ("It is raining.", "Wait.")
    assert isinstance(error["details"]["sky"], str), "whatever it held, it can be sent"


async def test_streamed_output_comes_before_the_result(hub: Hub) -> None:
    hub.assign("c/t/1", "talk")
    assert (await hub.result("c/t/1"))["output"] == "two"
    assert hub.types() == ["output", "result"]
    assert hub.sent[0][1]["data"] == "one two"


async def test_a_skill_asks_and_goes_on_with_the_answer(hub: Hub) -> None:
    hub.assign("c/t/1", "ask")
    asked = await hub.first("input_required")
    assert asked["attempt"] == "c/t/1"
    question = asked["question"]
    assert (question["kind"], question["prompt"]) == ("choice", "Which one?")
    assert question["options"] == ["a", "b"]
    hub.give(("answer", {"attempt": "c/t/1", "question": "another", "answer": "a"}))
    hub.give(("answer", {"attempt": "c/t/1", "question": question["id"], "answer": "b"}))
    assert (await hub.result("c/t/1"))["output"] == "b"
    hub.give(("answer", {"attempt": "c/t/1", "question": question["id"], "answer": "a"}))


@pytest.mark.parametrize("who", [{"by": "ann"}, {"by": None}, {}])
async def test_a_skill_may_know_who_allowed_something(hub: Hub, who: dict[str, str | None]) -> None:
    for answer, output in ((True, who.get("by") or ""), (False, None)):
        attempt = f"c/t/{output}"
        hub.assign(attempt, "allowed_by")
        body = await hub.until(
            lambda type, body, a=attempt: type == "input_required" and body["attempt"] == a
        )
        question = body["question"]["id"]
        hub.give(("answer", {"attempt": attempt, "question": question, "answer": answer, **who}))
        assert (await hub.result(attempt))["output"] == [output]


async def test_time_stands_still_while_a_person_thinks(hub: Hub) -> None:
    hub.assign("c/t/1", "ask", timeout_s=0.05)
    question = (await hub.first("input_required"))["question"]
    hub.assign("c/t/2", "forever", timeout_s=0.1)
    assert (await hub.result("c/t/2"))["error"]["code"] == "task.timeout"
    hub.give(("answer", {"attempt": "c/t/1", "question": question["id"], "answer": "a"}))
    assert (await hub.result("c/t/1"))["state"] == "completed"


async def test_open_questions_are_asked_again(hub: Hub) -> None:
    hub.assign("c/t/1", "ask")
    first = await hub.first("input_required")
    hub.sent.clear()
    hub.agent.ask_again()
    assert await hub.first("input_required") == first


async def test_what_is_dangerous_asks_before_anything_is_done(hub: Hub, store: Store) -> None:
    hub.assign("c/t/1", "wipe", arguments={"disk": "/dev/sda"})
    question = (await hub.first("input_required"))["question"]
    assert (question["kind"], question["prompt"]) == ("approval", "Wipe /dev/sda")
    assert store.begun() == [], "nothing has begun"
    assert "accept" not in hub.types()
    hub.give(("answer", {"attempt": "c/t/1", "question": question["id"], "answer": True}))
    assert (await hub.result("c/t/1"))["output"] == "wiped /dev/sda"


@pytest.mark.parametrize("answer", [False, None, "yes", 1])
async def test_whatever_is_not_yes_is_no(hub: Hub, answer: Any) -> None:
    hub.assign("c/t/1", "burn")
    question = (await hub.first("input_required"))["question"]
    assert question["prompt"] == "Make it black (burn)\nwhat: toast\nlong: no"
    hub.give(("answer", {"attempt": "c/t/1", "question": question["id"], "answer": answer}))
    result = await hub.result("c/t/1")
    assert result["state"] == "canceled"
    assert result["error"]["code"] == "task.canceled.denied"
    assert "did not allow burn" in result["error"]["message"]


async def test_a_question_that_nobody_answers_can_be_canceled(hub: Hub) -> None:
    for number, name in ((1, "burn"), (2, "ask")):
        hub.assign(f"c/t/{number}", name)
        await hub.until(
            lambda type, body, n=number: type == "input_required" and body["attempt"] == f"c/t/{n}"
        )
        hub.give(("cancel", {"attempt": f"c/t/{number}", "reason": "never mind"}))
        assert (await hub.result(f"c/t/{number}"))["state"] == "canceled"


async def test_a_hub_cannot_heap_up_questions(hub: Hub) -> None:
    for number in range(1, 5):
        hub.assign(f"c/t/{number}", "burn")
    refused = await hub.first("reject")
    assert refused["attempt"] == "c/t/4"
    assert refused["error"]["code"] == "task.rejected.overloaded"
    assert hub.types().count("input_required") == 3


async def test_a_question_that_nobody_could_read_is_not_asked(hub: Hub) -> None:
    hub.assign("c/t/1", "wipe", arguments={"disk": "x" * MAX_PROMPT})
    result = await hub.result("c/t/1")
    assert result["error"]["code"] == "agent.skill"
    assert "cannot ask" in result["error"]["message"]


async def test_what_the_policy_denies_is_refused(store: Store) -> None:
    handover = Handover(store)
    policy = Policy.model_validate({"skills": {"wipe": "deny"}})
    agent = Agent(SKILLS, handover, Trial(), capacity=2, roots=Roots([]), policy=policy)
    hub = Hub(agent)
    handover.opened(hub, resumed=False)
    hub.assign("c/t/1", "wipe", arguments={"disk": "x"})
    refused = await hub.first("reject")
    assert refused["error"]["code"] == "session.permission"
    assert "'wipe'" in refused["error"]["message"]
    assert "policy file" in refused["error"]["remedy"]
    assert agent.inventory() == ([], [])
    handover.close()


async def test_stopping_the_agent_says_so(hub: Hub) -> None:
    hub.assign("c/once/1", "forever", idempotent=False)
    hub.assign("c/any/1", "forever", idempotent=True)
    hub.assign("c/wait/1", "forever")
    hub.assign("c/ask/1", "burn")
    await hub.first("accept")
    await hub.first("input_required")
    hub.agent.leave()
    await hub.first("drain")
    hub.agent.stop_all()
    with anyio.fail_after(100):
        await hub.agent.idle()
    result = await hub.result("c/once/1")
    assert result["error"]["code"] == "task.failed.interrupted"
    refused = {body["attempt"] for type, body in hub.sent if type == "reject"}
    assert refused == {"c/wait/1", "c/ask/1"}, "nothing of them was done"
    assert hub.types().count("result") == 1, "the hub gives the other to another device"


async def test_an_agent_that_leaves_ends_what_runs_and_begins_nothing(hub: Hub) -> None:
    hub.assign("c/run/1", "ask")
    question = (await hub.first("input_required"))["question"]
    hub.agent.leave()
    hub.assign("c/new/1", "echo", arguments={"value": 1})
    refused = await hub.first("reject")
    assert refused["attempt"] == "c/new/1"
    assert refused["error"]["code"] == "task.rejected.leaving"
    hub.give(("answer", {"attempt": "c/run/1", "question": question["id"], "answer": "a"}))
    assert (await hub.result("c/run/1"))["output"] == "a"


@pytest.mark.parametrize("name", ["forever", "ask", "burn"])
async def test_a_deadline_ends_what_runs_and_what_waits_for_a_person(hub: Hub, name: str) -> None:
    hub.assign("c/t/1", name, deadline=HUB_TIME + 0.01)
    error = (await hub.result("c/t/1"))["error"]
    assert error["code"] == "task.timeout.deadline"


async def test_what_comes_after_its_deadline_is_not_begun(hub: Hub) -> None:
    hub.assign("c/t/1", "echo", arguments={"value": 1}, deadline=HUB_TIME - 1)
    assert (await hub.result("c/t/1"))["error"]["code"] == "task.timeout.deadline"
    hub.assign("c/t/2", "echo", arguments={"value": 1}, deadline=HUB_TIME + 60)
    assert (await hub.result("c/t/2"))["output"] == 1


async def test_without_the_hubs_clock_no_deadline_has_passed(store: Store) -> None:
    handover = Handover(store)
    agent = Agent(SKILLS, handover, Trial(), capacity=2, roots=Roots([]), policy=Policy())
    hub = Hub(agent)
    handover.opened(hub, resumed=False)
    hub.assign("c/t/1", "echo", arguments={"value": 1}, deadline=1.0)
    assert (await hub.result("c/t/1"))["output"] == 1
    handover.close()


async def test_a_person_is_asked_one_thing_at_a_time(hub: Hub) -> None:
    hub.assign("c/t/1", "ask_twice")
    first = (await hub.first("input_required"))["question"]
    await asyncio.sleep(0)
    assert hub.types().count("input_required") == 1
    hub.give(("answer", {"attempt": "c/t/1", "question": first["id"], "answer": "a"}))
    second = await hub.until(
        lambda type, body: type == "input_required" and body["question"] != first
    )
    hub.give(("answer", {"attempt": "c/t/1", "question": second["question"]["id"], "answer": "b"}))
    assert (await hub.result("c/t/1"))["output"] == ["a", "b"]
