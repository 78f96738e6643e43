"""A device that lies, contradicts itself and talks of what it was never given, against a whole hub.

It speaks over a raw websocket. Whatever it says, an honest device beside it goes on with its work,
the hub logs no fault, nothing is applied twice, and a restart finds the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from test_hub import Bench, Device, bench, device_of
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as dial
from websockets.typing import Subprotocol

from constellation.aip.client import Link, connect
from constellation.aip.codec import MSGPACK
from constellation.aip.limits import Limits
from constellation.aip.messages import Message
from constellation.config import LocalHub
from constellation.orchestrator.service import INTAKE

pytestmark = pytest.mark.anyio


class Liar:
    """A device that says what the test wants.

    Attributes:
        attempt: what it was given.
        heard: everything that the hub said since.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.attempt = ""
        self.heard: list[Message] = []
        self._socket = socket
        self._number = 0

    async def say(self, type: str, **body: Any) -> None:
        self._number += 1
        await self._socket.send(MSGPACK.join(0, [MSGPACK.encode(type, self._number, body)]))

    async def hello(self, code: str, **more: Any) -> None:
        skill = {"name": "work", "effect": "read", "idempotent": True}
        card = {"name": "liar", "capacity": 2, "skills": [skill]}
        hello = {"version": [1], "role": "device", "name": "liar", "card": card, **more}
        hello["pair"] = {"code": code}
        await self._socket.send(MSGPACK.join(0, [MSGPACK.encode("hello", 0, hello)]))
        await self.until("welcome")

    async def until(self, type: str) -> Mapping[str, Any]:
        """Read up to a message of a type."""
        with anyio.fail_after(100):
            while True:
                _, messages = MSGPACK.decode(await self._socket.recv(), Limits())
                self.heard += messages
                for message in messages:
                    if message.type == type:
                        return message.body

    async def heard_out(self) -> None:
        """Wait until the hub has taken in all that was said."""
        with anyio.fail_after(100):
            while True:
                ack, messages = MSGPACK.decode(await self._socket.recv(), Limits())
                self.heard += messages
                if ack == self._number:
                    return


@asynccontextmanager
async def liar_of(it: Bench, **hello: Any) -> AsyncIterator[Liar]:
    offer = await it.client.request("pair", {"name": "liar"})
    async with dial(
        it.hub.url, subprotocols=[Subprotocol(MSGPACK.subprotocol)], compression=None, proxy=None
    ) as socket:
        liar = Liar(socket)
        await liar.hello(offer["code"], **hello)
        yield liar


@asynccontextmanager
async def stage(
    state: Path, caplog: pytest.LogCaptureFixture, **hello: Any
) -> AsyncIterator[tuple[Bench, Liar, str, Device]]:
    """A liar that was given task ``a`` of a constellation, an honest device that was given ``b``.

    At the end the honest one completes ``b``, and it must count.
    """
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
    async with (
        bench(state) as it,
        device_of(it.hub, it.client, "honest", answer=None) as honest,
        liar_of(it, **hello) as liar,
    ):
        name = await it.submit(
            {"id": "a", "requirement": {"device": "liar"}},
            {"id": "b", "requirement": {"device": "honest"}},
        )
        liar.attempt = (await liar.until("assign"))["attempt"]
        await honest.until(lambda: honest.assigned)
        yield it, liar, name, honest
        honest.result("b", output="truth")
        await it.until_finished(name, "b")
        assert (await it.nodes(name))["b"]["output"] == "truth"
    assert faults == []
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


# What is said of `theirs` (an attempt of the honest device), `mine` or nobody's attempt.
LIES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "a result of another's": [("result", {"attempt": "theirs", "state": "completed"})],
    "a refusal of another's": [("reject", {"attempt": "theirs", "error": {"code": "x"}})],
    "a question of another's": [
        (
            "input_required",
            {"attempt": "theirs", "question": {"id": "q", "kind": "text", "prompt": "?"}},
        )
    ],
    "progress of another's": [("progress", {"attempt": "theirs", "fraction": 0.5})],
    "output of another's": [("output", {"attempt": "theirs", "index": 0, "data": "lie"})],
    "another's is accepted": [("accept", {"attempts": ["theirs"]})],
    "results of nobody's": [
        ("result", {"attempt": attempt, "state": "completed", "output": "lie"})
        for attempt in (
            "",
            "a",
            "a/b",
            "//",
            "a/b/c/d",
            "no/such/1",
            "no/such/-1",
            "no/such/1.5",
            "no/such/99999999999999999999999999",
            "no/such/١",
            "x" * 100_000,
        )
    ],
    "output of nobody's": [("output", {"attempt": "no/such/1", "index": 0, "data": "lie"})],
    "a question of nobody's": [
        (
            "input_required",
            {"attempt": "no/such/1", "question": {"id": "q", "kind": "text", "prompt": "?"}},
        )
    ],
    "progress beyond all bounds": [
        ("progress", {"attempt": "mine", "fraction": fraction})
        for fraction in (-1, 7, 1e308, 2**63)
    ],
    "output in no order": [
        ("output", {"attempt": "mine", "index": index, "data": {"a": [index]}})
        for index in (5, 5, 0, 2**63)
    ],
    "one question after another": [
        (
            "input_required",
            {"attempt": "mine", "question": {"id": f"q{n}", "kind": "text", "prompt": "?"}},
        )
        for n in range(50)
    ],
    "another's card": [("card", {"card": {"name": "honest", "skills": []}})],
    "cards that are none": [
        ("card", {"card": card})
        for card in (
            {},
            {"name": "liar", "capacity": -1},
            {"name": "liar", "capacity": "2"},
            {"name": "liar", "capacity": 2**62},
            {"name": "liar", "skills": [{}]},
            {"name": "liar", "skills": "work"},
            {"name": "liar", "labels": {"a": 1}},
        )
    ],
    "things that it has": [("have", {"hashes": ["../../etc/passwd", "", "x" * 100_000] * 100})],
    "credits that come and go": [
        ("card", {"card": {"name": "liar", "capacity": capacity, "skills": [{"name": "work"}]}})
        for capacity in (0, 10_000, 0, 1)
    ],
    "leaving again and again": [("drain", {})] * 3,
}


