"""A device that works as the specification says, and may die at any time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.codec import MSGPACK
from constellation.aip.heartbeat import Heartbeat
from constellation.aip.items import ITEMS
from constellation.aip.pipes import IncomingStream
from constellation.aip.session import (
    Deliver,
    Ended,
    Instruction,
    Opened,
    Session,
    State,
    TransportOpened,
)

from .checker import Checker, Execution
from .endpoint import Endpoint
from .network import End, Wire
from .streams import Putting, Reading
from .world import World

HEARTBEAT = Heartbeat(interval_s=2.0, timeout_s=6.0)
INTERRUPTED = {"code": "task.failed.interrupted", "message": "It may have taken effect."}
FAILED = {"code": "task.failed", "message": "It went wrong."}
TIMED_OUT = {"code": "task.timeout", "message": "It took too long."}
UPSTREAM = {"code": "task.failed.upstream", "message": "What it reads broke off."}
REFUSED = {"code": "task.rejected.overloaded", "message": "Not now."}


class Exchange(Protocol):
    """How a device reaches the hub."""

    def dial(self, dialer: End) -> Wire | None:
        """A new connection, or None if there is none to be had."""


class _Work:
    """An attempt that is open on the device.

    Attributes:
        body: of its assignment.
        begun: False while it waits for a place.
        asked: id of the question that is open; empty if none is.
    """

    __slots__ = ("asked", "begun", "body")

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.body = body
        self.begun = False
        self.asked = ""

    @property
    def idempotent(self) -> bool:
        return bool(self.body.get("idempotent"))


class Device(Endpoint):
    """A device's process and its disk.

    Attributes:
        name: the device's.
        alive: False while the process is down.
    """

    def __init__(
        self, world: World, checker: Checker, exchange: Exchange, name: str, capacity: int
    ) -> None:
        super().__init__(world, _session(), 0, world.between(-5.0, 5.0))
        self.name = name
        self.alive = False
        self._checker = checker
        self._exchange = exchange
        self._card = DeviceCard(
            name=name,
            capacity=capacity,
            skills=(
                SkillCard(name="work", reads=True),
                SkillCard(name="look", idempotent=True, reads=True),
            ),
            labels={"room": name},
        )
        self._life = 0
        self.streams.takers[ITEMS] = self._offered
        # What a crash takes:
        self._open: dict[str, _Work] = {}
        self._putting: dict[str, Putting] = {}
        self._reading: dict[str, Reading] = {}
        self._known: set[str] = set()
        self._held: dict[str, Mapping[str, Any]] = {}
        self._sent: deque[tuple[int, str]] = deque()
        # What it leaves: attempts that began and must not run twice, and their results.
        self._stored_begun: set[str] = set()
        self._stored_results: dict[str, Mapping[str, Any]] = {}

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """The process starts, takes up what it left, and dials."""
        if self.alive:
            return
        self.alive = True
        self._life += 1
        self.session = _session()
        self._open, self._known = {}, set()
        self._putting, self._reading = {}, {}
        self._sent.clear()
        for attempt in sorted(self._stored_begun):
            body = {"attempt": attempt, "state": "failed", "error": INTERRUPTED}
            self._stored_results[attempt] = body
        self._stored_begun.clear()
        self._held = dict(self._stored_results)
        self.world.tell(f"{self.name} starts, holding {sorted(self._held)}")
        self._dial()

    def crash(self) -> None:
        """The process is killed."""
        if self.alive:
            self.world.tell(f"{self.name} is killed, running {sorted(self._open)}")
            self.alive = False
            self._life += 1
            self.lose()
            self.abandon()

    def _later(self, seconds: float, call: Any, *arguments: Any) -> None:
        """Do something later, unless the process dies before."""
        life = self._life

        def if_alive() -> None:
            if self._life == life:
                call(*arguments)

        self.world.after(seconds, if_alive)

    # ── connections ─────────────────────────────────────────────────────────────────────────────

    def _dial(self) -> None:
        if self.wire is not None:
            return
        wire = self._exchange.dial(self)
        if wire is None:
            self._later(self.world.between(0.05, 1.0), self._dial)
            return
        self.wire = wire
        hello = {
            "role": "device",
            "name": self.name,
            "card": self._card.model_dump(mode="json"),
            "running": list(self._open),
            "held": list(self._held),
        }
        self.feed(TransportOpened(MSGPACK, hello))

    def detached(self) -> None:
        """The connection is gone: dial again."""
        self._forget_secured()
        self._later(self.world.between(0.01, 1.0), self._dial)

    def obey(self, instruction: Instruction) -> None:
        """Do what the session says."""
        match instruction:
            case Opened(resumed):
                self._opened(resumed)
            case Deliver(messages):
                for message in messages:
                    self._take(message.type, message.body)
                self.session.acknowledge(messages[-1].seq, self.clock())
            case Ended():
                self.lose()
                self.leave()
                self.session = _session()
                self._sent.clear()
            case _:
                super().obey(instruction)

    def _opened(self, resumed: bool) -> None:
        self.world.tell(f"{self.name} is connected, {'resumed' if resumed else 'afresh'}")
        on_the_way = {attempt for _, attempt in self._sent} if resumed else set()
        if not resumed:
            self._sent.clear()
        for attempt, body in [*self._held.items()]:
            if attempt not in on_the_way:
                self._hand_in(attempt, body)
        for attempt, work in self._open.items():
            if work.asked:
                self._ask(attempt, work.asked)
        if not resumed:
            for putting in self._putting.values():
                putting.reopen()
            for reading in self._reading.values():
                reading.ask()

    def _offered(self, stream: IncomingStream) -> None:
        reading = self._reading.get(str(stream.meta.get("attempt")))
        if reading is None:
            stream.refuse()
        else:
            reading.come(stream)

    # ── work ────────────────────────────────────────────────────────────────────────────────────

    def _take(self, type: str, body: Mapping[str, Any]) -> None:
        attempt = body["attempt"]
        if type == "assign":
            self._assigned(attempt, body)
        elif type == "cancel" and attempt in self._open:
            # It may yet end by itself before it is stopped.
            self._later(self.world.between(0.0, 0.5), self._end, attempt, "canceled")
        elif type == "answer" and attempt in self._open:
            work = self._open[attempt]
            if work.asked == body["question"]:
                work.asked = ""
                self._later(self.world.between(0.0, 1.0), self._end, attempt, "completed")

    def _assigned(self, attempt: str, body: Mapping[str, Any]) -> None:
        if attempt in self._known or attempt in self._held:
            return
        self._known.add(attempt)
        wishes = body["arguments"]
        if wishes.get("refuse"):
            self._say("reject", {"attempt": attempt, "error": REFUSED})
            self._checker.fails(attempt, REFUSED["code"])
            return
        self._open[attempt] = _Work(body)
        # What the hub has given up may still be here: then what is new waits for its place.
        self._checker.waits(self.name, len(self._open), 2 * self._card.capacity)
        self._begin_more()

    def _begin_more(self) -> None:
        for attempt, work in [*self._open.items()][: self._card.capacity]:
            if not work.begun:
                self._begin(attempt, work)

    def _begin(self, attempt: str, work: _Work) -> None:
        work.begun = True
        if not work.idempotent:
            self._stored_begun.add(attempt)
        self._checker.begins(Execution(self.name, attempt, work.idempotent))
        self.world.tell(f"{self.name} begins {attempt}")
        wishes, body = work.body["arguments"], work.body
        lasts, limit_s = float(wishes.get("lasts", 0.1)), body.get("timeout_s")
        if limit_s is not None and lasts > limit_s:
            self._later(limit_s, self._end, attempt, "timeout")
        elif self._streams_of(attempt, work):
            pass
        elif wishes.get("asks"):
            self._ask(attempt, f"q-{attempt}")
        else:
            self._later(lasts, self._end, attempt, "failed" if wishes.get("fails") else "completed")

    def _streams_of(self, attempt: str, work: _Work) -> bool:
        """Begin with what the attempt puts out and reads; False if that is nothing."""
        context, wishes = work.body["context"], work.body["arguments"]
        putting = None
        if "emit" in context and "puts" in wishes:
            count = None if wishes["puts"] == "all" and "inputs" in context else 5
            if isinstance(wishes["puts"], int):
                count = wishes["puts"]
            lag = context["emit"]["lag"]
            how = self._end
            if wishes.get("fails"):
                how = self._fails
            putting = Putting(self, self._checker, attempt, lag, count, how)
            self._putting[attempt] = putting
        source = wishes.get("reads")
        if not isinstance(source, dict):
            return putting is not None
        passing = None if putting is None or isinstance(wishes["puts"], int) else putting
        self._reading[attempt] = Reading(
            self, self._checker, attempt, source["$items"], passing, self._end
        )
        return True

    def _fails(self, attempt: str, how: str) -> None:
        """It puts out everything, and then goes wrong."""
        self._end(attempt, "failed")

    def later(self, seconds: float, call: Any, *arguments: Any) -> None:
        """See `_later`."""
        self._later(seconds, call, *arguments)

    def say(self, type: str, body: Mapping[str, Any]) -> None:
        """Tell the hub something, whether there is a connection now or not."""
        self.send(type, body)

    def _ask(self, attempt: str, question: str) -> None:
        self._open[attempt].asked = question
        asked = {"id": question, "kind": "approval", "prompt": "May I?"}
        self._say("input_required", {"attempt": attempt, "question": asked})

    def _end(self, attempt: str, how: str) -> None:
        work = self._open.pop(attempt, None)
        for streams in (self._putting, self._reading):
            stream = streams.pop(attempt, None)
            if stream is not None:
                stream.stop()
        if work is None:
            return
        body: dict[str, Any] = {"attempt": attempt, "state": "completed"}
        if how == "completed":
            body["output"] = {"by": attempt, "on": self.name, "items": [1, 2]}
            self._checker.makes(attempt, body["output"])
        elif how == "canceled":
            body |= {"state": "canceled", "error": {"code": "task.canceled", "message": "It was."}}
        else:
            errors = {"timeout": TIMED_OUT, "upstream": UPSTREAM}
            body |= {"state": "failed", "error": errors.get(how, FAILED)}
        if how != "completed":
            self._checker.fails(attempt, body["error"]["code"])
        if not work.idempotent:
            self._stored_results[attempt] = body
            self._stored_begun.discard(attempt)
        self._held[attempt] = body
        self.world.tell(f"{self.name} ends {attempt}: {how}")
        self._hand_in(attempt, body)
        self._begin_more()

    def _hand_in(self, attempt: str, body: Mapping[str, Any]) -> None:
        self._forget_secured()
        if self.session.state is State.OPEN:
            self._sent.append((self.session.send("result", body), attempt))
            self.flush()

    def _say(self, type: str, body: Mapping[str, Any]) -> None:
        if self.session.state is State.OPEN:
            self.send(type, body)

    def _forget_secured(self) -> None:
        while self._sent and self._sent[0][0] <= self.session.acknowledged:
            _, attempt = self._sent.popleft()
            self._held.pop(attempt, None)
            self._stored_results.pop(attempt, None)

    # ── accidents ───────────────────────────────────────────────────────────────────────────────

    def jump(self, seconds: float) -> None:
        """The clock is put forward."""
        self.offset_s += seconds
        self.flush()


def _session() -> Session:
    return Session("dialer", heartbeat=HEARTBEAT)
