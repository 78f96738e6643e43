"""One answer on its way from text to the ear. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .events import ToolEnded, ToolStarted, Word
from .ledger import Ledger
from .playback import AUDIBLE, Playback, following

# A sentence ends with a mark and a space after it: "3.5" and "e.g." within a word do not. What is
# too short to be spoken alone waits for what follows.
_BOUNDARY = re.compile(r"(?<=[.!?:;。！？])\s+")
_SHORTEST = 12


class Answer:
    """Text that is generated, cut into sentences, made into sound and played.

    Attributes:
        number: by which events and instructions name it.
        turn: the turn it answers; 0 for an announcement.
        prompt: what the person said, or what is announced.
        generating: more text may come.
        tools: that run for it now.
        acted: a tool was called for it, so it cannot be taken back.
        excused: it has said that it failed.
        held: the loudspeaker was told to play no sound that comes, until it is told to go on.
    """

    def __init__(self, number: int, turn: int, prompt: str) -> None:
        self.number = number
        self.turn = turn
        self.prompt = prompt
        self.generating = True
        self.tools = 0
        self.acted = False
        self.excused = False
        self.held = False
        self.playback = Playback.WAITING
        self.ledger = Ledger()
        self._text = ""
        self._pending = 0

    # ── text ────────────────────────────────────────────────────────────────────────────────────

    def write(self, text: str) -> list[str]:
        """Take in text; return the sentences that it completes."""
        sentences = []
        begin = 0
        self._text += text
        for boundary in _BOUNDARY.finditer(self._text):
            if boundary.start() - begin >= _SHORTEST:
                sentences.append(self._text[begin : boundary.start()].strip())
                begin = boundary.end()
        self._text = self._text[begin:]
        self._pending += len(sentences)
        return sentences

    def close(self) -> list[str]:
        """There is no more text; return the last sentence, if anything is left of it."""
        self.generating = False
        rest, self._text = self._text.strip(), ""
        if not rest:
            return []
        self._pending += 1
        return [rest]

    def use(self, event: ToolStarted | ToolEnded) -> None:
        """A tool was called for it, or has returned."""
        if isinstance(event, ToolStarted):
            self.tools += 1
            self.acted = True
        else:
            self.tools = max(0, self.tools - 1)

    # ── sound ───────────────────────────────────────────────────────────────────────────────────

    def voiced(self, words: Iterable[Word], samples: int) -> None:
        """The sound of a sentence is there."""
        self._pending = max(0, self._pending - 1)
        self.ledger.add(words, samples)

    def move(self, event: str) -> None:
        """Take a transition of the playback's table."""
        self.playback = following(self.playback, event, self.number)

    @property
    def audible(self) -> bool:
        return self.playback in AUDIBLE

    @property
    def begun(self) -> bool:
        """Whether a word of it reached the ear."""
        return bool(self.ledger.heard)

    @property
    def unheard(self) -> bool:
        """Whether any word of it did not reach the ear."""
        return self.generating or self._pending > 0 or self.ledger.heard != self.ledger.text

    @property
    def playable(self) -> bool:
        """Whether there is sound that was not played yet."""
        return not self.ledger.all_played

    @property
    def complete(self) -> bool:
        """Whether all that will ever be of it was played."""
        return not (self.generating or self._pending or self.playable)
