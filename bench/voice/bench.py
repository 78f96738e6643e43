"""Puts the parts of the bench together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from math import isfinite
from pathlib import Path
from statistics import median

from agents.voice.models.loading import loaded
from agents.voice.ports import Models
from agents.voice.pvad import Listener
from bench.harness import Options, Report, figure, quantile
from constellation.errors import ConfigError

from .bargein import barge_in
from .conversations import Cached
from .echoes import listen
from .endings import HESITATION_S, Verdict, Waits, cases, enrolled, judge, waited
from .load import cost_of_listening
from .peers import PYTHON, Peer
from .speakers import BABBLE, SOUNDS, TEST, people
from .television import STORY, Disturbed, disturb
from .whole import PARTS as WHOLE


def run(options: Options) -> Report:
    """Measure all parts, or one.

    Raises:
        ConfigError: there is no such part, or something is not installed.
    """
    wanted = options.extra.get("only")
    if wanted is not None and wanted not in _PARTS:
        raise ConfigError(f"There is no part {wanted!r}; there are {', '.join(_PARTS)}.")
    report = Report()
    for name, part in _PARTS.items():
        if wanted in (None, name):
            part(options, report)
    return report


def _television(options: Options, report: Report) -> None:
    sounds = Path(options.extra.get("sounds", SOUNDS))
    tested, babble = people(TEST, sounds), people(BABBLE, sounds)
    found: dict[str, Disturbed] = defaultdict(Disturbed)
    with loaded(seed=0) as shared:
        models = _cached(shared.models)
        for room, notes in disturb(tested[: options.size(12, 2)], babble, shared.detector, models):
            found[room].add(notes)
    table = report.table(
        "Stories told while others talk",
        "room",
        "minutes",
        "softer",
        "silent for a moment",
        "given up",
        "given up in 10 min",
        "whole",
        "a word lost",
    )
    for room, each in found.items():
        minutes = each.told_s / 60
        table.add_row(
            room,
            figure(minutes),
            str(each.ducks),
            str(each.pauses),
            str(each.stops),
            figure(10 * each.stops / minutes),
            str(each.whole),
            str(each.lost),
        )
    report.data["television"] = {
        room: {"minutes": each.told_s / 60, "stops": each.stops, "lost": each.lost}
        for room, each in found.items()
    }


def _endings(options: Options, report: Report) -> None:
    with ExitStack() as stack:
        shared = stack.enter_context(loaded(seed=0))
        pipecat = stack.enter_context(Peer("Pipecat's")) if PYTHON.exists() else None
        models = _cached(shared.models)
        asked = list(cases(models.speaker))[:: options.size(1, 8)]
        verdicts = [judge(case, shared.detector, models, pipecat) for case in asked]
        voiceprint = enrolled(models.speaker, shared.detector, models)
        known = [
            waited(case, Listener(shared.detector, voiceprint, models.voices), models)
            for case in asked
            if case.complete
        ]
    table = report.table(
        "Ends of turns, right in %", "rule", "complete requests", "hesitations", "both"
    )
    data = {}
    for name, rule in (
        ("silence and sound and words", "ours"),
        (f"Pipecat's, its package ({pipecat.version})" if pipecat else "", "pipecat"),
        ("Smart Turn after 0.2 s of silence, by us", "smart_turn"),
        ("0.5 s of silence", "silence"),
    ):
        if not name:
            continue
        shares = [
            _share([getattr(each, rule) for each in verdicts if each.complete in which])
            for which in ((True,), (False,), (True, False))
        ]
        table.add_row(name, *(f"{100 * share:.0f}" for share in shares))
        data[rule] = dict(zip(("complete", "hesitant", "both"), shares, strict=True))
    report.data["endings"] = data
    _latency(report, [each for each in verdicts if each.complete], known)
    report.notes.append(
        f"Spoken by one synthetic voice; a hesitation lasts {HESITATION_S:.0f} s. A complete "
        "request is taken rightly if its turn is over within a second, a hesitation if it is not "
        "over before the person goes on."
    )


def _latency(report: Report, verdicts: Sequence[Verdict], known: Sequence[Waits]) -> None:
    """What complete requests waited for, from everyone and from the one voice that is enrolled."""
    taken = [each for each in known if isfinite(each.answer_s)]
    columns = {"latency_s": [each.waits for each in verdicts], "latency_enrolled_s": taken}
    table = report.table(
        "From the end of a request, ms", "until", "p50", "p95", "voice enrolled: p50", "p95"
    )
    titles = {"turn_s": "the turn is over", "answer_s": "the answer is heard"}
    for name in columns["latency_s"][0].by_name:
        cells: list[str] = []
        for key, waits in columns.items():
            cells += _spread(report, key, name, [each.by_name[name] for each in waits])
        table.add_row(titles.get(name, name), *cells)
    longer = _spread(report, "latency_s", "manner_s", [each.manner_s for each in verdicts])
    table.add_row("semi-cascaded: longer by", *longer)
    report.data["enrolled"] = {"said": len(known), "taken": len(taken)}
    report.notes.append(
        f"With their voice enrolled, {len(taken)} of {len(known)} complete requests were taken for "
        "the person's; the columns are of those."
    )


def _spread(report: Report, key: str, name: str, waits: Sequence[float]) -> list[str]:
    """Cells for the table, and the same for programs; nothing of nothing."""
    if not waits:
        return ["–", "–"]
    spread = {"p50": quantile(waits, 0.5), "p95": quantile(waits, 0.95)}
    report.data.setdefault(key, {})[name] = spread
    return [figure(1000 * each) for each in spread.values()]


def _share(right: Sequence[bool]) -> float:
    return sum(right) / max(1, len(right))


def _cached(models: Models) -> Models:
    return replace(models, speaker=Cached(models.speaker))


def _echo(options: Options, report: Report) -> None:
    sounds = Path(options.extra.get("sounds", SOUNDS))
    tested = people(TEST, sounds)[: options.size(len(TEST), 2)]
    with loaded(seed=0) as shared:
        answer = shared.models.speaker.say(STORY).samples
    report.data["echo"] = {}
    for echo_db in (-10.0, 0.0):
        table = report.table(
            f"An answer that comes back {echo_db:+.0f} dB beside the person's voice",
            "canceller",
            "echo loss dB",
            "T90 ms",
            "median ms",
            "honoured %",
            "interrupts itself in 10 min",
            "processor s/s",
        )
        effects = listen(tested, answer, shared.detector, echo_db)
        for name, effect in effects.items():
            found = effect.events.figures()
            own = 10 * effect.own / effect.minutes
            table.add_row(
                name,
                figure(median(effect.loss_db)),
                found.t90_s.ms(),
                found.median_s.ms(),
                found.honoured.percent(),
                figure(own),
                f"{median(effect.took_s):.3f}",
            )
            report.data["echo"][f"{name}, {echo_db:+.0f} dB"] = {
                "loss_db": median(effect.loss_db),
                "t90_s": found.t90_s.value,
                "median_s": found.median_s.value,
                "honoured": found.honoured.value,
                "own_per_10_min": own,
            }


def _load(options: Options, report: Report) -> None:
    minutes = options.size(60, 10)
    cost = cost_of_listening(minutes)
    table = report.table(f"One stream that listens for {minutes} min", "", "")
    table.add_row("processor seconds a second", f"{cost.real_time_factor:.3f}")
    table.add_row("memory of a stream, KiB", figure(cost.stream_bytes / 1024))
    table.add_row("growth of the process after a minute, KiB", figure(cost.grown_bytes / 1024))
    table.add_row("last five minutes beside the first", f"{cost.slower:.2f}×")
    report.data["load"] = {
        "real_time_factor": cost.real_time_factor,
        "stream_bytes": cost.stream_bytes,
        "grown_bytes": cost.grown_bytes,
        "slower": cost.slower,
    }


_PARTS = {
    "barge-in": barge_in,
    "television": _television,
    "endings": _endings,
    "echo": _echo,
    "load": _load,
    **WHOLE,
}
