"""What the turn-taking machine hears and what it says. Pure.

Audio is described in frames of `FRAME_S`. Answers and turns have numbers, given by the machine, so
that what comes late for an older one is known as such.
"""

from __future__ import annotations

from dataclasses import dataclass

FRAME_S = 0.02
"""How much sound one `Frame` tells of, in seconds."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of an answer's sound.

    Attributes:
        end: the sample after its last one, counted from the start of the sound it is part of.
    """

    text: str
    end: int


# ── what it hears ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of the microphone was judged. All from 0 to 1.

    Attributes:
        anyone: the probability that somebody speaks.
        primary: the probability that the primary speaker does. Where everyone may interrupt, it
            is that of ``anyone``.
        echo: how likely the sound is the agent's own voice.
    """

    anyone: float
    primary: float
    echo: float = 0.0


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a turn so far.

    Attributes:
        examination: the number of the `Examine` that it answers: it holds all that was said before
            that. 0 for a partial transcript, which may lag behind.
    """

    turn: int
    text: str
    examination: int = 0


@dataclass(frozen=True, slots=True)
class EndJudged:
    """The acoustic model has judged how probably the turn is over, from 0 to 1."""

    turn: int
    examination: int
    probability: float


@dataclass(frozen=True, slots=True)
class Compared:
    """The voice of a turn was compared with the primary speaker's, over seconds of it.

    Attributes:
        likeness: the probability that it is theirs; None if it cannot be told.
    """

    turn: int
    likeness: float | None


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer's text was generated."""

    answer: int
    text: str


@dataclass(frozen=True, slots=True)
class Generated:
    """The text of the answer is complete."""

    answer: int


@dataclass(frozen=True, slots=True)
class GenerationFailed:
    """No more text will come; the answer is not complete."""

    answer: int


@dataclass(frozen=True, slots=True)
class Synthesised:
    """The sound of one `Speak` is ready and lies behind the sound before it.

    Attributes:
        words: in order, their ends counted from the start of this sound; none if it failed.
        samples: its length.
    """

    answer: int
    words: tuple[Word, ...]
    samples: int


@dataclass(frozen=True, slots=True)
class Played:
    """So many samples of the answer have reached the ear, counted from its start."""

    answer: int
    samples: int


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The answer waits for a tool."""

    answer: int


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """A tool returned or failed."""

    answer: int


@dataclass(frozen=True, slots=True)
class Announce:
    """Something is to be said that nobody asked for just now, such as the progress of a task."""

    text: str


@dataclass(frozen=True, slots=True)
class Mute:
    """The person turned the microphone off, or on again."""

    muted: bool


@dataclass(frozen=True, slots=True)
class HangUp:
    """The conversation is over."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The machine's deadline has come."""


Event = (
    Frame
    | Transcript
    | EndJudged
    | Compared
    | Token
    | Generated
    | GenerationFailed
    | Synthesised
    | Played
    | ToolStarted
    | ToolEnded
    | Announce
    | Mute
    | HangUp
    | Tick
)


# ── what it says ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class OpenTurn:
    """Transcribe what the microphone hears from ``since`` on, a time that lies a little back."""

    turn: int
    since: float


@dataclass(frozen=True, slots=True)
class Examine:
    """The person pauses: transcribe all up to now and judge whether the turn is over."""

    turn: int
    examination: int


@dataclass(frozen=True, slots=True)
class Compare:
    """Compare the voice of the turn up to now with the primary speaker's; hear `Compared`."""

    turn: int


@dataclass(frozen=True, slots=True)
class DropTurn:
    """It was nothing that asks for an answer; transcribe no more."""

    turn: int


@dataclass(frozen=True, slots=True)
class CommitTurn:
    """The person said this: put it into the dialogue's context; transcribe no more."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class RetractTurn:
    """The person had not ended: take this turn out of the context. A later one holds its words."""

    turn: int


@dataclass(frozen=True, slots=True)
class Generate:
    """Generate an answer to what the person said.

    Attributes:
        preemptive: the turn is not over for certain: nothing that changes the world may be done
            until it is committed.
    """

    answer: int
    text: str
    preemptive: bool = False


@dataclass(frozen=True, slots=True)
class CancelGeneration:
    """The rest of this answer is not wanted."""

    answer: int


@dataclass(frozen=True, slots=True)
class Speak:
    """Turn a sentence into sound, behind what was there of the answer; hear `Synthesised`."""

    answer: int
    text: str


@dataclass(frozen=True, slots=True)
class Play:
    """Play what there is of the answer from here on, and what will be added."""

    answer: int


@dataclass(frozen=True, slots=True)
class Duck:
    """Play softly: somebody speaks, and it is not known yet whether it matters."""

    answer: int


@dataclass(frozen=True, slots=True)
class Restore:
    """Play as loud as before."""

    answer: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Be silent at once, but keep the sound."""

    answer: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on from this sample: the start of the word that was cut, so that none is lost."""

    answer: int
    sample: int


@dataclass(frozen=True, slots=True)
class StopPlayback:
    """Be silent at once and throw the sound away. Nothing of this answer is played after it."""

    answer: int


@dataclass(frozen=True, slots=True)
class CommitAnswer:
    """This was heard: put it into the dialogue's context.

    Attributes:
        cut: there was more, which did not reach the ear.
    """

    answer: int
    text: str
    cut: bool


Instruction = (
    OpenTurn
    | Examine
    | Compare
    | DropTurn
    | CommitTurn
    | RetractTurn
    | Generate
    | CancelGeneration
    | Speak
    | Play
    | Duck
    | Restore
    | Pause
    | Resume
    | StopPlayback
    | CommitAnswer
)
