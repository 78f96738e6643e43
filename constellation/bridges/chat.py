"""The fabric in a chat: a message is a request; what happens is told, and questions are put.

A chat keeps nothing on our side: whoever asks sends all of it. So a reply that ends with a question
names it in its last line, and the next message is the answer. What devices returned is quoted, so
that no line of it can pass for one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

from constellation.errors import ConstellationError
from constellation.fabric import Event, Fabric, Work
from constellation.graph.results import results
from constellation.telling.questions import parse_answer
from constellation.telling.text import clean
from constellation.telling.values import full
from constellation.telling.watched import Watched

Say = Callable[[str], Awaitable[None]]

_ASKED = re.compile(r"\[answers (?P<constellation>[^\s?\]]+)\?(?P<query>[^\s\]]+)\]")


@dataclass(frozen=True, slots=True)
class Said:
    """A message of a chat: ``role`` is ``user``, ``assistant`` or another, which is not for us."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was put to the chat.

    Attributes:
        constellation, task, question: ids.
        after: the fact with which it was asked; what came before has been told.
    """

    constellation: str
    task: str
    question: str
    after: int

    def line(self) -> str:
        """The line that names it at the end of a reply."""
        query = {"task": self.task, "question": self.question, "after": self.after}
        return f"[answers {self.constellation}?{urlencode(query)}]"

    @classmethod
    def read(cls, reply: str) -> Asked | None:
        """What the last line of a reply names; None if it names nothing."""
        lines = reply.strip().splitlines()
        found = _ASKED.fullmatch(lines[-1]) if lines else None
        if found is None:
            return None
        query = parse_qs(found["query"])
        match query:
            case {"task": [task], "question": [question], "after": [after]} if after.isdecimal():
                return cls(found["constellation"], task, question, int(after))
        return None


async def reply(
    fabric: Fabric, messages: Sequence[Said], say: Say, traceparent: str | None = None
) -> None:
    """Do what the last message asks for, or take it as an answer; tell what follows.

    It ends when the constellation has ended or asks. What the fabric refuses is said, too.

    Args:
        messages: the chat, of which the last message is the person's.
        say: takes the pieces of the reply, in Markdown.
        traceparent: of who asks.
    """
    before = next((each for each in reversed(messages) if each.role == "assistant"), None)
    asked = Asked.read(before.text) if before else None
    text = messages[-1].text
    try:
        if asked is None:
            work = await fabric.submit(text, traceparent=traceparent)
            await say(f"{_line(work.title)} (`{work.id}`)\n\n")
            for note in work.notes:
                await say(f"- {_line(note)}\n")
            await _tell(work, 0, say)
        else:
            await _answer(fabric.work(asked.constellation), asked, text, say)
    except ConstellationError as error:
        await say(f"\n{_line(str(error))}\n")


async def _answer(work: Work, asked: Asked, text: str, say: Say) -> None:
    node = (await work.show()).nodes.get(asked.task)
    question = None if node is None else node.question
    if question is not None and question["id"] == asked.question:
        try:
            answer = parse_answer(question, text)
        except ValueError as error:
            await say(f"{_line(str(error))}\n\n")
            await _ask(question, asked, say)
            return
        await work.answer(asked.task, answer, question=asked.question)
    else:
        await say("That question is not open any more.\n\n")
    await _tell(work, asked.after, say)


async def _tell(work: Work, after: int, say: Say) -> None:
    """Tell what happens behind a fact, up to the end or the next question."""
    watched = Watched(work.id)
    async with aclosing(work.events()) as events:
        async for event in events:
            told = {"kind": event.kind, "time": event.time, "body": event.body}
            lines = watched.take(told)
            if event.seq is None or event.seq <= after:
                continue
            question = await _open_question(work, event)
            if question is not None and event.task is not None:
                await say(f"- {_line(_name(watched, event.task))} asks:\n\n")
                asked = Asked(work.id, event.task, question["id"], event.seq)
                await _ask(question, asked, say)
                return
            for line in lines:
                await say(f"- {line.text}\n")
    if not watched.is_whole:
        watched.replace(await work.show())
    for task, output in results(watched.constellation).items():
        await say(f"\n**{_line(_name(watched, task))}**\n\n{_quoted(full(output))}\n")
    await say(f"\n{work.id}: {watched.state}.\n")


async def _open_question(work: Work, event: Event) -> Mapping[str, Any] | None:
    """What a task asks by this event; None if it asks nothing, or was answered since."""
    if event.kind != "asked" or event.task is None:
        return None
    question: Mapping[str, Any] = event.body["question"]
    open_now = (await work.show()).nodes[event.task].question
    return question if open_now is not None and open_now["id"] == question["id"] else None


def _name(watched: Watched, task: str) -> str:
    return watched.constellation.nodes[task].task.name or task


async def _ask(question: Mapping[str, Any], asked: Asked, say: Say) -> None:
    ways = {
        "approval": "Answer yes or no.",
        "choice": f"Answer one of: {', '.join(map(str, question.get('options', ())))}.",
    }
    how = _line(ways.get(question["kind"], "Answer in your next message."))
    await say(f"{_quoted(clean(question['prompt']))}\n\n{how}\n\n{asked.line()}\n")


def _line(text: str) -> str:
    """Text in one line, so that it cannot begin one of its own."""
    return clean(" ".join(text.split()))


def _quoted(text: str) -> str:
    """Text as a block of code in Markdown, which nothing in it can end."""
    return "\n".join(f"    {line}" for line in text.splitlines() or [""])
