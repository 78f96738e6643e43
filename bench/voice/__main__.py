"""`python -m bench.voice`: what to install for the bench, and the training of its detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from constellation.errors import ConfigError

from .speakers import BABBLE, SOUNDS, TEST, VALIDATION
from .training.roster import TRAINING

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """What belongs to the bench of the voice agent."""


@app.command()
def packages(
    training: Annotated[bool, typer.Option(help="Those for training as well.")] = False,
) -> None:
    """Print the Debian packages that have the recordings, a line each."""
    places = (TEST | BABBLE | (TRAINING | VALIDATION if training else {})).values()
    for package in sorted({place.package for place in places}):
        print(package)


@app.command()
def train(
    out: Annotated[
        Path, typer.Option(help="For scenes, checkpoint, model and card; what is there is used.")
    ] = Path("build/pvad"),
    sounds: Annotated[Path, typer.Option(help="Where Debian's packages are.")] = SOUNDS,
    clips: Annotated[
        Path | None, typer.Option(help="LibriSpeech utterances, one of each speaker.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="A model to begin with, or resemblyzer; else what ships.")
    ] = None,
    scenes: Annotated[int, typer.Option(min=10, help="To learn from.")] = 1_500,
    steps: Annotated[int, typer.Option(min=1, help="Of the optimiser.")] = 1_500,
    batch: Annotated[int, typer.Option(min=2, help="Scenes in a step.")] = 32,
    rate: Annotated[float, typer.Option(help="Of learning.")] = 4e-4,
    encoder_rate: Annotated[
        float, typer.Option(help="For the encoder, such as 1e-4 on a GPU; 0 leaves it.")
    ] = 0.0,
    minutes: Annotated[float, typer.Option(help="Of learning, at most.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    quick: Annotated[bool, typer.Option(help="Few of everything: to see it work.")] = False,
) -> None:
    """Train the personalised detector (extra `train`), and write it beside its card."""
    try:
        from .training.command import Wanted, train
        from .training.learning import Plan
    except ImportError as error:
        typer.echo(f"Error: {error}. Install the extra: pip install -e .[train]", err=True)
        raise typer.Exit(1) from None
    plan = Plan(steps, batch, rate, encoder_rate, 100, minutes, seed)
    wanted = Wanted(out, sounds, clips, start, scenes, quick)
    if quick:
        plan, wanted = Plan(4, 4, check_every=2, seed=seed), wanted.shortened()
    try:
        model = train(wanted, plan, print)
    except ConfigError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
    print(f"{model} and its card are written.")


if __name__ == "__main__":
    app(prog_name="python -m bench.voice")
