"""Which planner a hub has."""

from __future__ import annotations

from constellation.errors import ConfigError
from constellation.model_settings import PlannerSettings

from .offline import OfflinePlanner
from .ports import Planner
from .speculative import SpeculativePlanner


def make_planner(settings: PlannerSettings) -> Planner:
    """The planner that is configured.

    Raises:
        ConfigError: it lacks a model, a key, or the extra that it needs.
    """
    if settings.kind == "offline":
        return OfflinePlanner()
    if not settings.model:
        raise ConfigError(
            "No model is named for planning.", remedy="Set planner.model in the settings."
        )
    from constellation.llm import open_model

    from .llm import Budget, LlmPlanner

    budget = Budget(
        repairs=settings.repairs,
        tokens=settings.max_tokens,
        cost=settings.most_cost,
        time_s=settings.max_time_s,
        tasks=settings.max_tasks,
    )
    planner = LlmPlanner(
        open_model(settings),
        budget=budget,
        revise_on=settings.revise_on,
        streams=settings.stream,
    )
    return SpeculativePlanner(OfflinePlanner(), planner) if settings.speculate else planner
