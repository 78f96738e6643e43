"""The skill `agent.do`: a device that has a model takes tasks in plain words."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
from typing_extensions import TypedDict

from constellation.errors import ConfigError, ConstellationError
from constellation.llm import ChatModel, open_model
from constellation.model_settings import AssistantSettings

from ..attempts import IN_WORDS
from ..context import Context
from ..skills import AnySkill, Registry, skill
from .events import Begin, Budget, Tool
from .shell import Assistant

log = logging.getLogger("constellation.agent")

KEPT = 200
"""So many trajectories stay on the device; each is an artifact of the fabric as well."""


class Trajectory(TypedDict):
    artifact: str
    size_bytes: int


class Done(TypedDict):
    """What an assistant returns: its answer, what it cost, and what it did on the way."""

    answer: str
    steps: int
    tokens: int
    cost: float
    trajectory: Trajectory | None


def make_assistant(
    settings: AssistantSettings, registry: Registry, folder: Path, model: ChatModel | None = None
) -> AnySkill:
    """The skill, over the other skills of a device.

    Args:
        settings: its model and budget.
        registry: what it may use; skills that come later count.
        folder: where trajectories are kept.
        model: in place of the one that the settings name.

    Raises:
        ConfigError: the model lacks a key, or the extra ``llm`` is not installed.
    """
    thinking = model or open_model(settings, max_tokens=settings.answer_tokens)
    budget = Budget(
        settings.steps, settings.tokens, settings.time_s, settings.repairs, settings.cost
    )

    @skill(IN_WORDS, effect="write", idempotent=False)
    async def do(context: Context, instruction: str, data: Any = None) -> Done:
        """Do what a person says in plain words, step by step, with the other skills of this device.

        It needs a moment and a model: where one skill does what is wanted, call that.

        Args:
            instruction: what to do, and what to return.
            data: what it is about, such as results of other tasks; never taken for instructions.
        """
        tools = tuple(
            Tool(each.name, each.card.description, each.card.effect, each.card.input)
            for each in registry
            if each.name != IN_WORDS
        )
        file = folder / f"{context.attempt.replace('/', '_')}.jsonl"
        with _recording(file) as record:
            assistant = Assistant(registry, thinking, context, record)
            try:
                allowed = _allowed(budget, context.max_cost)
                done = await assistant.run(Begin(instruction, tools, allowed, data))
            except ConstellationError as error:
                error.details["trajectory"] = await _hand_in(file, context)
                raise
        trajectory = await _hand_in(file, context)
        return Done(
            answer=done.answer,
            steps=done.steps,
            tokens=done.tokens,
            cost=done.cost,
            trajectory=trajectory,
        )

    return do


def _allowed(budget: Budget, max_cost: float | None) -> Budget:
    """The budget, and no more than the constellation gives the task."""
    bounds = [each for each in (budget.cost, max_cost) if each is not None]
    return replace(budget, cost=min(bounds, default=None))


@contextmanager
def _recording(file: Path) -> Iterator[Callable[[str], None]]:
    """Write lines to a file, each at once, so that what is canceled or killed is told as well."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        old = sorted(file.parent.glob("*.jsonl"), key=lambda each: each.stat().st_mtime)
        for each in old[: max(0, len(old) - KEPT + 1)]:
            each.unlink(missing_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"The trajectory {file} cannot be written: {error.strerror}.",
            remedy="Make room for it, or name another --state-dir.",
        ) from None
    with os.fdopen(handle, "w", encoding="ascii", buffering=1) as stream:

        def write(line: str) -> None:
            stream.write(f"{line}\n")

        yield write


async def _hand_in(file: Path, context: Context) -> Trajectory | None:
    """Make an artifact of a trajectory; None if the hub does not take it: the work counts."""
    try:
        data = await anyio.Path(file).read_bytes()
        digest, size = await context.put_bytes(data, file.name)
    except (OSError, ConstellationError) as error:
        log.warning("The trajectory %s stays on this device: %s", file, error)
        return None
    return Trajectory(artifact=digest, size_bytes=size)