@pytest.mark.parametrize("lies", LIES.values(), ids=LIES)
async def test_lies_change_nothing_for_others(tmp_path: Path, caplog, lies: Any) -> None:
    async with stage(tmp_path, caplog) as (it, liar, name, honest):
        await it.events(name)  # somebody watches all of it
        ids = {"theirs": honest.assigned["b"]["attempt"], "mine": liar.attempt}
        for type, body in lies:
            body = {**body}
            if "attempt" in body:
                body["attempt"] = ids.get(body["attempt"], body["attempt"])
            if "attempts" in body:
                body["attempts"] = [ids.get(each, each) for each in body["attempts"]]
            await liar.say(type, **body)
        await liar.heard_out()
        assert (await it.nodes(name))["b"]["state"] == "working"
        # The liar itself is still heard.
        await liar.say("result", attempt=liar.attempt, state="completed", output="mine")
        await it.until_finished(name, "a")
        assert (await it.nodes(name))["a"]["output"] == "mine"


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


OUTPUTS: dict[str, Any] = {
    "no number": float("nan"),
    "without end": [float("inf"), {"a": float("-inf")}],
    "the largest integers": [2**64 - 1, -(2**63)],
    "nothing": None,
    "empty keys": {"": {"": ""}},
    "the end of text": "\x00\u2028\ufffe\U0010ffff",
    "what looks like a reference": "${a.output}",
    "bytes": b"\xff\x00",
    "as many levels as may be": nested(INTAKE.max_depth),
}


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
async def test_strange_outputs_are_kept_and_found_again(
    tmp_path: Path, caplog, output: Any
) -> None:
    async with stage(tmp_path, caplog) as (it, liar, name, _):
        await it.events(name)
        await liar.say("result", attempt=liar.attempt, state="completed", output=output)
        await it.until_finished(name, "a")
        before = (await it.nodes(name))["a"]
        assert before["state"] == "completed"
    async with bench(tmp_path) as it:
        assert repr((await it.nodes(name))["a"].get("output")) == repr(before.get("output"))


