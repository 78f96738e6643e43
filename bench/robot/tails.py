"""What the tail of lognormal delays costs where the robot itself is unstable."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from agents.robot.policies.local import local_policy
from agents.robot.settings import Settings
from agents.robot.sims.balance import Balance
from bench.harness import Options, Report, figure, quantile

from .play import Case, Delay, Played, play
from .simulated import FUTURE
from .statistics import mean_of

_DRAWN = Delay(8, 0.4)


class Unpushed(Balance):
    """The same pole, and nobody pushes it."""

    push: ClassVar[float] = 0.0


def tails(report: Report, options: Options) -> None:
    """Adds the table: balance at d=8~, and the same with one thing changed."""
    episodes = options.size(30, 2)
    table = report.table(
        f"balance, {FUTURE} at d={_DRAWN}: what makes it fall",
        "delays, and the quantile that is planned with",
        "success in %",
        "steps from event to action, p50 / p95 / most",
        "held %",
    )
    rows: dict[str, tuple[Delay, float, type[Balance]]] = {
        **{f"as drawn, {q}": (_DRAWN, q, Balance) for q in (0.5, 0.8, 0.95)},
        **{f"{m} steps at most, 0.8": (replace(_DRAWN, most=m), 0.8, Balance) for m in (16, 12)},
        "always 12 steps": (Delay(12), 0.8, Balance),
        "as drawn, 0.8, and nobody pushes it": (_DRAWN, 0.8, Unpushed),
    }
    report.data["tails"] = {}
    for name, (delay, q, world) in rows.items():
        found = _played(delay, q, world, episodes)
        success = mean_of([each.score for each in found])
        steps = [step for each in found for step in each.reactions]
        shown = (quantile(steps, 0.5), quantile(steps, 0.95), max(steps))
        held = mean_of([each.held for each in found]).mean
        reactions = " / ".join(f"{each:.0f}" for each in shown)
        table.add_row(name, success.percent(), reactions, figure(100 * held))
        report.data["tails"][name] = success.to_plain()


def _played(delay: Delay, q: float, world: type[Balance], episodes: int) -> list[Played]:
    policy, settings = local_policy(Balance.task.name), Settings(quantile=q)
    case = Case(Balance.task.name, FUTURE, delay, settings=settings)
    return [play(replace(case, seed=seed), policy, world) for seed in range(episodes)]
