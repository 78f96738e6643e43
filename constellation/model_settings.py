"""Settings of whatever asks a language model; a part of `constellation.config`."""

from __future__ import annotations

from math import inf
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class Section(BaseModel):
    """A section of the configuration: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(Section):
    """A language model behind an OpenAI-compatible endpoint.

    Attributes:
        model: its name on the server.
        base_url, api_key: None takes ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY``.
        timeout_s: for the next piece of an answer.
        price_in, price_out: of a million tokens of prompts and of answers, in any one currency.
    """

    model: str = ""
    base_url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    api_key: SecretStr | None = None
    timeout_s: float = Field(default=60.0, gt=0)
    price_in: float = Field(default=0.0, ge=0)
    price_out: float = Field(default=0.0, ge=0)

    @property
    def is_free(self) -> bool:
        """True if nothing is paid for it."""
        return not self.price_in and not self.price_out


class PlannerSettings(ModelSettings):
    """Who plans requests in plain words.

    Attributes:
        kind: ``offline`` needs nothing; ``llm`` asks a language model.
        stream: begin with what only reads as soon as the model has written it.
        speculate: begin with what only reads of the offline planner's plan, before the model has
            written anything; what it plans otherwise is canceled.
        repairs: how often an answer that cannot be used is sent back.
        max_tokens: of all answers to one request together, prompts included.
        max_cost: of them, in the currency of the prices; None for no bound.
        max_time_s: for all of them.
        max_tasks: how many tasks a plan may have.
        revise_on: task states after which the model is asked whether the plan should change.
        revise_within_s: how long what depends on such a task waits for the answer.
    """

    kind: Literal["offline", "llm"] = "offline"
    stream: bool = True
    speculate: bool = False
    repairs: int = Field(default=2, ge=0, le=10)
    max_tokens: int = Field(default=100_000, gt=0)
    max_cost: float | None = Field(default=None, gt=0)
    max_time_s: float = Field(default=300.0, gt=0)
    max_tasks: int = Field(default=200, gt=0)
    revise_on: frozenset[Literal["completed", "failed", "rejected", "canceled"]] = frozenset(
        {"failed", "rejected"}
    )
    revise_within_s: float = Field(default=30.0, gt=0)

    @property
    def most_cost(self) -> float:
        """`max_cost` as a number: infinity for no bound."""
        return inf if self.max_cost is None else self.max_cost

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if self.max_cost is not None and self.is_free:
            raise ValueError("max_cost bounds nothing without price_in and price_out")
        return self


class AssistantSettings(ModelSettings):
    """The model with which this machine's agents do tasks in plain words; without one they do not.

    Attributes:
        steps: how many answers of the model one task may take.
        tokens: of all answers to one task together, prompts included.
        cost: of them, in the currency of the prices; None for no bound.
        answer_tokens: how long one answer may be.
        time_s: for one task, while it waits for no person.
        repairs: how often in a row an answer that cannot be used is sent back.
    """

    steps: int = Field(default=20, gt=0)
    tokens: int = Field(default=100_000, gt=0)
    cost: float | None = Field(default=None, gt=0)
    answer_tokens: int = Field(default=4_000, gt=0)
    time_s: float = Field(default=600.0, gt=0)
    repairs: int = Field(default=2, ge=0, le=10)

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if self.cost is not None and self.is_free:
            raise ValueError("cost bounds nothing without price_in and price_out")
        return self
