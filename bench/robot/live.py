"""What runs by the clock: robots with a policy behind real sockets, and how late the loop is."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial

import anyio
from anyio import to_thread

from agents.robot.agent import assemble
from agents.robot.events import Begin
from agents.robot.policies.local import local_policy
from agents.robot.policies.remote import RemotePolicy
from agents.robot.policies.server import Batcher, PolicyServer
from agents.robot.ports import Array, Observation, RobotSpec
from agents.robot.sims.robot import SimRobot, simulated
from constellation.testing.proxy import tcp_proxy

# One way to the policy server or back; lognormal.
ONE_WAY_S, JITTER = 0.08, 0.2
_WARM_UP_S = 1.0
_BURN = "while True: pass"


@dataclass(frozen=True, slots=True)
class Live:
    """One robot that played by the clock.

    Attributes:
        score: of its world.
        held: share of the control steps without an action of the policy.
    """

    score: float
    held: float


def over_sockets(world: str, strategy: str, robots: int, seconds: float) -> list[Live]:
    """Robots that play at once, with one policy server that is 160 ms away."""
    return anyio.run(_over_sockets, world, strategy, robots, seconds)


async def _over_sockets(world: str, strategy: str, robots: int, seconds: float) -> list[Live]:
    found: list[Live] = []

    async def one(address: str, seed: int) -> None:
        drive = partial(_drive, address, world, strategy, seed, seconds)
        found.append(await to_thread.run_sync(drive))

    async with _far_server(world) as address, anyio.create_task_group() as group:
        for seed in range(robots):
            group.start_soon(one, address, seed)
    return found


@asynccontextmanager
async def _far_server(world: str) -> AsyncIterator[str]:
    rng = random.Random(0)
    policy = local_policy(world)
    batcher = Batcher(policy)
    server = PolicyServer(batcher, policy.spec)
    async with server.listening("127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        one_way = partial(rng.lognormvariate, math.log(ONE_WAY_S), JITTER)
        async with tcp_proxy("127.0.0.1", port, delay=one_way) as proxy:
            yield f"ws://127.0.0.1:{proxy.port}"
    batcher.close()


def _drive(address: str, world: str, strategy: str, seed: int, seconds: float) -> Live:
    robot, policy = simulated(world, seed, endless=True), RemotePolicy(address)
    assembly = assemble(robot, policy, strategy)
    with assembly.loop:
        driven = anyio.run(assembly.pilot.drive, "play", seconds, lambda share, message: None)
    policy.close()
    return Live(driven.score or 0.0, driven.held / driven.steps)


class Fast:
    """A simulated robot that is told more often than its world goes on.

    Args:
        robot: at its world's rate.
        times: control steps to one of the world.
    """

    def __init__(self, robot: SimRobot, times: int) -> None:
        rate = robot.spec.rate_hz * times
        limits = replace(robot.spec.limits, rate_hz=rate)
        self.spec: RobotSpec = replace(robot.spec, rate_hz=rate, limits=limits)
        self._robot = robot
        self._times = times
        self._told = 0

    def observe(self) -> Observation:
        """What the robot senses."""
        return self._robot.observe()

    def act(self, action: Array) -> None:
        """One control step; the world takes every so many."""
        self._told += 1
        if self._told % self._times == 0:
            self._robot.act(action)


def lateness(rate_hz: float, seconds: float, *, busy: int) -> list[float]:
    """How late each control step was, in seconds.

    Args:
        busy: processes that compute all the while.
    """
    robot = simulated("whack", 0, endless=True)
    fast = Fast(robot, round(rate_hz / robot.spec.rate_hz))
    assembly = assemble(fast, local_policy("whack"), "aligned")
    with _burning(busy), assembly.loop:
        assembly.loop.post(Begin("play")).result()
        # The first steps wait for what is imported and compiled.
        time.sleep(_WARM_UP_S)
        assembly.loop.lateness.clear()
        time.sleep(seconds)
        return list(assembly.loop.lateness)


@contextmanager
def _burning(processes: int) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(processes):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", _BURN]))
            stack.callback(process.kill)
        yield
