"""LeRobot's service over real sockets: our robot and our server, and robots that do odd things."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import grpc
import numpy as np
import pytest
from typer.testing import CliRunner

from agents.robot.policies.batching import Costs
from agents.robot.policies.command import app
from agents.robot.policies.lerobot import transport
from agents.robot.policies.lerobot.messages import (
    IMAGES,
    STATE,
    Chunk,
    Seen,
    Wanted,
    chunk_bytes,
    chunk_of,
    seen_bytes,
    wanted_bytes,
)
from agents.robot.policies.lerobot.pickles import PickleLimits
from agents.robot.policies.lerobot.remote import LeRobotRemote
from agents.robot.policies.lerobot.server import LeRobotServer
from agents.robot.policies.questions import Question
from agents.robot.policies.server import Batcher
from agents.robot.ports import Array, Observation, PolicySpec, Semantics
from agents.robot.sources import from_file
from constellation.errors import ConfigError, LimitExceeded, PolicyUnavailable, RemoteProtocolError

pytestmark = pytest.mark.anyio

ARM = Path(__file__).parents[2] / "fixture_arm.py"
IMAGE = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)


class Echo:
    """Answers with the state it is shown, twice, and keeps what it was asked."""

    def __init__(self, semantics: Semantics = Semantics.ABSOLUTE) -> None:
        self.spec = PolicySpec("echo", 50.0, 2, 2, semantics)
        self.asked: list[Question] = []

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        self.asked += questions
        if any((each.state < 0).any() for each in questions):
            raise ValueError("a state below 0")
        return np.stack([np.stack((each.state, each.state)) for each in questions])


@asynccontextmanager
async def serving(
    policy: Echo, limits: PickleLimits | None = None, patience_s: float = 0.05
) -> AsyncIterator[str]:
    batcher = Batcher(policy, Costs({1: 0.001, 64: 0.002}))
    server = LeRobotServer(batcher, policy.spec, limits=limits, patience_s=patience_s)
    async with server.listening("127.0.0.1", 0) as port:
        yield f"127.0.0.1:{port}"
    batcher.close()


def remote_to(address: str, spec: PolicySpec, **more: Any) -> LeRobotRemote:
    return LeRobotRemote(address, spec, kind="act", path="someone/act", **more)


def at(*state: float, **values: Any) -> Observation:
    return Observation(0.0, np.float32(state), values, "go")


async def test_our_robot_is_served_and_nothing_gets_lost_on_the_way() -> None:
    policy = Echo()
    async with serving(policy) as address:
        remote = remote_to(address, policy.spec, joints=["a.pos", "b.pos"])
        large = np.zeros((1200, 1000, 3), np.uint8)
        for state in ((0.25, 0.5), (0.75, 1.0)):
            # The state asked for may be later than what is observed.
            seen = at(9, 9, front=IMAGE, large=large, mole=np.float32([1]))
            ask = partial(remote.infer, seen, np.float32(state))
            answer = await anyio.to_thread.run_sync(ask)
            assert answer.tolist() == [list(state)] * 2
        remote.close()
    last = policy.asked[-1]
    assert last.state.tolist() == [0.75, 1.0]
    assert last.observation.prompt == "go"
    assert set(last.observation.values) == {IMAGES + "front", IMAGES + "large"}
    assert (last.observation.values[IMAGES + "front"] == IMAGE).all()


@pytest.mark.parametrize(
    ("semantics", "wished"),
    [
        (Semantics.ABSOLUTE, [[5, 10], [5, 10]]),
        (Semantics.RELATIVE, [[10, 20], [15, 30]]),
        (Semantics.VELOCITY, [[5.1, 10.2], [5.2, 10.4]]),
    ],
)
async def test_lerobots_robots_are_told_positions(semantics: Semantics, wished: Any) -> None:
    policy = Echo(semantics)
    async with serving(policy) as address:
        remote = remote_to(address, policy.spec)
        answer = await anyio.to_thread.run_sync(remote.infer, at(5, 10), np.float32([5, 10]))
        np.testing.assert_allclose(answer, wished, rtol=1e-6)
        remote.close()


class Stock:
    """Calls the service as LeRobot's robot does, message by message."""

    def __init__(self, address: str) -> None:
        alone = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.insecure_channel(address, alone)
        names = ("Ready", "SendPolicyInstructions", "GetActions")
        empty, actions = transport.Empty, transport.Actions
        self.ready, self.want, self.act = (
            self._channel.unary_unary(
                f"/{transport.SERVICE}/{name}",
                lambda message: message.SerializeToString(),
                (actions if name == "GetActions" else empty).FromString,
            )
            for name in names
        )
        self._observe = self._channel.stream_unary(
            f"/{transport.SERVICE}/SendObservations",
            lambda message: message.SerializeToString(),
            empty.FromString,
        )

    async def greet(self, *joints: str) -> None:
        features = {STATE: {"dtype": "float32", "shape": (len(joints),), "names": list(joints)}}
        wanted = wanted_bytes(Wanted("act", "x", features, 1))
        await self.ready(transport.Empty())
        await self.want(transport.PolicySetup(data=wanted))

    async def observe(self, parts: Any) -> None:
        await self._observe(iter(parts))

    async def see(self, step: int, **more: Any) -> None:
        numbers = {"a": 1.0 + step, "b": 2.0}
        await self.observe(transport.parts(seen_bytes(Seen(0.0, step, numbers, {}, **more))))

    async def step(self) -> int | None:
        """The step of the chunk that it gets; None if it gets none."""
        answer = await self.act(transport.Empty())
        return chunk_of(answer.data).step if answer.data else None

    async def close(self) -> None:
        await self._channel.close()


