"""Bringing results to the hub: remembered before they are sent, forgotten once they are secured.

A result of work that must not run twice is on disk before it goes out. A result of work that may be
repeated is written only if the hub has not secured it shortly after: mostly it never meets the
disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import msgpack

from constellation.errors import (
    AgentError,
    ConstellationError,
    LimitExceeded,
    LocalProtocolError,
    SessionLost,
    SkillError,
)

from .errors import MAY_HAVE_RUN, Interrupted
from .outgoing import Message, Outgoing
from .store import Store

# How long the hub may take to secure a result before it is written although it may be repeated.
SAVE_AFTER_S = 0.05
SAVE_AT_MOST_S = 5.0
# Partial output waits while so much is on its way: results must not wait behind it.
OUTPUT_PENDING_BYTES = 256 * 1024
RETRY_S = 0.05


class Channel(Protocol):
    """What is needed of a connection (`constellation.aip.client.Link`)."""

    @property
    def pending(self) -> int: ...

    @property
    def acknowledged(self) -> int: ...

    @property
    def is_full(self) -> bool: ...

    def send(self, type: str, body: Mapping[str, Any]) -> int: ...

    async def drained(self) -> None: ...


class Handover:
    """Everything on its way from the device to the hub.

    Args:
        store: the agent's memory; what an earlier process left there is taken over.

    Attributes:
        outgoing: what this wake-up has to say; call `flush_soon` after adding to it.
        held: bodies of results that the hub has not secured, by attempt, oldest first.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._pack: Callable[[Any], bytes] = msgpack.Packer().pack
        self._channel: Channel | None = None
        self._connected = asyncio.Event()
        self._ready: deque[Message] = deque()
        self._sent: deque[tuple[int, str]] = deque()
        self._to_write: list[tuple[str, bytes]] = []
        self._unwritten: dict[str, bytes] = {}
        self._secured: list[str] = []
        self._flush_is_due = False
        self._retry: asyncio.TimerHandle | None = None
        self._save: asyncio.TimerHandle | None = None
        self._save_after_s = SAVE_AFTER_S
        self.outgoing = Outgoing()
        self.held: dict[str, Mapping[str, Any]] = {}
        self._failed: asyncio.Future[None] = self._loop.create_future()
        self._take_over()

    def _take_over(self) -> None:
        """What an earlier process held is handed in, and what it left unfinished as interrupted."""
        error = Interrupted(
            "The agent restarted while it ran: it may have taken effect, wholly or in part.",
            remedy=MAY_HAVE_RUN,
        ).to_wire()
        self.held = {body["attempt"]: body for body in self._store.results()}
        for attempt in self._store.begun():
            body = {"attempt": attempt, "state": "failed", "error": error}
            self.held[attempt] = body
            self._to_write.append((attempt, self._pack(body)))

    # ── in ──────────────────────────────────────────────────────────────────────────────────────

    def begun(self, attempts: Sequence[str]) -> bool:
        """Remember that attempts are about to run that must not run twice; False if it failed."""
        return self._stored(lambda: self._store.write(begun=attempts))

    def result(self, body: Mapping[str, Any], *, repeatable: bool) -> None:
        """Take in the body of a ``result``; it is sent at the end of the wake-up.

        Args:
            repeatable: whether the work may be done again if the result is lost.
        """
        try:
            packed = self._pack(body)
        except UnicodeEncodeError:
            # Text of the system that is not UTF-8, such as the name of a file: the rest is good.
            packed = msgpack.packb(body, unicode_errors="replace")
            body = msgpack.unpackb(packed)
        except (TypeError, ValueError, OverflowError) as error:
            body = _unsendable(body, SkillError(f"The result cannot be sent: {error}."))
            packed = self._pack(body)
        self.held[body["attempt"]] = body
        if repeatable:
            self._unwritten[body["attempt"]] = packed
        else:
            self._to_write.append((body["attempt"], packed))
        self.outgoing.result(body)
        self.flush_soon()

    def opened(self, channel: Channel, *, resumed: bool) -> None:
        """A session is open. On a fresh one every result is sent again.

        What else was on its way to an older session is forgotten: it was about attempts that the
        new session's ``hello`` names, or about nothing that lasts.
        """
        self._channel = channel
        self._connected.set()
        self._save_after_s = SAVE_AFTER_S
        if not resumed:
            self._sent.clear()
            self._ready.clear()
            self.outgoing = Outgoing()
            for body in self.held.values():
                self.outgoing.result(body)
        self.flush_soon()

    def detached(self) -> None:
        """The connection is gone: what there is to say waits for the next."""
        self._forget_secured()
        self._channel = None
        self._connected.clear()

    async def handed_in(self) -> None:
        """Wait until the hub has secured every result."""
        while self.held and not self._failed.done():
            await self._connected.wait()
            self._flush()
            if self._channel is not None:
                with suppress(SessionLost):
                    await self._channel.drained()
            self._forget_secured()

    async def watch(self) -> None:
        """Wait for ever, unless the memory cannot be written.

        Raises:
            AgentError: it cannot; nothing more is begun or sent.
        """
        await asyncio.shield(self._failed)

    def close(self) -> None:
        """Write down every result that the hub has not secured."""
        self._forget_secured()
        self._to_write += self._unwritten.items()
        self._unwritten.clear()
        self._write()
        for timer in (self._retry, self._save):
            if timer is not None:
                timer.cancel()

    # ── out ─────────────────────────────────────────────────────────────────────────────────────

    def flush_soon(self) -> None:
        """Send what there is to say once everything of this wake-up is known."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        self._forget_secured()
        if self._to_write and not self._write():
            return
        self._plan_save()
        channel = self._channel
        if channel is None:
            return
        self._ready += self.outgoing.take(room=channel.pending < OUTPUT_PENDING_BYTES)
        while self._ready and not channel.is_full:
            self._send(channel, *self._ready.popleft())
        if (self._ready or self.outgoing.waiting) and self._retry is None:
            self._retry = self._loop.call_later(RETRY_S, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._flush()

    def _send(self, channel: Channel, type: str, body: Mapping[str, Any]) -> None:
        if type != "result":
            # Partial output may be too large for the hub; whatever must arrive is in the result.
            with suppress(LimitExceeded, LocalProtocolError):
                channel.send(type, body)
            return
        attempt = body["attempt"]
        try:
            seq = channel.send(type, body)
        except (LimitExceeded, LocalProtocolError) as error:
            body = _unsendable(body, error)
            self.held[attempt] = body
            self._stored(lambda: self._store.write(results=[(attempt, self._pack(body))]))
            seq = channel.send(type, body)
        self._sent.append((seq, attempt))

    # ── memory ──────────────────────────────────────────────────────────────────────────────────

    def _forget_secured(self) -> None:
        secured = 0 if self._channel is None else self._channel.acknowledged
        while self._sent and self._sent[0][0] <= secured:
            _, attempt = self._sent.popleft()
            self.held.pop(attempt, None)
            if self._unwritten.pop(attempt, None) is None:
                self._secured.append(attempt)

    def _plan_save(self) -> None:
        if self._save is None and (self.held or self._secured):
            self._save = self._loop.call_later(self._save_after_s, self._save_now)

    def _save_now(self) -> None:
        """Write what the hub has not secured in time; forget on disk what it has."""
        self._save = None
        self._forget_secured()
        self._to_write += self._unwritten.items()
        self._unwritten.clear()
        if (self._to_write or self._secured) and not self._write():
            return
        # While the hub is away there is nothing to do but to look again, ever more rarely.
        self._save_after_s = min(2 * self._save_after_s, SAVE_AT_MOST_S)
        if not self.held:
            self._save_after_s = SAVE_AFTER_S
        self._plan_save()
        if self._store.wants_maintenance:
            self._loop.run_in_executor(None, self._store.maintain)

    def _write(self) -> bool:
        results, self._to_write = self._to_write, []
        secured, self._secured = self._secured, []
        return self._stored(lambda: self._store.write(results=results, acknowledged=secured))

    def _stored(self, write: Callable[[], None]) -> bool:
        """Write to the memory; what cannot be remembered must not be done, so failure is final."""
        if self._failed.done():
            return False
        try:
            write()
        except AgentError as error:
            self._failed.set_exception(error)
            return False
        return True


def _unsendable(body: Mapping[str, Any], error: ConstellationError) -> dict[str, Any]:
    """A result in place of one that cannot be sent."""
    return {
        "attempt": body["attempt"],
        "state": "failed",
        "error": {
            "code": error.code,
            "message": f"It ran, but its result cannot be sent: {error.message}",
            "remedy": "Let it write a file and hand that over as an artifact.",
        },
    }
