"""Numbered messages as they come: in order, once, and acknowledged when they are secured."""

from __future__ import annotations

from collections import deque

from constellation.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError

from .limits import Limits

# An acknowledgement travels with the next message; alone it waits so long, or for so many.
ACK_DELAY_S = 0.02
ACK_AT_ONCE = 256


class Intake:
    """The receiving half of the reliable lane.

    Attributes:
        received: number of the newest message that came.
        secured: number up to which the application has secured them.
        ack_due: when an acknowledgement is to be sent, even alone; None if none waits for its time.
    """

    __slots__ = (
        "_ack_ripe",
        "_ack_sent",
        "_last_delivered",
        "_unsecured",
        "_unsecured_bytes",
        "ack_due",
        "received",
        "secured",
    )

    def __init__(self) -> None:
        self.received = 0
        self.secured = 0
        self.ack_due: float | None = None
        self._ack_sent = 0
        self._ack_ripe = False
        self._last_delivered = 0
        self._unsecured: deque[tuple[int, int]] = deque()
        self._unsecured_bytes = 0

    def admit(self, seq: int) -> bool:
        """Take the next number; False if that message was seen before.

        Raises:
            RemoteProtocolError: messages before it are missing.
        """
        if seq <= self.received:
            return False
        if seq != self.received + 1:
            raise RemoteProtocolError(
                f"Message {seq} came where {self.received + 1} was expected.",
                expected=self.received + 1,
            )
        self.received = seq
        return True

    def delivered(self, seq: int, size: int) -> None:
        """A frame of that size ended with this message for the application."""
        self._last_delivered = seq
        self._unsecured.append((seq, size))
        self._unsecured_bytes += size

    def secure(self, seq: int, now: float) -> None:
        """The application has secured messages up to this number.

        Raises:
            LocalProtocolError: that number was never delivered.
        """
        if seq > self.received:
            raise LocalProtocolError(f"Message {seq} was never delivered.")
        if seq >= self._last_delivered:
            # What came after it was for the session itself.
            seq = self.received
        if seq > self.secured:
            self.secured = seq
            unsecured = self._unsecured
            while unsecured and unsecured[0][0] <= seq:
                self._unsecured_bytes -= unsecured.popleft()[1]
            if self.ack_due is None and not self._ack_ripe:
                self.ack_due = now + ACK_DELAY_S

    def check(self, limits: Limits) -> None:
        """See that no more is unsecured than may be.

        Raises:
            LimitExceeded: the peer goes on without waiting for acknowledgements.
        """
        if (
            self.received - self.secured > limits.max_outstanding
            or self._unsecured_bytes > limits.max_outstanding_bytes + limits.max_frame
        ):
            raise LimitExceeded("More came than may be unacknowledged.")

    # ── acknowledgements ────────────────────────────────────────────────────────────────────────

    def tick(self, now: float) -> None:
        """A due acknowledgement goes with the next frame, whenever the transport takes one."""
        if self.ack_due is not None and now >= self.ack_due:
            self.ack_due = None
            self._ack_ripe = True

    def is_due(self, now: float) -> bool:
        """True if an acknowledgement is worth a frame of its own."""
        if self.secured == self._ack_sent:
            return False
        due = self.ack_due is not None and now >= self.ack_due
        return due or self._ack_ripe or self.secured - self._ack_sent >= ACK_AT_ONCE

    def said(self) -> None:
        """What is secured was told to the peer."""
        self._ack_sent = self.secured
        self.ack_due = None
        self._ack_ripe = False

    def attach(self, now: float) -> None:
        """On a new connection the last acknowledgement, which may have been lost, is said again."""
        self._ack_sent = 0
        self.ack_due = now if self.secured else None
        self._ack_ripe = False

    def detach(self) -> None:
        """Without a connection nothing is due."""
        self.ack_due = None
        self._ack_ripe = False
