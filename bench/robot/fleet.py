"""One policy server for many robots, over real sockets: in batches, and one question at a time.

The server is the real one, in a process of its own, and so are the questions and the answers. A
batch takes as long as one GPU took for it (`serving.GPU`): the thread of the policy sleeps so long.
"""

from __future__ import annotations

import math
import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection

import anyio
import numpy as np

from agents.robot.policies.local import local_policy
from agents.robot.policies.questions import BatchPolicy, Question
from agents.robot.policies.remote import RemotePolicy
from agents.robot.policies.server import Batcher, PolicyServer
from agents.robot.ports import Array, Observation
from agents.robot.sims.robot import simulated
from constellation.errors import PolicyUnavailable

from .serving import GPU, PERIOD_S, WITHIN_S, Served

_WORLD = "whack"
# All robots have connected, and an answer is there, by then, or the bench fails.
_PATIENCE_S = 60.0


class Costly:
    """A policy that takes as long as a large one on a GPU.

    Args:
        policy: has the answers.
    """

    def __init__(self, policy: BatchPolicy) -> None:
        self._policy = policy
        self.spec = policy.spec

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        """The next actions for several robots at once, (B, H, A)."""
        began = time.perf_counter()
        answers: Array = self._policy.infer_batch(questions)
        time.sleep(max(GPU(len(questions)) - (time.perf_counter() - began), 0.0))
        return answers


def fleet(robots: int, most: int, *, seconds: float) -> Served:
    """Robots that each ask a period after their last question, or anew once they give up.

    Who gives up, and what counts as missed, is as in `serving.served`. Giving up closes the
    connection, so that what is asked anew takes another one.

    Args:
        most: questions in one batch; 1 for one at a time.
        seconds: after all have connected and asked once.
    """
    with _server(most) as (address, sizes):
        begin = threading.Barrier(robots + 1)
        with ThreadPoolExecutor(robots) as threads:
            asking = [threads.submit(_ask, address, seed, begin, seconds) for seed in range(robots)]
            begin.wait(_PATIENCE_S)
            sizes.send("begin")
            took = np.concatenate([each.result() for each in asking])
        sizes.send("tell")
        batches = sizes.recv()
    in_time = took[took <= WITHIN_S]
    return Served(
        missed=1 - len(in_time) / len(took),
        per_second=len(in_time) / seconds,
        batch=float(np.mean(batches)),
        p95_s=float(np.quantile(in_time, 0.95)) if len(in_time) else math.inf,
    )


def _ask(address: str, seed: int, begin: threading.Barrier, seconds: float) -> list[float]:
    """One robot: what each of its questions took, in seconds; infinity if it gave up."""
    took: list[float] = []
    spec = local_policy(_WORLD).spec
    observation = simulated(_WORLD, seed).observe()
    delay = round(WITHIN_S * spec.rate_hz)
    # All connect at once here, which is not what is measured.
    patient = RemotePolicy(address, spec, timeout_s=_PATIENCE_S)
    _answered(patient, observation)
    patient.close()
    begin.wait(_PATIENCE_S)
    policy: RemotePolicy | None = None
    due = time.monotonic() + float(np.random.default_rng(seed).uniform(0, PERIOD_S))
    end = time.monotonic() + seconds
    while due < end:
        time.sleep(max(due - time.monotonic(), 0.0))
        asked = time.monotonic()
        try:
            policy = policy or RemotePolicy(address, spec, timeout_s=WITHIN_S)
            policy.infer(observation, observation.state, delay)
        except PolicyUnavailable:
            took.append(math.inf)
            due = time.monotonic()
        else:
            took.append(time.monotonic() - asked)
            due = max(due + PERIOD_S, time.monotonic())
    if policy is not None:
        policy.close()
    return took


def _answered(policy: RemotePolicy, observation: Observation) -> None:
    """Asks until there is an answer: a server with too much to do refuses what is out of date."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            policy.infer(observation, observation.state)
        except PolicyUnavailable:
            if time.monotonic() > end:
                raise
        else:
            return


@contextmanager
def _server(most: int) -> Iterator[tuple[str, Connection]]:
    """A policy server in a process of its own: its address, and a line to ask for its batches."""
    spawning = multiprocessing.get_context("spawn")
    here, there = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(most, there), daemon=True)
    process.start()
    try:
        yield f"ws://127.0.0.1:{here.recv()}", here
    finally:
        process.kill()
        process.join()


def _serve(most: int, line: Connection) -> None:
    anyio.run(_serving, most, line)


async def _serving(most: int, line: Connection) -> None:
    policy = local_policy(_WORLD)
    batcher = Batcher(Costly(policy), GPU, most)
    async with PolicyServer(batcher, policy.spec).listening("127.0.0.1", 0) as listening:
        line.send(next(iter(listening.sockets)).getsockname()[1])
        await anyio.to_thread.run_sync(line.recv)
        batcher.sizes = deque()
        await anyio.to_thread.run_sync(line.recv)
        line.send(list(batcher.sizes))
        await anyio.sleep_forever()
