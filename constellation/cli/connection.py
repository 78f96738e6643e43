"""How commands run and ask a hub."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import anyio
import typer
from anyio.abc import TaskStatus

from constellation.aip.eventloop import loop_options
from constellation.client import HubClient, open_hub
from constellation.config import load_settings
from constellation.errors import ConstellationError

from .exits import SIGNALED

T = TypeVar("T")


def run_async(function: Callable[[], Awaitable[T]]) -> T:
    """Run an async function to its end; a group of errors is raised as the first known one in it.

    SIGTERM and SIGHUP cancel it, so that it can clean up, and then end the command.
    """
    ended_by: list[int] = []

    async def supervised() -> list[T]:
        results = []
        async with anyio.create_task_group() as tasks:
            await tasks.start(_cancel_on_signal, tasks.cancel_scope, ended_by)
            results.append(await function())
            tasks.cancel_scope.cancel()
        return results

    try:
        results = anyio.run(supervised, backend_options=loop_options())
    except BaseExceptionGroup as group:
        found = _first_known(group)
        if found is None:
            raise
        raise found from None
    if ended_by:
        raise typer.Exit(SIGNALED + ended_by[0])
    return results[0]


async def _cancel_on_signal(
    scope: anyio.CancelScope, ended_by: list[int], *, task_status: TaskStatus[None]
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            ended_by.append(number)
            scope.cancel()


def _first_known(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """One of our errors, or that nobody reads our output any more; None if others are there too."""
    known, others = group.split((ConstellationError, BrokenPipeError))
    if known is None or others is not None:
        return None
    first: BaseException = known
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


def ask_hub(verb: str, state_dir: Path | None = None, **params: Any) -> Mapping[str, Any]:
    """Connect, make one request, disconnect.

    Args:
        verb: of the request, with its parameters.
        state_dir: of the hub; None for the one that the settings name.
    """
    return _with_hub(lambda hub: hub.ask(verb, **params), state_dir)


def ask_for_run(constellation: str) -> Mapping[str, Any]:
    """Connect, ask for a constellation with its graph, disconnect."""
    return _with_hub(lambda hub: hub.show(constellation))


def _with_hub(
    function: Callable[[HubClient], Awaitable[Mapping[str, Any]]],
    state_dir: Path | None = None,
) -> Mapping[str, Any]:
    settings = load_settings({"state_dir": state_dir})

    async def ask() -> Mapping[str, Any]:
        async with open_hub(settings) as hub:
            return await function(hub)

    return run_async(ask)
