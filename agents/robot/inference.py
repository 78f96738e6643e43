"""Asking a policy off the control loop: on a thread of its own, one question after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeAlias

import numpy as np

from constellation.errors import ConstellationError

from .events import Answered, Infer, Refused
from .ports import Array, Policy

log = logging.getLogger("constellation.robot")

Reply: TypeAlias = Callable[[Answered | Refused], object]


class Asks(Protocol):
    """Takes questions for a policy to wherever it runs."""

    def ask(self, question: Infer, reply: Reply) -> None:
        """Returns at once; `reply` is called once, from any thread."""
        ...

    def close(self) -> None:
        """No more questions; those that have not begun are refused."""
        ...


class Inference:
    """A policy on a thread.

    NumPy, torch and sockets let the control loop run meanwhile. A policy that computes in plain
    Python does not: let a policy server have it.

    Args:
        policy: asked by nobody else.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="policy")
        self._last: Future[Array] | None = None
        self._trouble = ""

    def ask(self, question: Infer, reply: Reply) -> None:
        """Asks the policy. A question that still waits for its turn is out of date: refused."""
        if self._last is not None:
            self._last.cancel()
        self._last = self._pool.submit(self._infer, question)
        self._last.add_done_callback(partial(self._say, question.id, reply))

    def close(self) -> None:
        """No more questions; what runs is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _infer(self, question: Infer) -> Array:
        actions = self._policy.infer(
            question.observation, question.state, delay=question.delay, prefix=question.prefix
        )
        return np.asarray(actions, dtype=np.float32)

    def _say(self, question: int, reply: Reply, answer: Future[Array]) -> None:
        if answer.cancelled():
            reply(Refused(question, "out of date before its turn came"))
            return
        error = answer.exception()
        # A policy that is out of reach is asked again and again: the same trouble is told once.
        trouble = "" if error is None else in_words(error)
        if trouble and trouble != self._trouble:
            log.warning("The policy has no answer: %s", trouble)
        self._trouble = trouble
        reply(Answered(question, answer.result()) if error is None else Refused(question, trouble))


def in_words(error: BaseException) -> str:
    """What went wrong: an error of others' code says little without its kind."""
    if isinstance(error, ConstellationError):
        return str(error)
    return f"{type(error).__name__}: {error}"
