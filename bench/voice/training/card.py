"""The model's card: what it was made of, for whom, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.voice.interruptions import Figures
from bench.voice.mixtures import Condition
from bench.voice.speakers import TEST, VALIDATION

from .learning import Outcome, Plan
from .roster import TRAINING
from .scenes import KINDS, SCENE_S

# As the copyright files of Debian's packages say.
_LICENCES = {
    "asterisk-core-sounds-en-wav": "CC BY-SA 3.0",
    "klettres-data": "GPL-2 or later",
    "ktuberling-data": "GPL-2 or later, CC BY",
    "tuxpaint-stamps-default": "GPL-2",
}
_LIBRISPEECH = (
    "LibriSpeech train-clean-100 (Vassil Panayotov, Guoguo Chen, Daniel Povey, Sanjeev Khudanpur; "
    "CC BY 4.0), an utterance of each of {} speakers, by number in "
    "bench/voice/training/librispeech.txt"
)

Judged = Mapping[tuple[str, Condition], Figures]


@dataclass(frozen=True, slots=True)
class Card:
    """What there is to say.

    Attributes:
        voices: their names.
        start: what it began with.
        figures: by name of a model.
    """

    voices: Sequence[str]
    plan: Plan
    scenes: int
    start: str
    outcome: Outcome
    figures: Mapping[str, Judged]


def write_card(path: Path, card: Card) -> None:
    """Write it, in Markdown."""
    path.write_text("\n".join(_lines(card)) + "\n")


def _lines(card: Card) -> list[str]:
    plan, losses = card.plan, card.outcome.losses
    kinds = ", ".join(f"{share:.0%} {name}" for name, share in KINDS.items())
    encoder = (
        f"at a rate of {plan.encoder_rate:g}" if plan.encoder_rate else "not, it stayed as it was"
    )
    return [
        "# A personalised voice activity detector",
        "",
        "Made by `python -m bench.voice train`.",
        "",
        "## Training",
        "",
        f"Began with {card.start}. {card.scenes} scenes of {SCENE_S:.0f} s ({kinds}), "
        f"seed {plan.seed}; batches of {plan.batch} for at most {plan.steps} steps, at a rate of "
        f"{plan.rate:g}; the encoder learnt {encoder}. The weights are those after step "
        f"{card.outcome.step}, where the loss on scenes of the validation speakers was least:",
        "",
        "| step | loss |",
        "|---|---|",
        *(f"| {step} | {loss:.4f} |" for step, loss in losses.items()),
        "",
        "## Data",
        "",
        *_data(card.voices),
        "",
        f"Validation, other people: {', '.join(VALIDATION)}.",
        "",
        f"Test, others again: {', '.join(TEST)}.",
        "",
        *_figures(card.figures),
    ]


def _data(voices: Sequence[str]) -> list[str]:
    names = [str(name) for name in voices if not name.endswith("'")]
    readers = [name for name in names if name.startswith("ls_")]
    packages: dict[str, list[str]] = {}
    for name in names:
        if name not in readers:
            packages.setdefault(TRAINING[name].package, []).append(name)
    lines = [
        f"- {package} ({_LICENCES[package]}): {', '.join(people)}"
        for package, people in sorted(packages.items())
    ]
    if readers:
        lines.append(f"- {_LIBRISPEECH.format(len(readers))}")
    return [
        *lines,
        f"- of each a second voice, of another pitch and vocal tract: {len(voices)} voices in all",
    ]


def _figures(figures: Mapping[str, Judged]) -> list[str]:
    lines = []
    for group in dict.fromkeys(group for judged in figures.values() for group, _ in judged):
        lines += [
            f"## When the agent is silent, {group} speakers",
            "",
            "| condition | model | T90 ms | median ms | honoured % | false % |",
            "|---|---|---|---|---|---|",
        ]
        for condition in Condition:
            for name, judged in figures.items():
                found = judged[group, condition]
                cells = (found.t90_s.ms(), found.median_s.ms())
                shares = (found.honoured.percent(), found.false.percent())
                lines.append(f"| {' | '.join((condition, name, *cells, *shares))} |")
        lines.append("")
    return lines
