"""`python -m bench.robot train`: train the policies that ship, in minutes, on a CPU."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.robot.policies.inputs import Kind
from agents.robot.sims.robot import WORLDS

from .train import SEED, train

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """What belongs to the bench of the robot agent."""


@app.command("train")
def train_all(
    world: Annotated[list[str] | None, typer.Option(help="Only these worlds.")] = None,
    kind: Annotated[list[Kind] | None, typer.Option(help="Only these kinds.")] = None,
    seed: Annotated[int, typer.Option(help="All chance comes from it.")] = SEED,
) -> None:
    """Train the policies and write their networks to where they ship."""
    for each in world or WORLDS:
        for how in kind or Kind:
            trained = train(each, how, seed=seed)
            print(
                f"{trained.name}: {100 * trained.unexplained:.2f} % of the variance unexplained, "
                f"{trained.seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    app(prog_name="python -m bench.robot")
