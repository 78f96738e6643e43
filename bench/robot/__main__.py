"""What belongs to the bench of the robot agent, beside its tables.

`python -m bench.robot train`: train the policies that ship, in minutes, on a CPU.
`python -m bench.robot vla-shape`: time a model in the shape of π0.5, on a GPU.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from agents.robot.policies.inputs import Kind
from agents.robot.sims.robot import WORLDS

from .train import SEED, train
from .vla_model import SHAPES
from .vla_shape import device_here, measure

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


@app.command("vla-shape")
def vla_shape(
    shape: Annotated[
        str | None, typer.Option(help="pi05 or small; default: pi05 on a GPU, else small.")
    ] = None,
    cameras: Annotated[str, typer.Option(help="How many robots have, such as 1,2,3.")] = "1,2,3",
    robots: Annotated[str, typer.Option(help="Sizes of batches.")] = "1,2,4,8,16",
    repetitions: Annotated[int, typer.Option(min=1)] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Time a model in the shape of π0.5 with random weights, for batches of several robots."""
    device, name = device_here()
    taken = SHAPES[shape or ("pi05" if device == "cuda" else "small")]
    cases = []
    if not as_json:
        print(f"{taken.name} on {name}")
        print(f"{'cameras':>8}{'robots':>8}{'p50 ms':>10}{'p95 ms':>10}{'answers/s':>11}")
    for case in measure(taken, _whole(cameras), _whole(robots), repetitions):
        cases.append(asdict(case))
        if not as_json:
            print(
                f"{case.cameras:>8}{case.robots:>8}{case.p50_ms:>10.1f}{case.p95_ms:>10.1f}"
                f"{case.per_second:>11.1f}",
                flush=True,
            )
    if as_json:
        print(json.dumps({"shape": taken.name, "device": name, "cases": cases}))


def _whole(said: str) -> list[int]:
    return [int(each) for each in said.split(",")]


if __name__ == "__main__":
    app(prog_name="python -m bench.robot")
