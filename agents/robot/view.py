"""A robot at work, for a terminal: who moves it, how late things are, what the envelope changed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TextIO

import numpy as np
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .agent import Assembly
from .events import Released

_PER_SECOND = 5
_BAR = 24


def describe(assembly: Assembly) -> Table:
    """What a person wants to know at this moment."""
    loop, controller, spec = assembly.loop, assembly.loop.controller, assembly.pilot.spec
    record = tuple(controller.record)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("robot", f"{spec.name}, {_counted(spec.action_dim, 'joint')}")
    table.add_row("state", _state(controller.state, controller.halted))
    table.add_row("task", controller.prompt or "none")
    table.add_row("strategy", f"{assembly.choice.strategy.name}: {assembly.choice.why}")
    table.add_row("rate", _rate(spec.rate_hz, tuple(loop.lateness)))
    planned_ms = 1e3 * controller.planned / spec.rate_hz
    table.add_row("delay", f"{_counted(controller.planned, 'step')} planned, {planned_ms:.0f} ms")
    last = record[-1].source if record else None
    # Rows stay where they are, whatever moves it.
    driven = last is not None and last.chunk is not None
    table.add_row("chunk", f"{last.chunk}, action {last.index}" if last and driven else "none")
    table.add_row("refused", _counted(controller.refused, "answer"))
    table.add_row("held", f"{controller.holds} of {controller.step} steps")
    table.add_row("clamped", f"{controller.clamps} of {controller.step} steps")
    table.add_row("stops", _stops(controller.stops, controller.released))
    score = assembly.pilot.score
    if score is not None:
        table.add_row("score", f"{score:g}")
    limits, commanded = spec.limits, controller.commanded
    for joint, (low, high, position) in enumerate(
        zip(limits.low, limits.high, commanded, strict=True)
    ):
        bar = _bar(float((position - low) / (high - low)))
        table.add_row(f"joint {joint}", f"{low:7.2f} {bar} {high:<7.2f} {position:8.3f}")
    return table


@contextmanager
def watched(assembly: Assembly, console: Console) -> Iterator[None]:
    """Shows it while the context is open, if there is a terminal to show it on."""
    if not console.is_terminal:
        yield
        return
    shown, direct = partial(describe, assembly), sys.stderr
    with (
        Live(get_renderable=shown, console=console, refresh_per_second=_PER_SECOND),
        _logs_above(direct),
    ):
        yield


def teller(console: Console) -> Callable[[str], None]:
    """Says something on the standard output, above the view if that is on the same terminal.

    To be made before the view takes its place.
    """
    out = sys.stdout
    if console.is_terminal and out.isatty():
        return partial(console.print, markup=False, highlight=False)
    return partial(typer.echo, file=out)


@contextmanager
def _logs_above(direct: TextIO) -> Iterator[None]:
    """Log lines are written above the view; in its place they would be drawn over.

    Args:
        direct: the error output as it was before the view took its place.
    """
    moved = [
        each
        for each in logging.getLogger().handlers
        if isinstance(each, logging.StreamHandler) and each.stream is direct
    ]
    for each in moved:
        each.setStream(sys.stderr)
    try:
        yield
    finally:
        for each in moved:
            each.setStream(direct)


def _state(state: str, halted: str | None) -> Text:
    if halted is None:
        return Text(state, "green" if state == "driven" else "")
    if state in ("held", "stopped"):
        return Text(f"{state}: {halted}", "bold red" if state == "stopped" else "")
    return Text(f"{state}, but holds: {halted}", "yellow")


def _stops(count: int, released: Released | None) -> str:
    if released is None:
        return str(count)
    return f"{count}, the last release by {released.person}, after: {released.stopped}"


def _rate(rate_hz: float, lateness: tuple[float, ...]) -> str:
    if not lateness:
        return f"{rate_hz:g} Hz"
    late_ms = 1_000 * float(np.percentile(lateness, 99))
    return f"{rate_hz:g} Hz, 99 of 100 steps at most {late_ms:.1f} ms late"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _bar(share: float) -> str:
    mark = round(min(max(share, 0.0), 1.0) * (_BAR - 1))
    return "─" * mark + "●" + "─" * (_BAR - 1 - mark)
