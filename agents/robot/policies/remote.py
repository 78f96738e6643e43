"""A policy behind a websocket: any openpi policy server."""

from __future__ import annotations

import logging
from contextlib import ExitStack, suppress

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from constellation.errors import PolicyUnavailable, ProtocolError

from ..ports import Array, Observation, PolicySpec
from .messages import STATE, actions_of, question_message, refusal_of, spec_of
from .questions import Question
from .wire import WireLimits, packed, unpacked

log = logging.getLogger("constellation.robot")


class RemotePolicy:
    """Asks a policy server, one question at a time, and connects again if it has to.

    Args:
        url: ``ws://…`` or ``wss://…``.
        spec: what the policy is like, for servers that do not say so themselves.
        api_key: is sent as ``Authorization: Api-Key …``.
        timeout_s: after which an answer is not awaited any longer.
        state_key: under which the server looks for the robot's state.
        limits: of messages.

    Raises:
        PolicyUnavailable: the server cannot be reached, or nobody says what its policy is like.
    """

    def __init__(
        self,
        url: str,
        spec: PolicySpec | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = 5.0,
        state_key: str = STATE,
        limits: WireLimits | None = None,
    ) -> None:
        self._url = url
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._state_key = state_key
        self._limits = limits or WireLimits()
        self._asked = 0
        self._opened = ExitStack()
        self._connection: ClientConnection | None = None
        declared = self._connect()
        known = spec or declared
        if known is None:
            self.close()
            raise PolicyUnavailable(
                f"The policy server at {url} does not say what its policy is like.",
                remedy="Say it in the robot's file: policy_spec(), see docs/howto/robot.md.",
            )
        self.spec = known

    def infer(
        self,
        observation: Observation,
        state: Array,
        delay: int | None = None,
        prefix: Array | None = None,
    ) -> Array:
        """The next actions, (H, A).

        Raises:
            PolicyUnavailable: there is no answer, or none that can be understood.
        """
        self._asked += 1
        # Where actions begin at once, no delay says when an answer is wanted.
        within = delay / self.spec.rate_hz if delay else None
        question = Question(observation, state, delay, prefix)
        message = question_message(question, self._asked, within, self._state_key)
        if self._connection is None:
            self._connect()
        try:
            answer = self._exchanged(packed(message))
            if isinstance(answer, str):
                raise PolicyUnavailable(f"The policy server failed: {answer.strip()[-500:]}")
            reply = unpacked(answer, self._limits)
            refused = refusal_of(reply, self._asked)
            if refused is None:
                return actions_of(reply, self._asked)
        except (OSError, WebSocketException, ProtocolError) as error:
            # An answer that still comes would be taken for that of the next question.
            self.close()
            raise PolicyUnavailable(f"No answer from {self._url}: {error}.") from error
        except PolicyUnavailable:
            self.close()
            raise
        raise PolicyUnavailable(f"The policy server refused: {refused}")

    def close(self) -> None:
        """Ends the connection; the next question opens another one."""
        self._connection = None
        with suppress(OSError, WebSocketException):
            self._opened.close()

    def _exchanged(self, message: bytes) -> bytes | str:
        """The answer to a message on the connection that is open."""
        connection = self._connection
        if connection is None:
            raise ConnectionError("it is closed")
        connection.send(message)
        return connection.recv(self._timeout_s)

    def _connect(self) -> PolicySpec | None:
        """Opens a connection; what the server declares of its policy."""
        headers = {"Authorization": f"Api-Key {self._api_key}"} if self._api_key else None
        try:
            opening = connect(
                self._url,
                compression=None,
                max_size=self._limits.message_bytes,
                additional_headers=headers,
                open_timeout=self._timeout_s,
                close_timeout=1.0,
                proxy=None,
            )
            self._connection = connection = self._opened.enter_context(opening)
            greeting = connection.recv(self._timeout_s)
            if isinstance(greeting, str):
                raise ProtocolError(f"it says {greeting[:200]!r}")
            return spec_of(unpacked(greeting, self._limits))
        except (OSError, WebSocketException, ProtocolError) as error:
            self.close()
            raise PolicyUnavailable(
                f"The policy server at {self._url} cannot be reached: {error}.",
                remedy="Start it, or correct its address.",
            ) from error
