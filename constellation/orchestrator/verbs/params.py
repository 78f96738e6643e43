"""The parameters of each verb, read once by pydantic; everything behind is plain data."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from constellation.aip.scope import Scope, SkillPattern


class Params(BaseModel):
    """Parameters of a verb; unknown ones are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoParams(Params):
    pass


class PlanParams(Params):
    request: str | None = Field(default=None, max_length=100_000)
    runbook: str | None = Field(default=None, max_length=1_000_000)
    source: str = "runbook"
    inputs: dict[str, Any] = Field(default_factory=dict)
    edits: list[Any] | None = None
    name: str = Field(default="", max_length=200)
    traceparent: str | None = Field(default=None, max_length=256)


class SubmitParams(PlanParams):
    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    priority: int = 0
    weight: float = Field(default=1.0, gt=0)
    paused: bool = False
    revise_on: tuple[str, ...] = ()
    max_cost: float | None = Field(default=None, ge=0)


class ConstellationParams(Params):
    constellation: str


class EditParams(ConstellationParams):
    edits: list[Any]
    base_version: int | None = None
    note: str = ""
    name: str = Field(default="", max_length=200)


class CancelParams(ConstellationParams):
    task: str | None = None
    subtree: bool = False
    reason: str = "canceled on request"


class TaskParams(ConstellationParams):
    task: str


class RetryParams(ConstellationParams):
    task: str | None = None


class AnswerParams(TaskParams):
    question: str | None = None
    answer: Any = None


class ListParams(Params):
    all: bool = False
    limit: int = Field(default=1_000, ge=1, le=10_000)


class ShowParams(ConstellationParams):
    after: int = Field(default=0, ge=0)
    limit: int | None = Field(default=None, ge=1)


class LogsParams(ConstellationParams):
    after: int = Field(default=0, ge=0)
    limit: int = Field(default=2_000, ge=1, le=10_000)


class DevicesParams(Params):
    names: tuple[str, ...] | None = None
    cards: bool = True


class SubscribeParams(Params):
    constellation: str | None = None
    after: int | None = Field(default=None, ge=0)


class UnsubscribeParams(Params):
    subscription: str


class WatchParams(Params):
    device: str
    name: str


class PairParams(Params):
    role: Literal["device", "client", "admin"] = "device"
    name: str | None = None
    scope: Scope | None = None
    ttl_s: float = Field(default=600.0, gt=0, le=86_400)


class NameParams(Params):
    name: str


class AllowParams(NameParams):
    skills: tuple[SkillPattern, ...] | Literal["any"] | None = None
    constellations: Literal["all", "own"] | None = None
    read_only: bool | None = None


class RotateParams(Params):
    name: str | None = None
