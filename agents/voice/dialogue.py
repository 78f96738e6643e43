"""What to say: small talk by templates, and everything else with the fabric as hands.

Works without a language model. A request is planned first: what cannot be planned is told with its
remedy and nothing is done. Work that takes long goes on without the answer waiting for it; its end
is announced.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from constellation.errors import ConstellationError

from .ports import Said, Working
from .spoken import result
from .utterances import Meaning, meaning, words_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """How some work ended.

    Attributes:
        state: ``completed``, ``failed`` or ``canceled``.
        output: of its last tasks, as plain data; why it failed, if it did.
    """

    state: str
    output: Any


class Hands(Protocol):
    """The fabric, as the dialogue uses it. Calls block."""

    def submit(self, request: str) -> tuple[str, str]:
        """Start what a person asks for; return its id and a few words that name it.

        Raises:
            ConstellationError: it cannot be planned as it stands; nothing was started.
        """

    def outcome(self, work: str, within_s: float) -> Outcome | None:
        """How it ended; None if it goes on for longer than that."""

    def cancel(self, work: str) -> None:
        """Stop it."""

    def devices(self) -> Sequence[str]:
        """The names of the devices that are connected."""


_WAIT_S = 6.0

_SMALL_TALK: tuple[tuple[str, str], ...] = (
    (r"(hi|hello|hey|good (morning|evening|afternoon))( there)?", "Hello. What can I do for you?"),
    (r"how are you( doing)?( today)?", "Fine, thank you. What can I do for you?"),
    (r"(thanks|thank you)( very much| a lot| so much)?", "You are welcome."),
    (r"(bye|goodbye|good night|see you)( then)?", "Goodbye."),
    (
        r"who are you|what are you|what can you do|what can i (say|ask)|help( me)?",
        "I am your voice agent. Ask me for something that your devices can do, such as the disk "
        "usage of a machine, or tell me to stop what I do.",
    ),
    (r"(can|do) you hear me", "I hear you."),
    (r"(yes|no|okay|ok|sure|right|great|good|fine|never mind)( please)?", "All right."),
)
_SMALL = tuple((re.compile(pattern), reply) for pattern, reply in _SMALL_TALK)
_GREETING = re.compile(r"^(wait|hi|hello|hey|okay|ok|well|so)( there)? ")
_DEVICES = re.compile(
    r"(which|what) (devices|machines|computers)( do you (have|know)| are (there|up|connected))?"
)
_PROGRESS = re.compile(
    r"(how far (is it|are you)|is it (done|ready)|what are you doing)( now| yet)?"
)
_CANCEL = re.compile(r"(stop|cancel)( (it|that|this|the task|everything))?( please)?")


class Dialogue:
    """The mind of one conversation.

    Args:
        hands: None if there are none, for which it apologises.

    Attributes:
        working: work that has not ended when it was last looked at, by id, and what it is called.
    """

    def __init__(self, hands: Hands | None = None) -> None:
        self.working: dict[str, str] = {}
        self._hands = hands

    def acts(self, prompt: str) -> bool:
        """See `agents.voice.ports.Mind`."""
        return _small_talk(prompt) is None

    def answer(self, prompt: str, context: Sequence[Said]) -> Iterator[str | Working]:
        """See `agents.voice.ports.Mind`."""
        said = " ".join(words_of(prompt))
        if meaning(prompt) is Meaning.COMMAND or _CANCEL.fullmatch(said):
            yield self._cancel()
        elif (reply := _small_talk(prompt)) is not None:
            yield reply
        elif self._hands is None:
            yield "I cannot do that: I am not connected to your devices."
        elif _DEVICES.fullmatch(said):
            yield _listed(self._hands.devices())
        elif _PROGRESS.fullmatch(said):
            yield self._progress()
        else:
            yield from self._work(self._hands, prompt)

    def ended(self) -> Iterator[str]:
        """What is to be announced: work that has ended since it was started."""
        for work, title in list(self.working.items()):
            outcome = self._hands.outcome(work, 0.0) if self._hands is not None else None
            if outcome is not None:
                del self.working[work]
                yield f"About {title}: {_told(outcome)}"

    def _work(self, hands: Hands, prompt: str) -> Iterator[str | Working]:
        work, title = hands.submit(prompt.rstrip(" .!?"))
        self.working[work] = title
        yield Working(True)
        outcome = hands.outcome(work, _WAIT_S)
        yield Working(False)
        if outcome is None:
            yield f"I am at it: {title}. I will tell you when it is done."
            return
        self.working.pop(work, None)
        yield _told(outcome)

    def _cancel(self) -> str:
        if not self.working or self._hands is None:
            return "Okay."
        work, title = self.working.popitem()
        try:
            self._hands.cancel(work)
        except ConstellationError as error:
            return f"I could not stop it. {error.message}"
        return f"I have stopped it: {title}."

    def _progress(self) -> str:
        if not self.working:
            return "I am doing nothing at the moment."
        return f"I am still at it: {_listed(list(self.working.values()))}"


def _small_talk(prompt: str) -> str | None:
    said = " ".join(words_of(prompt))
    # "Hello, how are you" is answered as what comes after the greeting.
    for text in (_GREETING.sub("", said), said):
        for pattern, reply in _SMALL:
            if pattern.fullmatch(text):
                return reply
    return None


def _told(outcome: Outcome) -> str:
    match outcome.state:
        case "completed":
            return result(outcome.output)
        case "canceled":
            return "It was canceled."
    return f"It failed. {result(outcome.output)}"


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "There are none."
    *others, last = names
    return f"{', '.join(others)} and {last}." if others else f"{last}."
