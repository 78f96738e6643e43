"""Which planner a hub has."""

from __future__ import annotations

from constellation.config import PlannerSettings
from constellation.errors import ConfigError

from .offline import OfflinePlanner
from .ports import Planner


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

    model = open_model(settings)
    budget = Budget(settings.repairs, settings.max_tokens, settings.max_tasks)
    return LlmPlanner(model, budget=budget, revise_on=settings.revise_on)
