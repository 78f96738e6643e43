"""A policy for LeRobot's robots: their gRPC service, in front of the same batcher as openpi's.

A stock robot tells which policy it wants, streams observations while its queue runs low, and polls
for chunks. Here each robot has a place of its own, so that several may be served; the policy is the
one that the server was started with, whatever is named, since nothing is loaded because a stranger
asks for it. Of what is observed only the newest counts, and nothing is left out for being similar.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np

from constellation.errors import ConstellationError, PolicyUnavailable

from ...blending import wishes
from ...ports import Observation, PolicySpec
from ..questions import Question
from ..server import USUAL_S, Batcher
from . import transport
from .messages import IMAGES, Chunk, Seen, Wanted, chunk_bytes, seen_of, wanted_of
from .pickles import PickleLimits

log = logging.getLogger("constellation.robot")

# As long as LeRobot's server lets a robot wait for actions.
_PATIENCE_S = 2.0
_MOST_ROBOTS = 256


@dataclass(slots=True)
class _Robot:
    """One connection.

    Attributes:
        wanted: what it said of itself.
        seen: its newest observation that has not been answered.
        answered: the step of the last one that was.
        news: set when there is something to answer.
    """

    wanted: Wanted | None = None
    seen: Seen | None = None
    answered: int | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)


class LeRobotServer:
    """Speaks with robots.

    Args:
        batcher: has the policy.
        spec: of the policy. LeRobot's robots take positions: velocities and distances are summed up
            from the state, whose first entries must then be the joints.
        limits: of messages.
        patience_s: after which a robot that has told nothing new gets an empty answer.

    Attributes:
        name: of the policy.
    """

    def __init__(
        self,
        batcher: Batcher,
        spec: PolicySpec,
        *,
        limits: PickleLimits | None = None,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self.name = spec.name
        self._batcher = batcher
        self._spec = spec
        self._limits = limits or PickleLimits()
        self._patience_s = patience_s
        self._robots: OrderedDict[str, _Robot] = OrderedDict()
        self._wanted: OrderedDict[str, Wanted] = OrderedDict()

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[int]:
        """Listens while the context is open; the value is its port.

        Raises:
            OSError: the address cannot be had.
        """
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((self._handlers(),))
        try:
            bound = server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise OSError(str(error)) from error
        await server.start()
        try:
            yield bound
        finally:
            await server.stop(grace=None)

    def _handlers(self) -> Any:
        def one(behaviour: Callable[[Any, Any], Awaitable[Any]], request: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(
                _guarded(behaviour), request.FromString, _serialised
            )

        return grpc.method_handlers_generic_handler(
            transport.SERVICE,
            {
                "Ready": one(self._ready, transport.Empty),
                "SendPolicyInstructions": one(self._want, transport.PolicySetup),
                "GetActions": one(self._act, transport.Empty),
                "SendObservations": grpc.stream_unary_rpc_method_handler(
                    _guarded(self._observe), transport.Observation.FromString, _serialised
                ),
            },
        )

    # ── what robots call ────────────────────────────────────────────────────────────────────────

    async def _ready(self, request: Any, context: Any) -> Any:
        self._robots.pop(context.peer(), None)
        self._robot(context)
        return transport.Empty()

    async def _want(self, request: Any, context: Any) -> Any:
        wanted = wanted_of(request.data, self._limits)
        _ = wanted.joints
        self._robot(context).wanted = wanted
        _remember(self._wanted, _host(context), wanted)
        log.info(
            "A LeRobot robot asks for %s %r; it is served %s.",
            wanted.kind[:50],
            wanted.path[:200],
            self.name,
        )
        return transport.Empty()

    async def _observe(self, stream: AsyncIterator[Any], context: Any) -> Any:
        data = await transport.whole(stream, self._limits.message_bytes)
        seen = await asyncio.to_thread(seen_of, data, self._limits)
        robot = self._robot(context)
        if seen.must_go or seen.step != robot.answered:
            robot.seen = seen
            robot.news.set()
        return transport.Empty()

    async def _act(self, request: Any, context: Any) -> Any:
        robot = self._robot(context)
        try:
            async with asyncio.timeout(self._patience_s):
                await robot.news.wait()
        except TimeoutError:
            return transport.Actions()
        robot.news.clear()
        seen, robot.seen = robot.seen, None
        if seen is None or robot.wanted is None:
            raise PolicyUnavailable("The robot has not said what it observes.")
        robot.answered = seen.step
        question = question_of(seen, robot.wanted)
        actions = await self._batcher.ask(question, USUAL_S)
        start = question.state[: self._spec.action_dim].astype(np.float64)
        positions = wishes(actions, self._spec.semantics, start, self._spec.rate_hz)
        chunk = Chunk(
            seen.time,
            seen.step,
            1 / self._spec.rate_hz,
            positions[: robot.wanted.actions].astype(np.float32),
        )
        return transport.Actions(data=chunk_bytes(chunk))

    # ── parts ───────────────────────────────────────────────────────────────────────────────────

    def _robot(self, context: Any) -> _Robot:
        """The place of a connection. One that was cut is taken up where its host left off: a stock
        robot does not say again what it wants."""
        peer = context.peer()
        robot = self._robots.get(peer) or _Robot(self._wanted.get(_host(context)))
        _remember(self._robots, peer, robot)
        return robot


def question_of(seen: Seen, wanted: Wanted) -> Question:
    """What a robot asks by what it observes.

    Raises:
        PolicyUnavailable: a number or an image that it spoke of is missing.
    """
    cameras = [name for name in wanted.features if name.startswith(IMAGES)]
    try:
        state = np.array([seen.numbers[name] for name in wanted.joints], np.float32)
        values = {name: seen.arrays[name.removeprefix(IMAGES)] for name in cameras}
    except KeyError as error:
        raise PolicyUnavailable(f"The robot does not tell {error}.") from error
    return Question(Observation(seen.time, state, values, seen.task), state)


def _remember(known: OrderedDict[str, Any], key: str, value: Any) -> None:
    """Puts an entry in front; whoever was not heard of for longest is forgotten."""
    known[key] = value
    known.move_to_end(key)
    if len(known) > _MOST_ROBOTS:
        known.popitem(last=False)


def _host(context: Any) -> str:
    host: str = context.peer().rpartition(":")[0]
    return host


def _serialised(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _guarded(behaviour: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Any]:
    """Tells a robot what is wrong with its message, or with the policy."""

    async def answer(request: Any, context: Any) -> Any:
        try:
            return await behaviour(request, context)
        except ConstellationError as error:
            log.warning("A LeRobot robot is refused: %s", error)
            failed = isinstance(error, PolicyUnavailable)
            code = grpc.StatusCode.INTERNAL if failed else grpc.StatusCode.INVALID_ARGUMENT
            await context.abort(code, str(error))

    return answer
