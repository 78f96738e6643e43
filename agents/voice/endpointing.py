"""When a turn is over: silence, how it sounded, and what was said, with a bound. Pure.

::

    speaking ──silence──► pausing ──voice──► speaking
        │                    │
        └───turn too long────┴──silence enough for what was said──► over

The silence that is enough lies between two lengths, by the probability that the turn is complete:
the mean of the log-odds that the acoustic model and the transcript give.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from constellation.errors import InvalidTransition

from .odds import log_odds, probability, together
from .utterances import Meaning, completeness, meaning, words_of


@dataclass(frozen=True, slots=True)
class Endpoints:
    """How long a pause is. All in seconds.

    Attributes:
        examine_s: silence after which the turn is examined.
        probe_s: speech after which what was said is asked for though there is no pause.
        short_s: silence that ends a turn which is surely complete.
        long_s: silence that ends a turn which is surely not.
        empty_s: silence that ends a turn in which no words were recognised.
        bound_s: silence after which nothing else waits any longer for a transcript that is late.
        lost_s: silence that ends any turn at all: a slow recogniser's words are waited for.
        turn_s: the length of the longest turn.
    """

    examine_s: float = 0.2
    probe_s: float = 2.0
    short_s: float = 0.3
    long_s: float = 1.8
    empty_s: float = 0.8
    bound_s: float = 3.0
    lost_s: float = 30.0
    turn_s: float = 60.0


class Floor(StrEnum):
    """What the person does with the floor."""

    SPEAKING = "speaking"
    PAUSING = "pausing"
    OVER = "over"


TRANSITIONS: dict[Floor, dict[str, Floor]] = {
    Floor.SPEAKING: {"pause": Floor.PAUSING, "end": Floor.OVER},
    Floor.PAUSING: {"go on": Floor.SPEAKING, "end": Floor.OVER},
    Floor.OVER: {},
}


class Endpointer:
    """One turn, from its first sound on.

    What it takes in counts from the next `tick` on.

    Attributes:
        state: see `Floor`.
        text: what was said, as far as it is known.
        examination: the number of the last examination; 0 before the first.
        answered: whether the transcript of that examination is there, and nothing was said since.
    """

    def __init__(self, rules: Endpoints, now: float) -> None:
        self.state = Floor.SPEAKING
        self.text = ""
        self.examination = 0
        self.answered = False
        self._rules = rules
        self._begun = now
        self._voiced = now
        self._asked = now
        self._acoustic: float | None = None
        self._overtaken = 0

    def voice(self, now: float) -> None:
        """The person is heard just now."""
        if self.state is Floor.OVER:
            return
        self._voiced = now
        if self.state is Floor.PAUSING:
            self._move("go on")
            self._asked = now
            self.answered = False
            # Its words may still come, and are not all any more.
            self._overtaken = self.examination

    def heard(self, now: float) -> bool:
        """Whether the person still speaks."""
        return now < self._voiced + self._rules.examine_s

    def transcript(self, text: str, examination: int) -> None:
        """Take in what was said; one of an earlier examination is as good as a partial one."""
        current = self.answers(examination)
        if current or not self.known:
            self.text = text
        self.answered = self.answered or current

    def judged(self, complete: float, examination: int) -> None:
        """Take in how complete the turn sounded when it was examined."""
        if self.state is Floor.PAUSING and examination == self.examination:
            self._acoustic = complete

    def tick(self, now: float) -> None:
        """See what time has done."""
        if self.state is Floor.SPEAKING:
            if now >= self._voiced + self._rules.examine_s:
                self._move("pause")
                self.examine(now)
            elif now >= self._asked + self._rules.probe_s:
                self.examine(now)
        if self.state is not Floor.OVER and now >= self._end():
            self._move("end")

    def examine(self, now: float) -> None:
        """Ask for what was said until now."""
        self.examination += 1
        self.answered = False
        self._acoustic = None
        self._asked = now

    def deadline(self) -> float:
        """When to tick; infinity once it is over."""
        if self.state is Floor.OVER:
            return math.inf
        if self.state is Floor.SPEAKING:
            pause = self._voiced + self._rules.examine_s
            return min(pause, self._asked + self._rules.probe_s, self._end())
        return self._end()

    def answers(self, examination: int) -> bool:
        """Whether the transcript of that examination holds all that was asked for."""
        return examination > self._overtaken and examination == self.examination

    @property
    def known(self) -> bool:
        """Whether all that was said before the pause is known."""
        return self.state is Floor.PAUSING and self.answered

    @property
    def lost(self) -> float:
        """When the words that were asked for are waited for no longer."""
        return self._asked + self._rules.lost_s

    @property
    def late(self) -> float:
        """When nothing else is to wait for its words any longer; infinity unless they are due."""
        due = self.state is Floor.PAUSING and not self.answered
        return self._voiced + self._rules.bound_s if due else math.inf

    @property
    def probability(self) -> float:
        """How probably the turn is complete, from 0 to 1."""
        odds = [log_odds(completeness(self.text))]
        if self._acoustic is not None:
            odds.append(log_odds(self._acoustic))
        return probability(sum(odds) / len(odds))

    def _end(self) -> float:
        """When the turn ends if nothing more happens."""
        rules = self._rules
        longest = self._begun + rules.turn_s
        if not self.known:
            return min(longest, self._voiced + rules.lost_s)
        if not words_of(self.text):
            return min(longest, self._voiced + rules.empty_s)
        enough = rules.long_s + (rules.short_s - rules.long_s) * self.probability
        return min(longest, self._voiced + enough)

    def _move(self, event: str) -> None:
        following = TRANSITIONS[self.state].get(event)
        if following is None:
            raise InvalidTransition("The turn", self.state, event)
        self.state = following


class Turn:
    """What is said, while it is not known yet whether it is something.

    Attributes:
        number: by which events and instructions name it.
        examined: the number of the last `Examine` that was sent.
        highest, belief: how probably it was the primary speaker, at best, in a tenth of a second
            and in a second.
        settled: there was voice enough for `belief` to say much.
        before: what the person had said, in a turn that was retracted.
        obeyed: the command by which it stopped an answer; empty if it did not.
        begun: when its first sound began, in seconds.
        doubted: it was taken for a false alarm.
        trusted: words of it that are no command have stopped an answer.
        compared: whether it was compared with the primary speaker's voice, or that took too long.
        likeness: how probably it is the primary speaker by the last comparison; None if it was
            not compared or that could not be told.
        compared_by: until when a comparison is waited for; None if none is under way.
    """

    def __init__(self, number: int, endpointer: Endpointer, begun: float) -> None:
        self.number = number
        self.endpointer = endpointer
        self.begun = begun
        self.doubted = False
        self.trusted = False
        self.examined = 0
        self.highest = 0.0
        self.belief = 0.0
        self.settled = False
        self.before = ""
        self.obeyed = ""
        self.compared = False
        self.likeness: float | None = None
        self.compared_by: float | None = None
        self._asked = -math.inf

    def compare(self, now: float, again_s: float, longest_s: float) -> bool:
        """Whether a comparison is to be asked for; it is noted that it was."""
        if self.compared_by is not None or now < self._asked + again_s:
            return False
        self._asked = now
        self.compared_by = now + longest_s
        return True

    def take(self, likeness: float | None) -> None:
        """Take in a comparison."""
        self.compared_by = None
        self.compared = True
        self.likeness = likeness

    def tick(self, now: float) -> None:
        """A comparison that is late is waited for no longer."""
        self.endpointer.tick(now)
        if self.compared_by is not None and now >= self.compared_by:
            self.take(self.likeness)

    def deadline(self, *, beside: bool) -> float:
        """When to tick; infinity if there is nothing to wait for.

        Args:
            beside: there is an answer that waits for it.
        """
        late = self.endpointer.late if beside else math.inf
        compared = math.inf if self.compared_by is None else self.compared_by
        return min(self.endpointer.deadline(), late, compared)

    @property
    def known(self) -> float:
        """How probably it is the primary speaker's, by all that is known."""
        if self.likeness is None:
            return self.belief
        return together(self.belief, self.likeness)

    def weigh(self, highest: float, belief: float, *, settled: bool) -> None:
        """Take in whose voice it is; of a short turn the last that is known counts."""
        self.highest = max(self.highest, highest)
        if settled and self.settled:
            self.belief = max(self.belief, belief)
        elif belief and (settled or not self.settled):
            self.belief = belief
        self.settled = self.settled or settled

    def take_floor(self, before: str) -> None:
        """What is known of it so far has stopped an answer; other words belong before it."""
        self.before = before
        said = self.endpointer.text
        if meaning(said) is Meaning.COMMAND:
            self.obeyed = said
        else:
            self.trusted = True

    @property
    def text(self) -> str:
        return f"{self.before} {self.endpointer.text}".strip()
