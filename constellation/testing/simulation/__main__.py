"""`python -m constellation.testing.simulation`: play many lives, or look at one."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated

import typer

from .checker import Violation
from .life import Life, Story, play, tell
from .shrinking import shrink

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    seeds: Annotated[int, typer.Option(min=1, help="How many lives to play.")] = 1_000,
    first: Annotated[int, typer.Option(min=0, help="The seed of the first.")] = 0,
    seed: Annotated[int | None, typer.Option(min=0, help="Play this one alone.")] = None,
    faults: Annotated[
        str | None, typer.Option(help="Of that one only these faults, such as 0,3.")
    ] = None,
    trace: Annotated[bool, typer.Option(help="Tell what happens.")] = False,
) -> None:
    """Play the fabric's lives, with faults, until one of them goes wrong.

    Exits with 1 if one did, and says how to see the least of it again.
    """
    if seed is not None:
        raise typer.Exit(_look(_chosen(tell(seed), faults), trace=trace))
    began, lives = time.perf_counter(), 0
    started = steps = 0
    for number in range(first, first + seeds):
        story = tell(number)
        try:
            life = play(story)
        except Violation as violation:
            typer.echo(f"Seed {number}: {violation}")
            _explain(shrink(story, _fails), story)
            raise typer.Exit(1) from None
        lives += 1
        started += life.checker.started
        steps += life.world.steps
    seconds = time.perf_counter() - began
    typer.echo(
        f"{lives:,} lives, {started:,} attempts, {steps:,} steps in {seconds:.1f} s: "
        f"{60 * lives / seconds:,.0f} a minute. Nothing went wrong that must not."
    )


def _fails(story: Story) -> bool:
    try:
        play(story)
    except Violation:
        return True
    return False


def _chosen(story: Story, faults: str | None) -> Story:
    if faults is None:
        return story
    try:
        chosen = [story.faults[int(each)] for each in faults.split(",") if each]
    except (ValueError, IndexError):
        raise typer.BadParameter(
            f"Seed {story.seed} has faults 0 to {len(story.faults) - 1}; name some, as in 0,3."
        ) from None
    return replace(story, faults=tuple(chosen))


def _explain(least: Story, story: Story) -> None:
    kept = [str(story.faults.index(fault)) for fault in least.faults]
    typer.echo("The least that has to go wrong for it:")
    for fault in least.faults or ["nothing"]:
        typer.echo(f"  {fault}")
    typer.echo(
        f"See it with: python -m constellation.testing.simulation --seed {story.seed} "
        f"--faults '{','.join(kept)}' --trace"
    )


def _look(story: Story, *, trace: bool) -> int:
    """Play one story; return the exit code."""
    life = Life(story, traced=trace)
    problem: Violation | None = None
    try:
        life.play()
    except Violation as violation:
        problem = violation
    for at, sentence in life.world.trace:
        typer.echo(f"{at:9.3f}  {sentence}")
    typer.echo(f"Seed {story.seed}: {problem or 'it ends, and nothing went wrong'}")
    return 0 if problem is None else 1


if __name__ == "__main__":
    app(prog_name="python -m constellation.testing.simulation")
