"""Whether a voice means something: evidence over time, by what the agent is doing. Pure.

Two stages. *Somebody speaks*: a few frames in a row; enough to play softly, never to stop. *The
primary speaker speaks*: the mean log-odds of a tenth of a second are high; enough to be silent.
What is likely an echo of the agent's own voice counts for as much less.

How surely a whole turn is the primary speaker's is its *belief*: the mean log-odds over the last
second with a voice in it. A second of somebody else rarely gets there, though a tenth may.

Among noise or many voices the model is often of two minds whether anybody speaks at all, and then
takes others for the primary speaker more easily: while it is, more is asked for.

The thresholds were chosen for the model in models/pvad.md and what `strangers` makes of it, on its
validation speakers: at 0.82 it fires in 8 to 9 % of the turns of other voices, over quiet, noise,
babble, overlap and rooms (`python -m bench voice --set people=validation`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .events import FRAME_S, Frame
from .odds import log_odds, probability

_MEAN_FRAMES = 5
_BELIEF_FRAMES = 50
_FEWEST_FRAMES = 25
# Of the last eight seconds, the share in which the model is not sure whether anybody speaks: above
# this in noise and in babble, below it in a quiet room. So much more is asked for then.
_MURMUR_FRAMES = round(8.0 / FRAME_S)
_UNSURE = (0.05, 0.95)
_MURMUR = 0.42
_MURMUR_ODDS = 0.3
# A single frame may be a glitch.
_SPEAKING_FRAMES = 2
# So much later than somebody's voice the primary speaker's may begin and be the same.
_KNOWN_LATE_S = 1.2
# A voice is gone after so many frames without it: between words there are gaps.
_GONE_FRAMES = round(0.3 / FRAME_S)


@dataclass(frozen=True, slots=True)
class Profile:
    """What it takes to be heard.

    Attributes:
        anyone: the probability from which on somebody speaks, in a frame.
        anyone_frames: so many in a row.
        primary: the mean probability from which on the primary speaker speaks.
        with_words: the mean probability that is enough for a command; the highest since the voice
            began counts.
        belief: what it takes for other words, and for a turn.
        known: the same, where voices have been compared and that is reckoned in.
    """

    anyone: float = 0.5
    anyone_frames: int = 2
    primary: float = 0.8
    with_words: float = 0.35
    belief: float = 0.73
    known: float = 0.9


# Profiles for what the agent does. Silence is cheap to break and an answer is not.
LISTENING = Profile(primary=0.6, belief=0.65, known=0.4)
THINKING = Profile(primary=0.78)
SPEAKING = Profile(primary=0.82, belief=0.86, known=0.98)
TOOL = Profile(primary=0.72)


class Evidence:
    """What the microphone's last frames say.

    Attributes:
        voice: somebody speaks.
        primary: the primary speaker does, surely enough to be given the floor.
        speaking: whoever has the floor is still heard: lower, and without delay.
        mean: the mean probability of the primary speaker over the last tenth of a second.
        belief: see above; 0 without a voice.
        settled: whether there is voice enough for it to say much.
        highest: the highest mean since the primary speaker's voice began.
    """

    def __init__(self) -> None:
        self.voice = False
        self.primary = False
        self.speaking = False
        self.mean = 0.0
        self.belief = 0.0
        self.settled = False
        self.highest = 0.0
        self._recent = deque([log_odds(0.0)] * _MEAN_FRAMES, maxlen=_MEAN_FRAMES)
        self._voiced: deque[float] = deque(maxlen=_BELIEF_FRAMES)
        self._anyone = _Voice()
        self._primary = _Voice()
        self._dismissed = False
        self._unsure = deque([False] * _MURMUR_FRAMES, maxlen=_MURMUR_FRAMES)
        self._unsure_count = 0

    @property
    def murmur(self) -> bool:
        """There is noise, or a babble of voices."""
        return self._unsure_count > _MURMUR * _MURMUR_FRAMES

    @property
    def since(self) -> float | None:
        """It takes a while to know a voice: somebody's that began just before was it already."""
        anyone, primary = self._anyone.since, self._primary.since
        if primary is None or (anyone is not None and 0 <= primary - anyone <= _KNOWN_LATE_S):
            return anyone
        return primary

    def hear(self, frame: Frame, profile: Profile, now: float) -> None:
        """Take in a frame that ended at ``now``."""
        clear = 1.0 - frame.echo
        self._listen(frame.anyone)
        self._recent.append(log_odds(frame.primary * clear))
        asked = _MURMUR_ODDS if self.murmur else 0.0
        self.mean = probability(sum(self._recent) / _MEAN_FRAMES - asked)
        anyone, primary = self._anyone, self._primary
        anyone.hear(frame.anyone * clear >= profile.anyone, now)
        self.voice = anyone.longest >= profile.anyone_frames
        enough = frame.primary * clear >= profile.with_words or self.mean >= profile.primary
        primary.hear(enough, now)
        self.speaking = primary.run >= _SPEAKING_FRAMES
        self._believe(frame.primary * clear, enough or anyone.run > 0)
        if primary.since is None:
            self.highest = 0.0
            self._dismissed = False
        self.highest = max(self.highest, self.mean)
        self.primary = self.mean >= profile.primary and not self._dismissed

    def _listen(self, anyone: float) -> None:
        unsure = _UNSURE[0] < anyone < _UNSURE[1]
        self._unsure_count += unsure - self._unsure[0]
        self._unsure.append(unsure)

    def _believe(self, primary: float, voiced: bool) -> None:
        if voiced:
            self._voiced.append(log_odds(primary))
        elif self._anyone.since is None and self._primary.since is None:
            self._voiced.clear()
        count = len(self._voiced)
        self.belief = probability(sum(self._voiced) / count) if count else 0.0
        self.settled = count >= _FEWEST_FRAMES

    def dismiss(self) -> None:
        """The primary speaker's present voice means nothing: wait for another."""
        self._dismissed = self._primary.since is not None
        self.primary = False


class _Voice:
    """Frames with a voice in them, with gaps as between words.

    Attributes:
        since: when it began; None if there is none.
        run: frames in a row, up to now.
        longest: the most frames in a row since then.
    """

    def __init__(self) -> None:
        self.since: float | None = None
        self.longest = 0
        self.run = 0
        self._gap = 0

    def hear(self, voiced: bool, now: float) -> None:
        self.run = self.run + 1 if voiced else 0
        self._gap = 0 if voiced else self._gap + 1
        if voiced and self.since is None:
            self.since = now - FRAME_S
        if self._gap >= _GONE_FRAMES:
            self.since = None
            self.longest = 0
        self.longest = max(self.longest, self.run)
