"""The agent at work: models once, and a conversation for each visitor of its page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

import anyio
from anyio.abc import TaskGroup

from constellation.config import LocalHub
from constellation.errors import ConfigError

from .audience import Audience, KeptVoice
from .console import Card, converse, sound_card
from .dialogue import Dialogue
from .hub import Hub, connected
from .language import mind_of
from .live import Talk
from .models.loading import PARTS, Kinds, Loaded, feelings_of, kinds, loaded
from .overview import Overview
from .page import Page
from .pipelines import Pipeline
from .ports import Feelings, Loudspeaker, Mind, Screen
from .pvad import enrol
from .sound import Samples
from .voiceprint import mean_of

Address: TypeAlias = tuple[str, int]

_NO_HUB = (
    "No hub runs on this machine, so the agent only talks. Start one with `constellation hub`, and "
    "this again, for it to have hands."
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to serve.

    Attributes:
        page: where, as host and port; port 0 takes any. None talks at the sound card instead.
        wyoming: where to serve that protocol; None for not at all.
        voice: the file of the voice that may interrupt.
        enrolments: recordings of it, to begin with.
        local: the hub whose devices are the agent's hands; None for none.
        model: a language model behind ``OPENAI_BASE_URL``; empty to do without.
        pipeline: what the model is given of what was said.
        feelings: what makes a model that tells them, as ``module:callable``; empty for none.
        kinds: what makes the other models.
    """

    page: Address | None
    wyoming: Address | None
    voice: Path
    enrolments: Sequence[Samples]
    local: LocalHub | None
    model: str
    pipeline: Pipeline
    feelings: str = ""
    kinds: Kinds = field(default_factory=kinds)

    def kept_voice(self) -> KeptVoice:
        """What keeps the voice."""
        return KeptVoice(self.voice, self.kinds.known_by)


def serve(wanted: Wanted, say: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Args:
        say: takes a line for the person who started it.

    Raises:
        AudioError: an enrolment has too little voice in it.
        ConfigError: a model or an extra is not installed, the language model lacks its key, or the
            page's address or that of the Wyoming protocol cannot be had.
        HubUnreachable: the hub does not answer.
    """
    card = sound_card() if wanted.page is None else None
    feelings = feelings_of(wanted.feelings)
    # What is wrong with it is better met now than at the first visitor; so is a damaged voice.
    mind_of(Dialogue(), wanted.model, wanted.pipeline, feelings)
    if wanted.wyoming is not None:
        _check_wyoming()
    if not wanted.enrolments:
        wanted.kept_voice().load()
    if wanted.local is None:
        say(_NO_HUB)
    try:
        with ExitStack() as stack:
            hands = None if wanted.local is None else stack.enter_context(connected(wanted.local))
            anyio.run(_serve, wanted, feelings, hands, card, say)
    except BaseExceptionGroup as group:
        raise _first(group) from None


async def _serve(
    wanted: Wanted,
    feelings: Feelings | None,
    hands: Hub | None,
    card: Card | None,
    say: Callable[[str], None],
) -> None:
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(anyio.create_task_group())
        page = None
        if card is None and wanted.page is not None:
            page = Page(None, tasks, PARTS)
            await stack.enter_async_context(page.served(*wanted.page))
            say(f"Talk to the agent at {page.url}")
        shared = await _loaded(stack, wanted.kinds, page, say)
        mind = partial(mind_of, model=wanted.model, pipeline=wanted.pipeline, feelings=feelings)
        await _talk(stack, wanted, shared, mind, hands, card, page, say)


async def _loaded(
    stack: AsyncExitStack, wanted: Kinds, page: Page | None, say: Callable[[str], None]
) -> Loaded:
    """Load the models beside the page, which shows how far it is."""

    def progress(part: str) -> None:
        say(f"Loaded: {part}.")
        if page is not None:
            page.loaded(part)

    models = ExitStack()
    stack.callback(models.close)
    return await anyio.to_thread.run_sync(models.enter_context, loaded(progress, wanted=wanted))


async def _talk(
    stack: AsyncExitStack,
    wanted: Wanted,
    shared: Loaded,
    mind: Callable[[Dialogue], Mind],
    hands: Hub | None,
    card: Card | None,
    page: Page | None,
    say: Callable[[str], None],
) -> None:
    voice = wanted.kept_voice()
    if wanted.enrolments:
        voices = shared.models.voices
        prints = [enrol(shared.detector, sound, voices) for sound in wanted.enrolments]
        voice.keep(mean_of(prints))

    def make(tasks: TaskGroup, screen: Screen, speaker: Loudspeaker) -> Talk:
        audience = Audience()
        dialogue = Dialogue(hands, audience)
        return Talk(
            shared.detector,
            shared.models,
            mind(dialogue),
            tasks,
            screen,
            speaker,
            audience=audience,
            voice=voice,
            news=dialogue.ended,
            overview=Overview if hands is None else lambda: hands.overview,
        )

    if wanted.wyoming is not None:
        await _serve_wyoming(stack, wanted.wyoming, shared, mind(Dialogue(hands)), say)
    if card is not None:
        say("Speak. Ctrl-C ends it.")
        await converse(card, make, say)
    elif page is not None:
        page.ready(make)
        await anyio.sleep_forever()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended it all."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _check_wyoming() -> None:
    try:
        from . import wyoming  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"The Wyoming protocol lacks a package: {error.name}.",
            remedy="Install the extra: pip install 'constellation-fabric[wyoming]'.",
        ) from None


async def _serve_wyoming(
    stack: AsyncExitStack, at: Address, shared: Loaded, mind: Mind, say: Callable[[str], None]
) -> None:
    from .wyoming import Assistant, address, served

    port = await stack.enter_async_context(served(Assistant(shared.models, mind), *at))
    say(f"The Wyoming protocol is at tcp://{address(at[0], port)}, for whoever reaches it.")
