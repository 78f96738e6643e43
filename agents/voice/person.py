"""The person's side of a conversation: whose voice is heard, and the turn that is open. Pure.

There is at most one turn (`turn`): what is said while it is not known yet whether it is something.
"""

from __future__ import annotations

from .bargein import Evidence, Profile
from .endpointing import Endpointer, Turn
from .events import Compare, DropTurn, Examine, Frame, Instruction, OpenTurn
from .rules import Rules
from .utterances import Meaning, meaning


class Person:
    """What the person says, as far as it is known.

    Args:
        out: takes the instructions.

    Attributes:
        turn: the one that is open; None if there is none.
        evidence: what the last frames of the microphone say.
        muted: whether the microphone is off.
    """

    def __init__(self, out: list[Instruction], rules: Rules) -> None:
        self.turn: Turn | None = None
        self.evidence = Evidence()
        self.muted = False
        self._count = 0
        self._out = out
        self._rules = rules

    def hear(self, frame: Frame, profile: Profile, now: float) -> None:
        """Take in a frame of the microphone."""
        evidence = self.evidence
        evidence.hear(Frame(0.0, 0.0) if self.muted else frame, profile, now)
        if self.turn is not None:
            self.turn.weigh(evidence.highest, evidence.belief, settled=evidence.settled)

    # ── beginnings and ends of a turn ───────────────────────────────────────────────────────────

    def open(self, now: float) -> Turn:
        """The turn that is open, or a new one, from the start of the voice on."""
        if self.turn is not None:
            return self.turn
        begun = self._voice_began(now)
        self._count += 1
        self.turn = Turn(self._count, Endpointer(self._rules.endpoints, now), begun)
        self._out.append(OpenTurn(self._count, begun - self._rules.preroll_s))
        return self.turn

    def part(self, now: float) -> None:
        """The primary speaker begins: what others said just before is no part of it."""
        turn = self.turn
        if turn is not None and turn.doubted and self._voice_began(now) > turn.begun:
            self.drop()

    def _voice_began(self, now: float) -> float:
        since = self.evidence.since
        return now if since is None else since

    def of(self, number: int) -> Turn | None:
        """The open turn, if it is of that number."""
        return self.turn if self.turn is not None and self.turn.number == number else None

    def ended(self, turn: Turn, now: float) -> None:
        """The turn is over."""
        if turn.endpointer.heard(now):
            # It was ended though the voice goes on: only another voice is one again.
            self.evidence.dismiss()

    def drop(self) -> None:
        """It was nothing."""
        if self.turn is not None:
            self._out.append(DropTurn(self.turn.number))
            self.turn = None

    def examine(self, turn: Turn, now: float) -> None:
        """Have the turn examined, and whose it is, if its end has asked for it."""
        if turn.endpointer.examination > turn.examined:
            turn.examined = turn.endpointer.examination
            self._out.append(Examine(turn.number, turn.examined))
            self.compare(turn, now)

    def compare(self, turn: Turn, now: float) -> None:
        """Have its voice compared, unless that was done just now."""
        rules = self._rules
        if rules.compares and turn.compare(now, rules.compare_s, rules.compared_s):
            self._out.append(Compare(turn.number))

    def look_again(self, now: float) -> None:
        """It seems to be nothing: have what was said so far examined without a pause."""
        if self.turn is not None:
            # A word is too short to be sure of: what may be the person's is kept for what follows.
            sure = self.turn.belief >= self._rules.speaking.belief
            self.turn.doubted = not (sure or self.has_begun())
            self.turn.endpointer.examine(now)
            self.examine(self.turn, now)

    # ── what it is worth ────────────────────────────────────────────────────────────────────────

    def has_begun(self) -> bool:
        """Whether what is open may well be the primary speaker's."""
        return self.turn is not None and self.turn.highest >= self._rules.listening.primary

    def is_said(self, turn: Turn, *, beside: bool) -> bool:
        """Whether it is something, and the primary speaker's.

        Args:
            beside: there is an answer beside it.
        """
        if meaning(turn.text) is Meaning.NOTHING:
            return False
        return turn.trusted or self.is_believed(turn, self._rules.listening, beside=beside)

    def is_known(self, turn: Turn, now: float) -> bool:
        """Whether it is the primary speaker's, surely enough to lose an answer for it.

        If that is doubtful it is compared; so ask again when that has come.
        """
        rules = self._rules
        believed = self.is_believed(turn, rules.speaking, beside=True)
        if not rules.compares or meaning(turn.endpointer.text) is Meaning.COMMAND:
            return believed
        if turn.compared and believed:
            return True
        if turn.settled:
            self.compare(turn, now)
        return False

    def words(self, turn: Turn) -> str:
        """What a turn that is over comes to; empty if it is nothing.

        A command that was obeyed is said even if what follows it cannot be told from another's
        words: whoever stopped an answer is to hear that, and not to be met with silence.
        """
        return turn.text if self.is_said(turn, beside=False) else turn.obeyed

    def is_believed(self, turn: Turn, profile: Profile, *, beside: bool) -> bool:
        """Whether it is the primary speaker's.

        A command is obeyed sooner; a word or two are too little to lose an answer for.
        """
        if meaning(turn.endpointer.text) is Meaning.COMMAND:
            return turn.highest >= profile.with_words
        enough = profile.belief if turn.likeness is None else profile.known
        return (turn.settled or not beside) and turn.known >= enough
