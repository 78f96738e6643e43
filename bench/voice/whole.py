"""The parts of the bench that look at the agent as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agents.voice.models.loading import loaded
from bench.harness import Options, Report, figure, quantile

from .conversations import Cached
from .ear import reactions
from .firsts import first_turns
from .hour import an_hour
from .link import cost_of_the_session
from .speakers import SOUNDS, TEST, people
from .talks import cost_of_talking


def _ear(options: Options, report: Report) -> None:
    tested = people(TEST, Path(options.extra.get("sounds", SOUNDS)))
    with loaded(seed=0) as shared:
        models = shared.models
        models = replace(models, speaker=Cached(models.speaker))
        chosen = tested[: options.size(len(TEST), 2)]
        found = list(reactions(chosen, shared.detector, models, options.times(3)))
    table = report.table(
        f"From the voice to the ear, ms, of {len(found)} interruptions", "the agent", "p50", "p90"
    )
    report.data["ear_s"] = {}
    for title, name in (("is softer", "softer_s"), ("is silent", "silent_s")):
        waits = [getattr(each, name) for each in found]
        p50, p90 = quantile(waits, 0.5), quantile(waits, 0.9)
        table.add_row(title, figure(1000 * p50), figure(1000 * p90))
        report.data["ear_s"][name] = {"p50": p50, "p90": p90}
    report.notes.append(
        "In the sound that the agent plays, beside the same story without an interruption; the "
        "sound device comes on top."
    )


def _first(options: Options, report: Report) -> None:
    tested = people(TEST, Path(options.extra.get("sounds", SOUNDS)))[: options.size(len(TEST), 2)]
    table = report.table(
        f"The first turn of a stream, in a quiet room: {len(tested)} people",
        "enrolment s",
        "turns",
        "answered %",
        "turns of others",
        "answered, wrongly %",
    )
    report.data["first"] = {}
    with loaded(seed=0) as shared:
        models = shared.models
        models = replace(models, speaker=Cached(models.speaker))
        turns = options.size(8, 2)
        for enrolment_s, found in first_turns(tested, shared.detector, models, turns):
            own, others = (sum(each) / max(1, len(each)) for each in (found.own, found.others))
            table.add_row(
                f"{enrolment_s:.0f}",
                str(len(found.own)),
                f"{100 * own:.1f}",
                str(len(found.others)),
                f"{100 * others:.1f}",
            )
            report.data["first"][f"{enrolment_s:.0f}"] = {"own": own, "others": others}
    report.notes.append("A turn lasts 1 to 2.5 s; others are of the same source.")


def _hour(options: Options, report: Report) -> None:
    minutes = options.size(60, 6)
    hour = an_hour(minutes)
    table = report.table(f"A conversation of {minutes} simulated minutes", "", "")
    table.add_row("requests", str(hour.said))
    table.add_row("turns ended", str(hour.turns))
    table.add_row("answers heard to their end", str(hour.answers))
    table.add_row("to the answer in the first sixth, ms", figure(1000 * hour.early_s))
    table.add_row("to the answer in the last sixth, ms", figure(1000 * hour.late_s))
    table.add_row("growth after the first sixth, KiB", figure(hour.grown_bytes / 1024))
    report.data["hour"] = {
        "said": hour.said,
        "turns": hour.turns,
        "answers": hour.answers,
        "early_s": hour.early_s,
        "late_s": hour.late_s,
        "grown_bytes": hour.grown_bytes,
    }


def _talks(options: Options, report: Report) -> None:
    with loaded(seed=0) as shared:
        cost = cost_of_talking(shared, options.size(16, 3), options.size(20, 3))
    table = report.table(
        f"A conversation of {cost.seconds:.0f} s with the models that ship", "", ""
    )
    table.add_row("processor seconds a second", f"{cost.processor_s:.2f}")
    table.add_row("conversations for each processor", figure(1 / cost.processor_s))
    table.add_row("memory of one more, MiB", figure(cost.memory_bytes / 2**20))
    report.data["talks"] = {
        "processor_s": cost.processor_s,
        "memory_bytes": cost.memory_bytes,
    }
    report.notes.append("A person asks something every 8 s; what only listens costs far less.")


def _link(options: Options, report: Report) -> None:
    costs = cost_of_the_session(options.size(1_500, 100))
    table = report.table(
        "From the page to the agent and back", "by", "p50 ms", "p95 ms", "page sends KiB/s"
    )
    for name, title in (("bare", "bare websocket messages"), ("aip", "an AIP session")):
        cost = costs[name]
        sent = figure(cost.bytes_s / 1024)
        table.add_row(title, figure(cost.p50_ms), figure(cost.p95_ms), sent)
    report.data["link"] = {
        name: {"p50_ms": cost.p50_ms, "p95_ms": cost.p95_ms, "bytes_s": cost.bytes_s}
        for name, cost in costs.items()
    }
    report.notes.append("In Chromium: every 20 ms of the microphone bring one small message back.")


PARTS = {"ear": _ear, "first": _first, "hour": _hour, "talks": _talks, "link": _link}
