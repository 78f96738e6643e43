"""A policy server and its clients, over real sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import anyio
import anyio.lowlevel
import anyio.to_thread
import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.server import ServerConnection, serve

from agents.robot.policies.batching import Costs
from agents.robot.policies.local import local_policy
from agents.robot.policies.questions import BatchPolicy, Question
from agents.robot.policies.remote import RemotePolicy
from agents.robot.policies.server import SIZES, Batcher, PolicyServer
from agents.robot.policies.wire import WireLimits, packed, unpacked
from agents.robot.ports import Array, Observation, PolicySpec, Semantics
from agents.robot.sims.robot import simulated
from constellation.errors import PolicyUnavailable

pytestmark = pytest.mark.anyio

CHEAP = Costs({1: 0.001, 64: 0.002})


class Gated:
    """Answers each state with itself, once it is let."""

    spec = PolicySpec("gated", 50.0, 1, 2, Semantics.ABSOLUTE)

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.sizes: list[int] = []

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        self.begun.set()
        self.sizes.append(len(questions))
        assert self.gate.wait(10)
        states = [each.state for each in questions]
        if any((state < 0).any() for state in states):
            raise ValueError("a state below 0")
        return np.stack(states)[:, None]


@asynccontextmanager
async def serving(
    policy: BatchPolicy,
    *,
    costs: Costs | None = None,
    api_key: str | None = None,
    limits: WireLimits | None = None,
) -> AsyncIterator[tuple[str, Batcher]]:
    batcher = Batcher(policy, costs)
    server = PolicyServer(batcher, policy.spec, api_key=api_key, limits=limits)
    async with server.listening("127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}", batcher
    batcher.close()


def at(*state: float) -> Observation:
    return Observation(0.0, np.float32(state), {})


async def test_a_robot_gets_from_afar_what_it_would_get_at_home() -> None:
    policy = local_policy("track")
    seen = simulated("track", seed=0).observe()
    async with serving(policy) as (url, _):
        remote = await anyio.to_thread.run_sync(RemotePolicy, url)
        assert remote.spec == policy.spec
        for delay in (0, 5):
            asked = partial(remote.infer, seen, seen.state, delay=delay)
            there = await anyio.to_thread.run_sync(asked)
            np.testing.assert_allclose(
                there, policy.infer(seen, seen.state, delay=delay), rtol=1e-4, atol=1e-5
            )
        remote.close()


class Dear:
    """Answers at once; knows how many it was asked at once."""

    spec = Gated.spec

    def __init__(self, seconds: float) -> None:
        self.asked: list[int] = []
        self._seconds = seconds

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        self.asked.append(len(questions))
        threading.Event().wait(self._seconds)
        return np.stack([each.state for each in questions])[:, None]


@pytest.mark.parametrize(("seconds", "largest"), [(0.0, 64), (0.8, 1)])
async def test_batches_are_measured_before_the_first_answer_but_not_for_long(
    seconds: float, largest: int
) -> None:
    policy = Dear(seconds)
    async with serving(policy) as (_, batcher):
        answer = await batcher.ask(Question(at(1, 2), np.float32([1, 2])), 10.0)
    assert answer.tolist() == [[1, 2]]
    assert max(policy.asked) == largest
    assert policy.asked[-1] == 1


async def test_questions_that_come_meanwhile_are_answered_together_and_not_mixed_up() -> None:
    policy = Gated()
    async with serving(policy, costs=CHEAP) as (_, batcher):
        async with asyncio.TaskGroup() as group:
            first = group.create_task(batcher.ask(Question(at(0, 0), np.float32([0, 0])), 10.0))
            await anyio.to_thread.run_sync(policy.begun.wait)
            others = [
                group.create_task(batcher.ask(Question(at(n, n), np.float32([n, -0.0])), 10.0))
                for n in range(1, 8)
            ]
            await anyio.lowlevel.checkpoint()
            policy.gate.set()
        assert first.result().tolist() == [[0, 0]]
        assert [each.result()[0, 0] for each in others] == list(range(1, 8))
        assert list(batcher.sizes) == [1, 7]


async def test_a_question_that_waits_is_refused_once_its_actions_would_be_over() -> None:
    policy = Gated()
    async with serving(policy, costs=CHEAP) as (url, batcher), asyncio.TaskGroup() as group:
        # What is worked on already is answered, though it takes long.
        first = group.create_task(batcher.ask(Question(at(0, 0), np.float32([0, 0])), 0.0, 0.0))
        await anyio.to_thread.run_sync(policy.begun.wait)

        remote = await anyio.to_thread.run_sync(RemotePolicy, url)
        ask = partial(remote.infer, at(1, 2), np.float32([1, 2]), delay=1)
        with pytest.raises(PolicyUnavailable, match="refused: 1 questions wait, and this one is"):
            await anyio.to_thread.run_sync(ask)
        assert batcher.waiting == 0

        # The conversation goes on where it was.
        opened = remote._connection
        policy.gate.set()
        assert (await first).tolist() == [[0, 0]]
        patient = partial(remote.infer, at(3, 4), np.float32([3, 4]), delay=500)
        assert (await anyio.to_thread.run_sync(patient)).tolist() == [[3, 4]]
        assert remote._connection is opened
        remote.close()


async def test_a_client_that_could_not_understand_a_refusal_waits() -> None:
    policy = Gated()
    async with (
        serving(policy, costs=CHEAP) as (url, batcher),
        connect(url) as first,
        connect(url) as stock,
    ):
        asked = {"observation/state": np.float32([1, 2]), "constellation/within_s": 0.0}
        for client in (first, stock):
            await client.recv()
            await client.send(packed(asked))
            await anyio.to_thread.run_sync(policy.begun.wait)
        with anyio.fail_after(10):
            while batcher.waiting != 1:
                await anyio.lowlevel.checkpoint()
        policy.gate.set()
        for client in (first, stock):
            answer = unpacked(bytes(await client.recv()), WireLimits())
            assert answer["actions"].tolist() == [[1, 2]]


async def test_costs_are_measured_once_though_those_who_asked_first_have_gone() -> None:
    policy = Gated()
    async with serving(policy) as (_, batcher):
        asking = [
            asyncio.create_task(batcher.ask(Question(at(n, n), np.float32([n, n])), 10.0))
            for n in range(3)
        ]
        await anyio.to_thread.run_sync(policy.begun.wait)
        asking[0].cancel()
        policy.gate.set()
        assert [(await each).tolist() for each in asking[1:]] == [[[1, 1]], [[2, 2]]]
    assert sum(policy.sizes) == 3 * sum(SIZES) + 2


async def test_a_question_whose_client_is_gone_is_not_worked_on() -> None:
    policy = Gated()
    async with serving(policy, costs=CHEAP) as (url, batcher):

        def asked(state: float) -> dict[str, object]:
            return {"observation/state": np.float32([state, 0.0])}

        async with connect(url) as first, connect(url) as last:
            for client in (first, last):
                await client.recv()
            await first.send(packed(asked(1.0)))
            await anyio.to_thread.run_sync(policy.begun.wait, 10)
            # While the first is worked on, another one asks, gives up and goes.
            async with connect(url) as hasty:
                await hasty.recv()
                await hasty.send(packed(asked(2.0)))
                with anyio.fail_after(10):
                    while batcher.waiting != 1:
                        await anyio.lowlevel.checkpoint()
            with anyio.fail_after(10):
                while batcher.waiting:
                    await anyio.lowlevel.checkpoint()
            await last.send(packed(asked(3.0)))
            policy.gate.set()
            replies = [unpacked(await client.recv(), WireLimits()) for client in (first, last)]

    assert [reply["actions"].tolist() for reply in replies] == [[[1.0, 0.0]], [[3.0, 0.0]]]
    assert list(batcher.sizes) == [1, 1]


async def test_a_question_without_an_answer_does_not_spoil_others() -> None:
    policy = Gated()
    async with serving(policy, costs=CHEAP) as (_, batcher):
        asked = [
            asyncio.create_task(batcher.ask(Question(at(n), np.float32([n])), 10.0))
            for n in (0, 1, -1, 2)
        ]
        policy.gate.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(answers[2], PolicyUnavailable)
        assert "a state below 0" in str(answers[2])
        assert [each[0, 0] for each in answers if isinstance(each, np.ndarray)] == [0, 1, 2]


class Broken:
    """Fails in its own way at a state below 0, and answers others with themselves."""

    spec = Gated.spec

    def __init__(self, fail: Callable[[], Array]) -> None:
        self._fail = fail

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        states = np.stack([each.state for each in questions])
        return self._fail() if (states < 0).any() else states[:, None]


def lost() -> Array:
    raise PolicyUnavailable("It asks another server, which is away.")


def mistaken() -> Array:
    raise AttributeError("no attribute 'weights'")


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        (lost, "asks another server, which is away"),
        (mistaken, "AttributeError: no attribute 'weights'"),
        (lambda: np.zeros((2, 1, 2), np.float32), "2 answers to one question"),
        (lambda: np.zeros((0, 1, 2), np.float32), "0 answers to one question"),
    ],
)
async def test_however_a_policy_fails_the_others_are_answered(
    fail: Callable[[], Array], reason: str
) -> None:
    batcher = Batcher(Broken(fail), CHEAP)
    failed: list[str] = []

    async def ask(value: float) -> None:
        seen = at(value, value)
        try:
            answer = await batcher.ask(Question(seen, seen.state), 10.0)
        except PolicyUnavailable as error:
            failed.append(str(error))
        else:
            assert answer.tolist() == [[value, value]]

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for value in (1.0, -1.0, 2.0):
                tasks.start_soon(ask, value)
    batcher.close()
    assert len(failed) == 1
    assert reason in failed[0]


async def test_an_error_is_told_in_words_before_the_end() -> None:
    policy = Gated()
    policy.gate.set()
    async with serving(policy) as (url, _), connect(url, compression=None) as client:
        await client.recv()
        await client.send(packed({"observation/state": np.float32([-1, 0])}))
        assert "a state below 0" in str(await client.recv())
        with pytest.raises(ConnectionClosedError) as ended:
            await client.recv()
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1011


async def test_what_is_no_question_ends_the_connection_not_the_server() -> None:
    policy = Gated()
    policy.gate.set()
    async with serving(policy) as (url, _):
        for nonsense in ("text", b"\xc1", packed({"prompt": "no state"})):
            async with connect(url, compression=None) as client:
                await client.recv()
                await client.send(nonsense)
                assert isinstance(await client.recv(), str)
        remote = await anyio.to_thread.run_sync(RemotePolicy, url)
        answer = await anyio.to_thread.run_sync(remote.infer, at(1, 2), np.float32([1, 2]))
        assert answer.tolist() == [[1, 2]]
        remote.close()


async def test_times_are_told_as_openpi_does() -> None:
    policy = Gated()
    policy.gate.set()
    async with serving(policy) as (url, _), connect(url, compression=None) as client:
        greeting = await client.recv(decode=False)
        assert unpacked(greeting)["constellation/policy"]["name"] == "gated"
        replies = []
        for _ in range(2):
            await client.send(packed({"observation/state": np.float32([1, 2])}))
            replies.append(unpacked(await client.recv(decode=False)))
    assert replies[0]["actions"].shape == (1, 2)
    assert set(replies[0]["server_timing"]) == {"infer_ms"}
    assert set(replies[1]["server_timing"]) == {"infer_ms", "prev_total_ms"}
    assert "constellation/request" not in replies[0]


async def test_health_needs_no_key_and_a_policy_does() -> None:
    policy = local_policy("whack")
    async with serving(policy, api_key="s3cret") as (url, _):
        host, port = url.removeprefix("ws://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.read()).endswith(b"OK\n")
        writer.close()
        await writer.wait_closed()
        with pytest.raises(InvalidStatus, match="401"):
            await connect(url)
        with pytest.raises(PolicyUnavailable, match="401"):
            await anyio.to_thread.run_sync(RemotePolicy, url)
        admitted = await anyio.to_thread.run_sync(partial(RemotePolicy, url, api_key="s3cret"))
        assert admitted.spec.name == "whack-delay"
        admitted.close()


async def test_a_message_that_is_too_large_is_not_taken() -> None:
    policy = Gated()
    small = WireLimits(message_bytes=1_000)
    async with serving(policy, limits=small) as (url, _), connect(url, compression=None) as client:
        await client.recv()
        await client.send(packed({"observation/state": np.zeros(1_000, np.float32)}))
        with pytest.raises(ConnectionClosedError):
            await client.recv()


@contextmanager
def stock_server(*answers: bytes | str | None) -> Iterator[str]:
    """Greets with nothing; answers in turn, and ends the connection instead of None."""
    left = list(answers)

    def talk(connection: ServerConnection) -> None:
        connection.send(packed({}))
        for _ in connection:
            answer = left.pop(0)
            if answer is None:
                return
            connection.send(answer)

    with serve(talk, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_stock_server_is_driven_if_somebody_says_what_its_policy_is_like() -> None:
    actions = packed({"actions": np.ones((1, 2))})
    with stock_server(actions) as url:
        with pytest.raises(PolicyUnavailable, match="does not say"):
            RemotePolicy(url)
        remote = RemotePolicy(url, Gated.spec)
        assert remote.infer(at(0, 0), np.float32([0, 0])).tolist() == [[1, 1]]
        remote.close()


def test_a_connection_that_ended_is_opened_again() -> None:
    actions = packed({"actions": np.ones((1, 2))})
    stale = packed({"actions": np.ones((1, 2)), "constellation/request": 99})
    with stock_server("Traceback: out of memory", None, stale, actions) as url:
        remote = RemotePolicy(url, Gated.spec)
        for reason in ("out of memory", "No answer", "another question"):
            with pytest.raises(PolicyUnavailable, match=reason):
                remote.infer(at(0, 0), np.float32([0, 0]))
        assert remote.infer(at(0, 0), np.float32([0, 0])).tolist() == [[1, 1]]
        remote.close()


def test_a_server_that_is_not_there_is_told() -> None:
    with stock_server() as url:
        pass
    with pytest.raises(PolicyUnavailable, match="cannot be reached"):
        RemotePolicy(url, Gated.spec)
