"""What a condition is about: a step that was planned, or one that has to be planned for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .commands import Command
from .conditions import Condition
from .problems import UnplacedError
from .reading import ClauseReader
from .results import holding_steps, named_steps
from .steps import Step
from .tokens import Phrase, Token

_MANY = frozenset(
    {"any", "anything", "all", "everything", "one", "they", "something", "either", "both"}
)


def find_subject(
    condition: Condition, steps: Sequence[Step], stage: Sequence[Step]
) -> tuple[Step, ...]:
    """The steps that a condition looks at; none if they have to be planned first.

    Args:
        condition: the condition.
        steps: all steps so far.
        stage: the steps of the current stage, or of the one before if it has none.

    Raises:
        UnplacedError: there is nothing yet that it could look at.
    """
    if condition.kind in ("event", "unread", "nothing"):
        return ()
    if not len(condition.subject):
        if not steps and condition.kind == "completion":
            return ()
        if not steps:
            raise UnplacedError(
                f"if {condition.text}", "Nothing was said before that it could mean.", follows=True
            )
        many = set(condition.text.lower().split()) & _MANY or condition.kind == "completion"
        return tuple(stage) if many and stage else (steps[-1],)
    named = named_steps(steps, condition.subject)
    if named:
        own = [step for step in named if step.skill.name == named[-1].skill.name]
        return tuple(own)
    literals = {token.value for token in condition.subject.tokens if token.kind in ("path", "url")}
    for step in reversed(steps):
        if literals & {value for value in step.arguments.values() if isinstance(value, str)}:
            return (step,)
    return tuple(holding_steps(steps, condition.subject))


def hidden_commands(condition: Condition, reader: ClauseReader, sentence: int) -> list[Command]:
    """The reading that has to be done so that there is something to look at.

    Raises:
        UnplacedError: no skill could tell.
    """
    if condition.kind == "nothing":
        raise UnplacedError(condition.text, "Nothing was said before that it could mean.")
    if condition.kind == "unread":
        raise UnplacedError(
            f"if {condition.text}",
            "I cannot tell what to test there.",
            ["if the disk on NAME is over 80 %", "if it fails", "if the output contains 'text'"],
        )
    verbs = ("wait for",) if condition.kind == "event" else ("check", "read", "fetch")
    subject = Phrase([_of_each(token) for token in condition.subject.tokens])
    for verb in verbs:
        words = [Token("word", word) for word in verb.split()]
        try:
            commands = reader.read(Phrase(words) + subject, sentence)
        except UnplacedError as error:
            problem = error
            continue
        if all(command.skill.effect == "read" for command in commands):
            return commands
    raise UnplacedError(
        f"if {condition.text}",
        f"Nothing was said before about “{condition.subject}”, and no skill can tell.",
        problem.problem.suggestions,
    )


def _of_each(token: Token) -> Token:
    """In a condition ``any machine`` means that one of them suffices, so each has to be asked."""
    if token.kind != "device" or token.value.mode != "any":
        return token
    return replace(token, value=replace(token.value, mode="each"))
