"""The agent at work: models once, and a conversation for each visitor of its page."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import anyio
from anyio.abc import TaskGroup

from constellation.config import LocalHub

from .dialogue import Dialogue, Hands
from .hub import connected
from .language import mind_of
from .live import Talk
from .models.loading import Loaded, loaded
from .page import Page
from .pipelines import Pipeline
from .ports import Mind


def serve(
    host: str,
    port: int,
    local: LocalHub | None,
    model: str,
    pipeline: Pipeline,
    say: Callable[[str], None],
) -> None:
    """Serve the page until interrupted.

    Args:
        local: the hub whose devices are the agent's hands; None for none.
        model: a language model behind ``OPENAI_BASE_URL``; empty to do without.
        pipeline: what the model is given of what was said.
        say: takes a line for the person who started it.

    Raises:
        ConfigError: a model is not installed, or the language model lacks its key.
        HubUnreachable: the hub does not answer.
        OSError: the port is taken.
    """
    with ExitStack() as stack:
        shared = stack.enter_context(loaded(lambda name: say(f"Loaded: {name}.")))
        hands = None if local is None else stack.enter_context(connected(local))

        def mind(dialogue: Dialogue) -> Mind:
            return mind_of(dialogue, model, pipeline)

        anyio.run(_serve, host, port, shared, hands, mind, say)


async def _serve(
    host: str,
    port: int,
    shared: Loaded,
    hands: Hands | None,
    mind: Callable[[Dialogue], Mind],
    say: Callable[[str], None],
) -> None:
    def make(tasks: TaskGroup) -> Talk:
        dialogue = Dialogue(hands)
        return Talk(shared.detector, shared.models, mind(dialogue), tasks, news=dialogue.ended)

    async with anyio.create_task_group() as tasks:
        page = Page(make, tasks)
        async with page.served(host, port):
            say(f"Talk to the agent at {page.url}")
            await anyio.sleep_forever()