async def test_only_the_newest_counts_and_each_step_once_unless_it_must_go() -> None:
    policy = Echo()
    async with serving(policy) as address:
        robot = Stock(address)
        await robot.greet("a", "b")
        assert await robot.step() is None
        for step in (1, 2, 3):
            await robot.see(step)
        assert await robot.step() == 3
        assert await robot.step() is None
        await robot.see(3)
        assert await robot.step() is None
        await robot.see(3, must_go=True)
        assert await robot.step() == 3
        await robot.close()
    assert len(policy.asked) == 2


async def test_robots_are_kept_apart() -> None:
    policy = Echo()
    async with serving(policy) as address:
        robots = [Stock(address) for _ in range(3)]
        for index, robot in enumerate(robots):
            await robot.greet(*("a", "b") if index else ("b", "a"))
            await robot.see(10 + index)
        assert [await robot.step() for robot in robots] == [10, 11, 12]
        assert policy.asked[0].state.tolist() == [2, 11]
        for robot in robots:
            await robot.close()


async def test_a_robot_whose_connection_was_cut_goes_on() -> None:
    """It does not say again what it wants: LeRobot's robots do not."""
    async with serving(Echo()) as address:
        robot = Stock(address)
        await robot.greet("a", "b")
        await robot.close()
        again = Stock(address)
        await again.see(5)
        assert await again.step() == 5
        await again.close()


async def test_what_is_wrong_is_told_and_the_next_is_served() -> None:
    limits = PickleLimits(message_bytes=3_000)
    async with serving(Echo(), limits) as address:
        robot = Stock(address)
        await robot.see(1)
        with pytest.raises(grpc.aio.AioRpcError, match="has not said what it observes"):
            await robot.step()
        await robot.greet("a", "b", "c")
        await robot.see(1)
        with pytest.raises(grpc.aio.AioRpcError, match="does not tell 'c'"):
            await robot.step()
        await robot.greet("a", "b")
        wrong: list[tuple[str, Any]] = [
            ("no pickle", transport.parts(b"cos\nsystem\n(S'true'\ntR.")),
            ("no known kind", [transport.Observation(transfer_state=9, data=b"x")]),
            ("last part", [transport.Observation(transfer_state=1, data=b"x")]),
            ("more than 3000 bytes", transport.parts(bytes(3_001))),
        ]
        for told, parts in wrong:
            with pytest.raises(grpc.aio.AioRpcError, match=told) as refused:
                await robot.observe(parts)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.aio.AioRpcError, match="no RemotePolicyConfig"):
            await robot.want(transport.PolicySetup(data=seen_bytes(Seen(0.0, 0, {}, {}))))
        await robot.see(-5)
        with pytest.raises(grpc.aio.AioRpcError, match="a state below 0") as failed:
            await robot.step()
        assert failed.value.code() is grpc.StatusCode.INTERNAL
        await robot.see(2)
        assert await robot.step() == 2
        await robot.close()


