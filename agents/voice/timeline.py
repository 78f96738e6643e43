"""What a listener would have noticed of a conversation, and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from .events import (
    CommitAnswer,
    CommitTurn,
    DropTurn,
    Duck,
    Event,
    Examine,
    Frame,
    Instruction,
    OpenTurn,
    Pause,
    Play,
    Restore,
    Resume,
    RetractTurn,
    StopPlayback,
)

_NAMES: dict[type, str] = {
    OpenTurn: "voice",
    DropTurn: "nothing said",
    Duck: "ducked",
    Restore: "restored",
    Pause: "paused",
    Resume: "resumed",
    StopPlayback: "stopped",
    CommitTurn: "turn ended",
    RetractTurn: "turn taken up again",
    CommitAnswer: "heard",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """Something happened.

    Attributes:
        at_s: since the start.
        text: the words that it is about; empty if it is about none.
        after_s: what a person waited for it: for ``first audio``, since the end of their speech.
    """

    at_s: float
    what: str
    text: str = ""
    after_s: float | None = None

    def plain(self) -> dict[str, Any]:
        """For JSON; what is empty is left out."""
        entry: dict[str, Any] = {"at_s": round(self.at_s, 3), "what": self.what}
        if self.text:
            entry["text"] = self.text
        if self.after_s is not None:
            entry["after_s"] = round(self.after_s, 3)
        return entry


class Timeline:
    """Notes a conversation; give its `note` as ``told``.

    Attributes:
        entries: in order.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._voiced = 0.0
        self._ended = 0.0
        self._awaited: float | None = None
        self._soft = 0

    def note(self, what: Event | Instruction, now: float) -> None:
        """Take in an event or instruction."""
        match what:
            case Frame(_, primary) if primary >= 0.5:
                self._voiced = now
            case Examine():
                self._ended = self._voiced
            case Play() if self._awaited is not None:
                self._add(Entry(now, "first audio", after_s=now - self._awaited))
                self._awaited = None
                self._soft = 0
            case Play(answer) if answer == self._soft:
                # Its sound had run out meanwhile; what follows is as loud as before.
                self._add(Entry(now, "restored"))
                self._soft = 0
            case CommitTurn(_, text):
                # Others may be examined, and dropped, before it is answered.
                self._awaited = self._ended or now
                self._add(Entry(now, "turn ended", text, now - self._awaited))
            case CommitAnswer(_, text, cut):
                self._add(Entry(now, "heard in part" if cut else "heard", text))
            case _ if type(what) in _NAMES:
                self._add(Entry(now, _NAMES[type(what)]))
        match what:
            case Duck(answer):
                self._soft = answer
            case Restore() | Pause() | StopPlayback():
                self._soft = 0

    def add(self, now: float, what: str) -> None:
        """Note something else."""
        self._add(Entry(now, what))

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)

    def latencies_s(self) -> list[float]:
        """From the end of a person's speech to the first sound of the answer, for each answer."""
        waits = (each.after_s for each in self.entries if each.what == "first audio")
        return [wait for wait in waits if wait is not None]

    def lines(self) -> Iterator[str]:
        """For people."""
        for entry in self.entries:
            after = "" if entry.after_s is None else f"  (after {1000 * entry.after_s:.0f} ms)"
            text = f": {entry.text}" if entry.text else ""
            yield f"{entry.at_s:8.2f} s  {entry.what}{text}{after}"
        if waits := self.latencies_s():
            yield f"First audio after {1000 * median(waits):.0f} ms, the median of {len(waits)}."
