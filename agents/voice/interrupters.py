"""Who may interrupt in one conversation, and how that changes while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .audience import Audience, KeptVoice, Wish
from .enrolment import BEST_S, ENOUGH_S, Enrolment
from .pvad import Listener
from .sound import Samples
from .voiceprint import Voiceprint


class Interrupters:
    """Everyone, or one voice that is enrolled.

    Args:
        ears: is told of the voice.
        voice: keeps it; the one that it has may interrupt from the start.
        audience: what the mind is told of who is to be let interrupt.
        tell: what has changed: ``enrolling``, ``enrolled``, ``not enrolled`` or ``everyone``.
        mute: whether what is heard is no part of the conversation.
    """

    def __init__(
        self,
        ears: Listener,
        voice: KeptVoice,
        audience: Audience,
        tell: Callable[..., Any],
        mute: Callable[[bool], None],
    ) -> None:
        self._ears = ears
        self._voice = voice
        self._audience = audience
        self._tell = tell
        self._set_mute = mute
        self._enrolling: Enrolment | None = None
        self._enrols_next = False
        self._muted = False

    def begin_enrolment(self) -> None:
        """Learn, from what is heard next, whose voice may interrupt."""
        self._enrols_next = False
        self._enrolling = Enrolment()
        self._mute()
        self._tell("enrolling", seconds=BEST_S, enough=ENOUGH_S)

    def let_everyone(self) -> None:
        """Every voice may interrupt; what is being learnt is given up."""
        self._enrols_next = False
        if self._enrolling is not None:
            self._enrolling = None
            self._mute()
        self._ears.voiceprint = None
        self._voice.forget()
        self._tell("everyone")

    def mute(self, on: bool) -> None:
        """Whether what the microphone hears is to be ignored."""
        self._muted = on
        self._mute()

    def hear(self, samples: Samples) -> None:
        """Take in what the microphone heard."""
        if self._enrolling is not None:
            self._enrolling.hear(samples)

    def judge(self, anyone: float) -> None:
        """Take in how probably somebody spoke in a frame of it."""
        if self._enrolling is not None:
            self._enrolling.judge(anyone)

    @property
    def share(self) -> float | None:
        """How much was heard of a voice that is being learnt, from 0 to 1; None if none is."""
        return None if self._enrolling is None else self._enrolling.share

    def heed(self, *, listening: bool) -> None:
        """Do what the person has asked the mind for.

        Args:
            listening: the agent is silent: it has said what it wants to hear.
        """
        match self._audience.take():
            case Wish.EVERYONE:
                self.let_everyone()
            case Wish.ONE:
                self._enrols_next = True
        if self._enrols_next and listening:
            self.begin_enrolment()

    def learned(self) -> Samples | None:
        """The sound of a voice of which enough was heard just now, to be enrolled."""
        enrolling = self._enrolling
        if enrolling is None or not enrolling.over:
            return None
        self._enrolling = None
        self._mute()
        return enrolling.sound()

    def keep(self, voiceprint: Voiceprint) -> None:
        """This voice alone may interrupt from now on."""
        self._ears.voiceprint = voiceprint
        self._voice.keep(voiceprint)
        self._tell("enrolled")

    def fail(self, message: str) -> None:
        """The voice could not be learnt."""
        self._tell("not enrolled", message=message)

    def _mute(self) -> None:
        # What is said to be known by is no part of the conversation.
        self._set_mute(self._muted or self._enrolling is not None)