ERRORS: dict[str, Any] = {
    "no message": {"code": "x"},
    "a message that is none": {"code": "x", "message": 5, "remedy": [], "details": "none"},
    "no code to speak of": {"code": "", "message": ""},
    "a code of ours": {"code": "journal", "message": "\x1b[31m\r\n"},
    "a long story": {"code": "x" * 10_000, "message": "y" * 1_000_000},
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
async def test_strange_errors_are_errors(tmp_path: Path, caplog, error: Any) -> None:
    async with stage(tmp_path, caplog) as (it, liar, name, _):
        await liar.say("result", attempt=liar.attempt, state="failed", error=error)
        await it.until_finished(name, "a")
        assert (await it.nodes(name))["a"]["state"] == "failed"


async def test_an_outcome_counts_once_and_nothing_comes_after_it(tmp_path: Path, caplog) -> None:
    async with stage(tmp_path, caplog) as (it, liar, name, _):
        say = {"attempt": liar.attempt}
        await liar.say("result", **say, state="completed", output=1)
        await it.until_finished(name, "a")
        await liar.say("result", **say, state="completed", output=2)
        await liar.say("result", **say, state="failed", error={"code": "x"})
        await liar.say("output", **say, index=0, data="late")
        await liar.say("progress", **say, fraction=0.1)
        await liar.say("accept", attempts=[liar.attempt])
        await liar.say("reject", **say, error={"code": "x"})
        question = {"id": "q", "kind": "text", "prompt": "?"}
        await liar.say("input_required", **say, question=question)
        await liar.heard_out()
        node = (await it.nodes(name))["a"]
        assert (node["state"], node["output"]) == ("completed", 1)


async def test_a_hello_may_name_what_nobody_gave(tmp_path: Path, caplog) -> None:
    strange = ["", "a", "no/such/1", "x" * 10_000, "no/such/-1"]
    async with stage(tmp_path, caplog, running=strange, held=strange) as (_, liar, _, _):
        canceled = [each.body["attempt"] for each in liar.heard if each.type == "cancel"]
        assert canceled == strange


async def test_the_hub_never_gives_more_than_the_card_says(tmp_path: Path, caplog) -> None:
    async with stage(tmp_path, caplog) as (it, liar, name, _):
        more = [{"id": f"m{n}", "requirement": {"device": "liar"}} for n in range(8)]
        other = await it.submit(*more)
        await liar.until("assign")
        skill = {"name": "work"}
        await liar.say("card", card={"name": "liar", "capacity": 1, "skills": [skill]})
        await liar.heard_out()
        await liar.say("result", attempt=liar.attempt, state="completed")
        await it.until_finished(name, "a")
        # Two ran, one may: the end of one makes no room.
        given = [each.body["attempt"] for each in liar.heard if each.type == "assign"]
        assert len(given) == 2
        assert [node["state"] for node in (await it.nodes(other)).values()].count("working") == 1


async def test_what_a_device_cannot_take_it_is_not_given_and_others_go_on(
    tmp_path: Path, caplog
) -> None:
    narrow = {"max_body": 1024, "max_depth": 3}
    large, deep = {"text": "x" * 2_000}, {"a": {"b": {"c": {"d": {}}}}}
    async with stage(tmp_path, caplog, limits=narrow) as (it, _, _, honest):
        own = {"requirement": {"device": "liar"}}
        other = await it.submit(
            {"id": "large", "arguments": large, **own},
            {"id": "deep", "arguments": deep, **own},
            {"id": "free", "arguments": large},
            {"id": "fits", "requirement": {"device": "honest"}},
        )
        await honest.until(lambda: {"free", "fits"} <= honest.assigned.keys())
        for task in ("large", "deep"):
            await it.until_finished(other, task)
        nodes = await it.nodes(other)
        assert [nodes[task]["state"] for task in ("large", "deep")] == ["rejected", "rejected"]
        assert "larger than the 1,024" in nodes["large"]["error"]["message"]
        assert "nests too deeply" in nodes["deep"]["error"]["message"]


async def test_outputs_that_nest_deeper_from_task_to_task_end_there(tmp_path: Path, caplog) -> None:
    deeper = {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": "${a.output}"}}}}}}}}}
    async with stage(tmp_path, caplog) as (it, liar, name, _):
        task = {"id": "c", "skill": "work", "arguments": deeper}
        edits = [{"op": "add_task", "task": task}]
        await it.client.request("edit", {"constellation": name, "edits": edits})
        deep = nested(INTAKE.max_depth)
        await liar.say("result", attempt=liar.attempt, state="completed", output=deep)
        await it.until_finished(name, "c")
        node = (await it.nodes(name))["c"]
        assert node["state"] == "rejected"
        assert "nests too deeply" in node["error"]["message"]


@asynccontextmanager
async def narrow_client(it: Bench, state: Path, limits: Limits, **told: Any) -> AsyncIterator[Link]:
    """A client with limits of its own, which watches everything."""
    local = LocalHub.find(state)
    assert local is not None
    async with connect(
        it.hub.url,
        role="client",
        name="narrow",
        credential=local.token.get_secret_value(),
        limits=limits,
        **told,
    ) as link:
        await link.ready()
        yield link


@pytest.mark.parametrize(
    "narrow", [Limits(max_body=1024), Limits(max_depth=2)], ids=["small", "flat"]
)
async def test_an_observer_is_told_of_what_it_cannot_take(
    tmp_path: Path, caplog, narrow: Limits
) -> None:
    async with (
        stage(tmp_path, caplog) as (it, liar, name, _),
        narrow_client(it, tmp_path, narrow) as link,
    ):
        answer = await link.request("subscribe", {"constellation": name})
        output = {"text": "x" * 2_000, "deep": {"a": {"b": {}}}}
        await liar.say("result", attempt=liar.attempt, state="completed", output=output)
        with anyio.fail_after(100):
            event = await anext(link.events(answer["subscription"]))
        assert event["kind"] == "omitted"
        assert event["body"]["kind"] == "finished"
        assert event["body"]["rest"]["task"] == "a"


async def test_an_observer_that_takes_next_to_nothing_loses_its_session_only(
    tmp_path: Path, caplog
) -> None:
    lost = anyio.Event()
    told = {"on_messages": lambda messages: None, "on_detached": lambda reason: lost.set()}
    async with (
        stage(tmp_path, caplog) as (it, liar, _, _),
        narrow_client(it, tmp_path, Limits(max_outstanding=1), **told) as link,
    ):
        link.send("request", {"id": "1", "verb": "subscribe", "params": {"after": 0}})
        await liar.say("result", attempt=liar.attempt, state="completed")
        with anyio.fail_after(100):
            await lost.wait()
