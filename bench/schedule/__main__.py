"""`python -m bench.schedule train`: train the learned rule anew, in minutes, on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import training
from .learned import WEIGHTS
from .network import load
from .training import Plan, train_to

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """What belongs to the bench of scheduling rules."""


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Where the weights go.")] = WEIGHTS,
    minutes: Annotated[float, typer.Option(help="At most.")] = 60.0,
    steps: Annotated[int, typer.Option(min=1, help="At most.")] = 100,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
) -> None:
    """Train the rule that is learned, and write its weights."""
    trained = train_to(out, Plan(minutes=minutes, steps=steps, seed=seed))
    print(
        f"{out}: {trained.ratio:.4f} of the default's makespan, "
        f"after {trained.steps:,} steps and {trained.plays:,} plays."
    )


@app.command()
def validate(
    weights: Annotated[Path, typer.Option(help="Where they are.")] = WEIGHTS,
    instances: Annotated[int, typer.Option(min=1, help="How many.")] = 200,
) -> None:
    """Compare the learned rule with the default on instances by which nothing was chosen."""
    ratio = training.validate(load(weights), instances)
    print(f"{weights}: {ratio:.4f} of the default's makespan on {instances} fresh instances.")


if __name__ == "__main__":
    app(prog_name="python -m bench.schedule")
