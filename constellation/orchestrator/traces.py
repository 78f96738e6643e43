"""What a hub asks of its traces, and the answer of a hub that has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from .events import Fact, Instruction, Revise

Act = Callable[[Instruction], None]
Publish = Callable[[list[Fact], int], None]
# What a span says of its own, filled in while it is open.
Notes = dict[str, str | bool | int | float]


class Traces(Protocol):
    """What a hub asks of its traces."""

    def acting(self, act: Act) -> Act:
        """What does instructions; assignments now carry their context."""
        ...

    def publishing(self, publish: Publish) -> Publish:
        """What is told of committed facts; spans are now made of them."""
        ...

    def request(self, given: str | None) -> AbstractContextManager[Mapping[str, Any]]:
        """While a request is planned and submitted; yields what `Submitted.trace` takes.

        The span ends with the constellation, or here if there will be none.

        Args:
            given: the ``traceparent`` of who asks.
        """
        ...

    def planning(self, given: str | None) -> AbstractContextManager[Notes]:
        """While a plan is made, as a part of the span with this ``traceparent``."""
        ...

    def revising(self, asked: Revise) -> AbstractContextManager[Notes]:
        """While a planner looks at an outcome."""
        ...


class Untraced:
    """Nothing is traced: hands back what it is given, so that no task pays for it."""

    def acting(self, act: Act) -> Act:
        return act

    def publishing(self, publish: Publish) -> Publish:
        return publish

    def request(self, given: str | None) -> AbstractContextManager[Mapping[str, Any]]:
        return nullcontext({})

    def planning(self, given: str | None) -> AbstractContextManager[Notes]:
        return nullcontext({})

    def revising(self, asked: Revise) -> AbstractContextManager[Notes]:
        return nullcontext({})
