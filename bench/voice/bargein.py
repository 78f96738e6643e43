"""Who is let interrupt: rules beside each other on the same streams, and their whole curves."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.harness import Options, Report
from constellation.errors import ConfigError

from .curves import Point
from .interruptions import Figures
from .judge import RULES, SWEPT, Found, Judge, pooled
from .mixtures import Condition, streams
from .peers import installed
from .speakers import BABBLE, GROUPS, SOUNDS, people


def barge_in(options: Options, report: Report) -> None:
    """Play everybody's streams to all rules.

    Raises:
        ConfigError: there are no such people, or something is not installed.
    """
    sounds = Path(options.extra.get("sounds", SOUNDS))
    group = options.extra.get("people", "test")
    if group not in GROUPS:
        raise ConfigError(f"There are no people {group!r}; there are {', '.join(GROUPS)}.")
    tested, babble = people(GROUPS[group], sounds), people(BABBLE, sounds)
    if options.quick:
        tested = tested[:2]
    heard: dict[Condition, Found] = {}
    with ExitStack() as stack:
        peers = {name: stack.enter_context(peer) for name, peer in installed().items()}
        judge = Judge(peers)
        for condition in Condition:
            heard[condition] = Found()
            for stream in streams(tested, babble, condition, options.times(2)):
                judge.hear(stream, heard[condition])
    versions = {name: peer.version for name, peer in peers.items()}
    tell(report, heard, versions, options.extra.get("plots"))


def tell(
    report: Report,
    heard: Mapping[Condition, Found],
    versions: Mapping[str, str],
    plots: str | None = None,
) -> None:
    """Put what came of the streams into tables.

    Args:
        versions: of the frameworks' packages that decided, by whose they are.
        plots: a folder to draw it in.
    """
    report.data["barge_in"] = {}
    for condition, found in heard.items():
        figures = {rule: each.figures() for rule, each in found.events.items()}
        points = {rule: each.points() for rule, each in found.sweeps.items()}
        where = f"{condition}: {len(found.events['silent'].waits_s)} people"
        report.data["barge_in"][condition.name.lower()] = {
            rule: _plain(each) for rule, each in figures.items()
        } | {
            "curves": {
                rule: [{"threshold": each.threshold} | _plain(each.figures) for each in points]
                for rule, points in points.items()
            }
        }
        _table(report, where, figures)
        _curve(report, where, points)
    _thresholds(report, heard)
    if versions:
        _agreement(report, heard, versions)
    if plots:
        from .plots import plotted

        report.notes.append(f"Drawn in {plotted(heard, plots)}.")
    report.notes += [
        "T90: by then 90 % of the turns of the enrolled person are honoured; one that never is "
        "counts as infinite. False: fired in a turn of another person of the same source. 95 % "
        "intervals by speaker.",
        "The same streams for all. "
        + (
            "LiveKit's and Pipecat's rules are those of their packages, with their defaults."
            if versions
            else "LiveKit's and Pipecat's rules are written anew by us, over Silero's detector."
        ),
        "Thresholds of the rules above were set on other people, over all conditions; those of a "
        "curve are what gives so many false alarms on these very streams.",
    ]


def _plain(found: Figures) -> dict[str, float]:
    return {
        "t90_s": found.t90_s.value,
        "median_s": found.median_s.value,
        "honoured": found.honoured.value,
        "false": found.false.value,
    }


def _table(report: Report, where: str, figures: dict[str, Figures]) -> None:
    first = next(iter(figures.values()))
    table = report.table(
        f"Interruptions, {where}, {first.turns} turns",
        "the agent",
        "T90 ms",
        "median ms",
        "honoured %",
        "false %",
    )
    for rule, found in figures.items():
        table.add_row(
            RULES[rule],
            found.t90_s.ms(),
            found.median_s.ms(),
            found.honoured.percent(),
            found.false.percent(),
        )


def _curve(report: Report, where: str, points: dict[str, list[Point]]) -> None:
    """A row for each share of false alarms; the swept rules beside each other."""
    columns = [
        f"{short}: {what}"
        for short in ("ours", "gate")
        for what in ("T90 ms", "median ms", "honoured %")
    ]
    table = report.table(f"With other thresholds, {where}", "false, at most %", *columns)
    for row in zip(*(points[rule] for rule in SWEPT), strict=True):
        cells = [
            cell
            for each in (point.figures for point in row)
            for cell in (each.t90_s.ms(), each.median_s.ms(), each.honoured.percent())
        ]
        table.add_row(f"{100 * row[0].asked:.0f}", *cells)


def _agreement(
    report: Report, heard: Mapping[Condition, Found], versions: Mapping[str, str]
) -> None:
    """How far the rules that are written anew decide as the packages do."""
    table = report.table(
        "The packages' decisions beside those of their rules written anew, alike in % of turns",
        "package",
        *heard,
    )
    report.data["alike"] = {}
    for name, version in versions.items():
        shares = [found.events[name].alike(found.anew[name]) for found in heard.values()]
        table.add_row(version, *(f"{100 * share:.1f}" for share in shares))
        report.data["alike"][version] = dict(zip(heard, shares, strict=True))


def _thresholds(report: Report, heard: Mapping[Condition, Found]) -> None:
    """Over all conditions: from this, with the validation speakers, thresholds are taken."""
    sweeps = pooled(list(heard.values()))
    table = report.table(
        "Over all conditions",
        "rule",
        "false, at most %",
        "threshold",
        "T90 ms",
        "median ms",
        "honoured %",
    )
    found: dict[str, Any] = {}
    for rule, name in SWEPT.items():
        points = sweeps[rule].points()
        found[rule] = {f"{each.asked:g}": each.threshold for each in points}
        for each in points:
            table.add_row(
                name,
                f"{100 * each.asked:.0f}",
                f"{each.threshold:.3f}",
                each.figures.t90_s.ms(),
                each.figures.median_s.ms(),
                each.figures.honoured.percent(),
            )
    report.data["thresholds"] = found
