"""A policy server for many robots at once; any openpi client may ask it.

The event loop only moves messages. The policy runs on one thread, in batches that `batching` picks.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from constellation.aip.endpoint import Guard
from constellation.errors import PolicyUnavailable, ProtocolError

from ..inference import in_words
from ..ports import Array, PolicySpec
from .batching import Costs, Queue, Waiting
from .messages import ACTIONS, REFUSED, REQUEST, question_of, spec_message, within_of
from .questions import BatchPolicy, Question
from .wire import WireLimits, packed, unpacked

log = logging.getLogger("constellation.robot")

# Clients that do not say when they need an answer are patient.
USUAL_S = 1.0
MOST = 64
SIZES = (1, 2, 4, 8, 16, 32, 64)
# Whoever asks first waits for the measuring, so it ends early where batches are dear.
_MEASURING_S = 2.0
_REMEMBERED = 1_000


class OverdueError(PolicyUnavailable):
    """The answer would be of no use any more."""

    code = "agent.policy.overdue"


class Batcher:
    """Brings the questions of all connections to the policy, together.

    Args:
        policy: touched by one thread alone.
        costs: of batches; None to measure them with the first question that comes.
        most: questions in one batch.

    Attributes:
        sizes: of the last batches.
    """

    def __init__(self, policy: BatchPolicy, costs: Costs | None = None, most: int = MOST) -> None:
        self._policy = policy
        self._most = most
        self._queue = None if costs is None else Queue(costs, most)
        self._asked: dict[int, tuple[Question, asyncio.Future[Array]]] = {}
        self._count = 0
        self._work: asyncio.Task[None] | None = None
        self._measuring: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="policy")
        self.sizes: deque[int] = deque(maxlen=_REMEMBERED)

    async def ask(
        self, question: Question, within_s: float, useful_s: float | None = None
    ) -> Array:
        """The answer to one question, (H, A).

        Args:
            within_s: by when it is wanted.
            useful_s: after which it is of no use at all, so that a question that still waits is
                not worked on; None if that is not known.

        Raises:
            OverdueError: it would be of no use any more.
            PolicyUnavailable: the policy has none.
        """
        loop = asyncio.get_running_loop()
        queue = self._queue or await self._measured_queue(question)
        self._count += 1
        number, answer = self._count, loop.create_future()
        self._asked[number] = (question, answer)
        queue.add(Waiting(number, loop.time() + within_s))
        if self._work is None or self._work.done():
            self._work = loop.create_task(self._run(queue))
        try:
            await asyncio.wait([answer], timeout=useful_s)
            if number in queue:
                raise OverdueError(f"{len(queue)} questions wait, and this one is out of date")
            actions: Array = await answer
            return actions
        finally:
            self._asked.pop(number, None)
            queue.drop(number)

    @property
    def waiting(self) -> int:
        """Questions that are not in a batch yet."""
        return 0 if self._queue is None else len(self._queue)

    def close(self) -> None:
        """No more questions."""
        for task in (self._work, self._measuring):
            if task is not None:
                task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _measured_queue(self, question: Question) -> Queue:
        """The queue, once it is known what batches cost: measured once, whoever goes meanwhile."""
        while self._queue is None:
            if self._measuring is None or self._measuring.done():
                self._measuring = asyncio.create_task(self._measure(question))
            await asyncio.shield(self._measuring)
        return self._queue

    async def _measure(self, question: Question) -> None:
        loop = asyncio.get_running_loop()
        costs = await loop.run_in_executor(self._thread, self._measured, question)
        self._queue = Queue(costs, self._most)

    async def _run(self, queue: Queue) -> None:
        loop = asyncio.get_running_loop()
        while batch := queue.take(loop.time()):
            asked = [self._asked[number] for number in batch]
            self.sizes.append(len(batch))
            questions = [question for question, _ in asked]
            answers = await loop.run_in_executor(self._thread, self._answers, questions)
            for (_, waiting), answer in zip(asked, answers, strict=True):
                if waiting.done():
                    continue
                if isinstance(answer, PolicyUnavailable):
                    waiting.set_exception(answer)
                else:
                    waiting.set_result(answer)

    def _answers(self, questions: Sequence[Question]) -> list[Array | PolicyUnavailable]:
        """The answer to each; a question that cannot be answered does not spoil the others."""
        why: list[str] = []
        with Guard(lambda error: why.append(in_words(error))):
            answers = list(self._policy.infer_batch(questions))
            if len(answers) == len(questions):
                return [*answers]
            why.append(f"it has {len(answers)} answers to one question")
        if len(questions) == 1:
            return [PolicyUnavailable(f"The policy failed: {why[0].rstrip('.')}.")]
        return [answer for each in questions for answer in self._answers([each])]

    def _measured(self, question: Question) -> Costs:
        """The lesser of two tries for each size, after one that warms up."""
        costs: dict[int, float] = {}
        began = time.perf_counter()
        for size in SIZES:
            if size > self._most or time.perf_counter() - began > _MEASURING_S:
                break
            tries = [self._timed([question] * size) for _ in range(3)]
            costs[size] = min(tries[1:])
        return Costs(costs)

    def _timed(self, questions: Sequence[Question]) -> float:
        began = time.perf_counter()
        self._answers(questions)
        return time.perf_counter() - began


class PolicyServer:
    """Speaks with clients.

    Args:
        batcher: has the policy.
        spec: of the policy.
        api_key: that clients must have; None for none.
        limits: of messages.

    Attributes:
        name: of the policy.
    """

    def __init__(
        self,
        batcher: Batcher,
        spec: PolicySpec,
        *,
        api_key: str | None = None,
        limits: WireLimits | None = None,
    ) -> None:
        self.name = spec.name
        self._batcher = batcher
        self._greeting = packed(spec_message(spec))
        self._api_key = api_key
        self._limits = limits or WireLimits()
        self._chunk_s = spec.horizon / spec.rate_hz

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[Server]:
        """Listens while the context is open.

        Raises:
            OSError: the address cannot be had.
        """
        async with serve(
            self.converse,
            host,
            port,
            compression=None,
            max_size=self._limits.message_bytes,
            process_request=self.admit,
        ) as server:
            yield server

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answers those who ask for health, and refuses those without the key."""
        if request.path == "/healthz":
            return connection.respond(HTTPStatus.OK, "OK\n")
        if self._api_key is None:
            return None
        given = request.headers.get("Authorization", "")
        if hmac.compare_digest(given.encode(), f"Api-Key {self._api_key}".encode()):
            return None
        return connection.respond(HTTPStatus.UNAUTHORIZED, "An API key is needed.\n")

    async def converse(self, connection: ServerConnection) -> None:
        """Serves one client: greets it, then answers each question as it comes.

        A question whose client is gone is dropped: who gave up shall cost the others nothing.
        """
        total_ms: float | None = None
        gone = asyncio.ensure_future(connection.wait_closed())
        try:
            await connection.send(self._greeting)
            async for data in connection:
                began = time.perf_counter()
                reply = await _unless(gone, self._answer(data, total_ms))
                if reply is None:
                    return
                await connection.send(reply)
                total_ms = 1e3 * (time.perf_counter() - began)
        except ConnectionClosed:
            return
        except (PolicyUnavailable, ProtocolError) as error:
            await self._end(connection, str(error))
        finally:
            gone.cancel()

    async def _answer(self, data: str | bytes, total_ms: float | None) -> bytes:
        message = unpacked(data if isinstance(data, bytes) else data.encode(), self._limits)
        question = question_of(message)
        began = time.perf_counter()
        within_s = within_of(message, USUAL_S)
        # By then all of its actions are over. A stock client could not be told.
        useful_s = within_s + self._chunk_s if REQUEST in message else None
        try:
            actions = await self._batcher.ask(question, within_s, useful_s)
        except OverdueError as error:
            return packed({REQUEST: message[REQUEST], REFUSED: str(error)})
        infer_ms = 1e3 * (time.perf_counter() - began)
        timing = {"infer_ms": infer_ms}
        if total_ms is not None:
            timing["prev_total_ms"] = total_ms
        reply: dict[str, Any] = {
            ACTIONS: actions,
            "policy_timing": {"infer_ms": infer_ms},
            "server_timing": timing,
        }
        if REQUEST in message:
            reply[REQUEST] = message[REQUEST]
        return packed(reply)

    async def _end(self, connection: ServerConnection, why: str) -> None:
        log.warning("A client of the policy server was sent away: %s", why)
        await connection.send(why)
        await connection.close(CloseCode.INTERNAL_ERROR, "see the last message")


async def _unless(gone: asyncio.Future[None], answer: Coroutine[Any, Any, bytes]) -> bytes | None:
    """What is answered; None, and the answer is not worked on, once the client is gone."""
    answering = asyncio.ensure_future(answer)
    try:
        await asyncio.wait((answering, gone), return_when=asyncio.FIRST_COMPLETED)
        return answering.result() if answering.done() else None
    finally:
        answering.cancel()
