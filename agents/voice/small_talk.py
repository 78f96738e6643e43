"""What is said for politeness, and what is said to that. Pure."""

from __future__ import annotations

import re

from .utterances import words_of

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
_GREETING = re.compile(
    r"^(wait|hi|hello|hey|good (morning|evening|afternoon)|okay|ok|well|so)( there)? "
)


def small_talk(prompt: str) -> str | None:
    """What to say to it; None if it is something else."""
    said = " ".join(words_of(prompt))
    # "Hello, how are you" is answered as what comes after the greeting.
    for text in (_GREETING.sub("", said), said):
        for pattern, reply in _SMALL:
            if pattern.fullmatch(text):
                return reply
    return None