async def test_our_robot_is_told_what_is_wrong_and_begins_anew() -> None:
    policy = Echo()
    async with serving(policy) as address:
        remote = remote_to(address, policy.spec)
        ask = partial(anyio.to_thread.run_sync, remote.infer)
        with pytest.raises(PolicyUnavailable, match="a state below 0"):
            await ask(at(-1, 0), np.float32([-1, 0]))
        assert (await ask(at(1, 2), np.float32([1, 2]))).tolist() == [[1, 2]] * 2
        remote.close()
    lost = remote_to(address, policy.spec, timeout_s=0.2)
    with pytest.raises(PolicyUnavailable, match="No answer"):
        await anyio.to_thread.run_sync(lost.infer, at(1, 2), np.float32([1, 2]))
    lost.close()


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[str]:
    """A server that takes everything and gives one answer after the other, then empty ones."""
    left = list(answers)

    async def take(request: Any, context: Any) -> Any:
        return transport.Empty()

    async def gather(stream: Any, context: Any) -> Any:
        await transport.whole(stream, 10_000)
        return transport.Empty()

    async def act(request: Any, context: Any) -> Any:
        return transport.Actions(data=left.pop(0) if left else b"")

    def one(behaviour: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(
            behaviour, None, lambda message: message.SerializeToString()
        )

    server = grpc.aio.server()
    handlers = {
        "Ready": one(take),
        "SendPolicyInstructions": one(take),
        "GetActions": one(act),
        "SendObservations": grpc.stream_unary_rpc_method_handler(
            gather, transport.Observation.FromString, lambda message: message.SerializeToString()
        ),
    }
    handler = grpc.method_handlers_generic_handler(transport.SERVICE, handlers)
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def test_answers_to_other_questions_and_evil_ones_are_not_executed() -> None:
    ones = np.ones((2, 2), np.float32)
    stale, good = (chunk_bytes(Chunk(0.0, step, 0.02, ones * step)) for step in (99, 1))
    third = chunk_bytes(Chunk(0.0, 3, 0.02, ones))
    evil = b"cos\nsystem\n(S'true'\ntR."
    async with answering(b"", stale, good, evil, third) as address:
        remote = remote_to(address, Echo().spec, timeout_s=5)
        ask = partial(anyio.to_thread.run_sync, remote.infer, at(0, 0), np.float32([0, 0]))
        assert (await ask()).tolist() == [[1, 1]] * 2
        with pytest.raises(PolicyUnavailable, match="No answer"):
            await ask()
        assert (await ask()).tolist() == [[1, 1]] * 2
        remote.close()
        impatient = remote_to(address, Echo().spec, timeout_s=0.2)
        with pytest.raises(PolicyUnavailable):
            await anyio.to_thread.run_sync(impatient.infer, at(0, 0), np.float32([0, 0]))
        impatient.close()


async def test_parts_are_put_together_again() -> None:
    async def stream(parts: Any) -> AsyncIterator[Any]:
        for part in parts:
            yield part

    data = bytes(range(256)) * 20_000
    sent = list(transport.parts(data))
    assert [part.transfer_state for part in sent] == [1, 2, 3]
    assert await transport.whole(stream(sent), len(data)) == data
    # A beginning forgets what came before it.
    assert await transport.whole(stream([*sent[:2], *sent]), 2 * len(data)) == data
    with pytest.raises(LimitExceeded):
        await transport.whole(stream(sent), len(data) - 1)
    with pytest.raises(RemoteProtocolError):
        await transport.whole(stream(sent[:2]), len(data))


@pytest.mark.parametrize(
    "wrong", [["--api-key-file", "KEY"], ["--host", "0.0.0.0"], ["--host", "192.0.2.1"]]
)
def test_lerobots_robots_have_no_keys_so_nobody_else_may_reach_the_server(
    tmp_path: Path, wrong: list[str]
) -> None:
    (tmp_path / "key").write_text("s3cret")
    arguments = [str(tmp_path / "key") if each == "KEY" else each for each in wrong]
    line = ["--policy", str(ARM), "--protocol", "lerobot", *arguments]
    assert isinstance(CliRunner().invoke(app, line).exception, ConfigError)


def test_a_policy_is_served_from_the_command_line() -> None:
    line = [sys.executable, "-c", "from agents.robot.policies.command import app; app()"]
    line += ["--policy", str(ARM), "--protocol", "lerobot", "--port", "0"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("The policy 'swing' is at 127.0.0.1:")
        address = said.split(" at ")[1].split(",")[0]
        _, remote = from_file(ARM, f"lerobot://{address}?type=act&policy=x&actions=16")
        seen = at(0, 0)
        assert remote.infer(seen, seen.state).shape == (16, 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
