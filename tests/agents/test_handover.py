"""Results on their way: remembered, sent, secured, forgotten; with a real memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from agents.handover import Handover
from agents.store import Store
from constellation.errors import AgentError, LimitExceeded, SessionLost

pytestmark = pytest.mark.anyio


class Wire:
    """A connection that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Mapping[str, Any]]] = []
        self.acknowledged = 0
        self.pending = 0
        self.is_full = False
        self.largest = 1000
        self.moved = asyncio.Event()

    def send(self, type: str, body: Mapping[str, Any]) -> int:
        if len(str(body)) > self.largest:
            raise LimitExceeded("The body is too large.")
        self.sent.append((type, body))
        self.moved.set()
        return len(self.sent)

    async def drained(self) -> None:
        while self.acknowledged < len(self.sent):
            self.moved.clear()
            await self.moved.wait()

    def secure(self) -> None:
        self.acknowledged = len(self.sent)
        self.moved.set()

    async def got(self, count: int) -> list[str]:
        """Wait for so many messages; return the attempts of the results among them."""
        with anyio.fail_after(100):
            while len(self.sent) < count:
                self.moved.clear()
                await self.moved.wait()
        return [body["attempt"] for type, body in self.sent if type == "result"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        yield opened


@pytest.fixture
async def wire() -> Wire:
    return Wire()


def done(attempt: str, output: Any = None) -> dict[str, Any]:
    return {"attempt": attempt, "state": "completed", "output": output}


def stored(store: Store) -> list[str]:
    return [body["attempt"] for body in store.results()]


async def test_a_result_that_must_not_be_lost_is_written_before_it_is_sent(
    store: Store, wire: Wire
) -> None:
    seen: list[list[str]] = []

    class Watched(Wire):
        def send(self, type: str, body: Mapping[str, Any]) -> int:
            seen.append(stored(store))
            return super().send(type, body)

    watched = Watched()
    handover = Handover(store)
    handover.opened(watched, resumed=False)
    handover.result(done("c/a/1"), repeatable=False)
    assert await watched.got(1) == ["c/a/1"]
    assert seen == [["c/a/1"]]
    handover.close()


async def test_a_result_that_may_be_lost_is_written_if_it_is_not_soon_secured(
    store: Store, wire: Wire
) -> None:
    handover = Handover(store)
    handover.opened(wire, resumed=False)
    handover.result(done("c/a/1"), repeatable=True)
    await wire.got(1)
    assert stored(store) == []
    handover.close()
    assert stored(store) == ["c/a/1"]


async def test_it_is_written_though_nobody_asks(tmp_path: Path, wire: Wire) -> None:
    written = asyncio.Event()

    class Watched(Store):
        def write(self, **changes: Any) -> None:
            super().write(**changes)
            written.set()

    with Watched(tmp_path) as store:
        handover = Handover(store)
        handover.opened(wire, resumed=False)
        handover.result(done("c/a/1"), repeatable=True)
        with anyio.fail_after(100):
            await written.wait()
        assert stored(store) == ["c/a/1"]
        handover.close()


async def test_a_secured_result_is_forgotten(store: Store, wire: Wire) -> None:
    handover = Handover(store)
    handover.opened(wire, resumed=False)
    for number, repeatable in enumerate((True, False)):
        handover.result(done(f"c/t/{number}"), repeatable=repeatable)
    await wire.got(2)
    assert set(handover.held) == {"c/t/0", "c/t/1"}
    wire.secure()
    with anyio.fail_after(100):
        await handover.handed_in()
    assert handover.held == {}
    handover.close()
    assert stored(store) == []


async def test_nothing_is_sent_while_there_is_no_connection(store: Store, wire: Wire) -> None:
    handover = Handover(store)
    handover.result(done("c/a/1"), repeatable=True)
    handover.opened(wire, resumed=False)
    await wire.got(1)
    handover.detached()
    handover.result(done("c/b/1"), repeatable=True)
    handover.flush_soon()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(wire.sent) == 1
    handover.opened(wire, resumed=True)
    assert await wire.got(2) == ["c/a/1", "c/b/1"], "and what was on its way is not sent again"
    handover.close()


async def test_on_a_fresh_session_every_held_result_is_sent_again(store: Store) -> None:
    first, second = Wire(), Wire()
    handover = Handover(store)
    handover.opened(first, resumed=False)
    for attempt in ("c/a/1", "c/b/1"):
        handover.result(done(attempt), repeatable=False)
    await first.got(2)
    first.acknowledged = 1
    handover.detached()
    handover.opened(second, resumed=False)
    assert await second.got(1) == ["c/b/1"]
    handover.close()


async def test_what_an_earlier_process_left_is_handed_in(store: Store, wire: Wire) -> None:
    store.write(begun=["c/a/1", "c/b/1"])
    earlier = Handover(store)
    earlier.result(done("c/b/1", 7), repeatable=False)
    earlier.close()
    handover = Handover(store)
    assert sorted(handover.held) == ["c/a/1", "c/b/1"]
    handover.opened(wire, resumed=False)
    await wire.got(2)
    results = {body["attempt"]: body for _, body in wire.sent}
    assert results["c/b/1"]["output"] == 7
    assert results["c/a/1"]["state"] == "failed"
    assert results["c/a/1"]["error"]["code"] == "task.failed.interrupted"
    assert "restarted while it ran" in results["c/a/1"]["error"]["message"]
    assert store.begun() == []
    handover.close()


async def test_a_result_that_is_too_large_fails_with_a_reason(store: Store, wire: Wire) -> None:
    handover = Handover(store)
    handover.opened(wire, resumed=False)
    handover.result(done("c/a/1", "x" * 2000), repeatable=False)
    handover.result(done("c/b/1", 2**70), repeatable=True)
    handover.outgoing.output("c/c/1", "stdout", "x" * 2000)
    await wire.got(2)
    for _, body in wire.sent:
        assert body["state"] == "failed"
        assert "cannot be sent" in body["error"]["message"]
        assert "artifact" in body["error"]["remedy"]
    assert {body["attempt"]: body["state"] for body in store.results()}["c/a/1"] == "failed"
    handover.close()


async def test_names_that_are_not_utf_8_cost_no_result(store: Store, wire: Wire) -> None:
    handover = Handover(store)
    handover.opened(wire, resumed=False)
    handover.result(done("c/a/1", {"names": ["caf\udce9", "tea"]}), repeatable=False)
    await wire.got(1)
    assert wire.sent[0][1]["output"] == {"names": ["caf?", "tea"]}
    assert store.results()[0] == wire.sent[0][1]
    handover.close()


async def test_a_full_connection_is_waited_for(store: Store, wire: Wire) -> None:
    handover = Handover(store)
    wire.is_full = True
    handover.opened(wire, resumed=False)
    handover.result(done("c/a/1"), repeatable=True)
    for _ in range(5):
        await asyncio.sleep(0)
    assert wire.sent == []
    wire.is_full = False
    assert await wire.got(1) == ["c/a/1"]
    handover.close()


async def test_handing_in_survives_a_lost_session(store: Store) -> None:
    class Lost(Wire):
        async def drained(self) -> None:
            handover.detached()
            raise SessionLost("gone")

    handover = Handover(store)
    handover.opened(Lost(), resumed=False)
    handover.result(done("c/a/1"), repeatable=True)
    waiting = asyncio.create_task(handover.handed_in())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    again = Wire()
    handover.opened(again, resumed=False)
    await again.got(1)
    again.secure()
    with anyio.fail_after(100):
        await waiting
    handover.close()


async def test_a_memory_that_cannot_be_written_is_the_end(tmp_path: Path) -> None:
    store = Store(tmp_path)
    handover = Handover(store)
    store.close()
    assert not handover.begun(["c/a/1"])
    with pytest.raises(AgentError, match="cannot be written"):
        await handover.watch()
