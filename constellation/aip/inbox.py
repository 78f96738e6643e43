"""What a client receives: answers to its requests, and events of its subscriptions.

A message is acknowledged once it was taken, and acknowledgements are cumulative: an event that
nobody reads holds back those behind it. So the hub sees a slow reader as one, and waits with what
follows, which bounds what waits here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from constellation.errors import SessionLost, error_from_wire

from .messages import Message

Event = Mapping[str, Any]


class Events(AsyncIterator[Event]):
    """The events of one subscription, in order.

    Args:
        took: called with the number of each message that was read.
        closed: called when they are closed before they end.
    """

    def __init__(self, took: Callable[[int], None], closed: Callable[[], None]) -> None:
        self._took = took
        self._closed = closed
        self._waiting: deque[Message] = deque()
        self._wanted: asyncio.Future[None] | None = None
        self._end: Exception | None = None
        self._is_closed = False

    def put(self, message: Message) -> None:
        """An event came."""
        if self._is_closed:
            self._took(message.seq)
        else:
            self._waiting.append(message)
            self._wake()

    def end(self, error: Exception) -> None:
        """None will follow; what came before can still be read."""
        self._end = error
        self._took = _nothing  # the numbers of a new session are not ours
        self._wake()

    def close(self) -> None:
        """Read no more: what waits and what still comes is dropped; a second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        while self._waiting:
            self._took(self._waiting.popleft().seq)
        self._wake()
        if self._end is None:
            self._closed()

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._is_closed:
                raise StopAsyncIteration
            if self._end is not None:
                raise self._end
            self._wanted = asyncio.get_running_loop().create_future()
            await self._wanted
        message = self._waiting.popleft()
        self._took(message.seq)
        return message.body

    def _wake(self) -> None:
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)


def fail(future: asyncio.Future[Any], error: Exception) -> None:
    """End a future with an error, whether or not anybody still waits for it."""
    if not future.done():
        future.set_exception(error)
        future.exception()  # counts as seen: whoever waited may have been canceled


def _nothing(seq: int) -> None:
    pass


class Inbox:
    """Sorts messages, and knows up to which number they were taken.

    Args:
        acknowledge: called with that number when it rises.
        unsubscribe: called with a subscription whose events nobody reads any more.
    """

    def __init__(
        self, acknowledge: Callable[[int], None], unsubscribe: Callable[[str], None]
    ) -> None:
        self._acknowledge = acknowledge
        self._unsubscribe = unsubscribe
        self._untaken: dict[int, None] = {}
        self._newest = 0
        self._acknowledged = 0
        self._requests: dict[str, asyncio.Future[Any]] = {}
        self._events: dict[str, Events] = {}

    def expect(self, request: str) -> asyncio.Future[Any]:
        """The answer to a request that is being sent."""
        answer = asyncio.get_running_loop().create_future()
        self._requests[request] = answer
        answer.add_done_callback(lambda _: self._requests.pop(request, None))
        return answer

    def events(self, subscription: str) -> Events:
        """The events of a subscription; those that came before this call are kept for it."""
        found = self._events.get(subscription)
        if found is None:
            closed = partial(self._unsubscribe, subscription)
            found = self._events[subscription] = Events(self._take, closed)
        return found

    def forget(self, subscription: str) -> None:
        """No event of a subscription will come any more."""
        self._events.pop(subscription, None)

    def receive(self, messages: Sequence[Message]) -> None:
        """Sort messages that came in one frame."""
        for message in messages:
            self._newest = message.seq
            if message.type == "response":
                self._answer(message.body)
            elif message.type == "event":
                self._untaken[message.seq] = None
                self.events(message.body["subscription"]).put(message)
        self._report()

    def lose(self, reason: str) -> None:
        """The session was lost: nothing that is waited for will come."""
        error = SessionLost(
            f"The session was lost: {reason}.",
            remedy="Ask again; what was asked may have happened.",
        )
        for answer in tuple(self._requests.values()):
            fail(answer, error)
        for events in self._events.values():
            events.end(error)
        self._events.clear()
        self._untaken.clear()
        self._newest = self._acknowledged = 0

    def _answer(self, body: Mapping[str, Any]) -> None:
        answer = self._requests.get(body["id"])
        if answer is None or answer.done():
            return
        error = body.get("error")
        if error is None:
            answer.set_result(body.get("result"))
        else:
            fail(answer, error_from_wire(error))

    def _take(self, seq: int) -> None:
        self._untaken.pop(seq, None)
        self._report()

    def _report(self) -> None:
        oldest = next(iter(self._untaken), None)
        taken = self._newest if oldest is None else oldest - 1
        if taken > self._acknowledged:
            self._acknowledged = taken
            self._acknowledge(taken)
