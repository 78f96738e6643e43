"""What stands in the messages between a robot and a policy server. Pure.

A stock openpi server sees an observation: the things that are sensed, ``observation/state`` and
``prompt``. What is ours is told in keys of its own that such a server leaves alone, and is answered
by ours only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from constellation.errors import RemoteProtocolError

from ..ports import Array, Observation, PolicySpec, Semantics
from .questions import Question
from .wire import single

STATE = "observation/state"
PROMPT = "prompt"
ACTIONS = "actions"
REQUEST = "constellation/request"
DELAY = "constellation/delay"
PREFIX = "constellation/prefix"
TIME = "constellation/time"
WITHIN = "constellation/within_s"
SPEC = "constellation/policy"
REFUSED = "constellation/refused"


def question_message(
    question: Question, request: int, within_s: float | None, state_key: str = STATE
) -> dict[str, Any]:
    """What a server is sent.

    Args:
        request: a number that comes back with the answer.
        within_s: seconds after which the answer is of no use; None if that is not known.
        state_key: under which the server looks for the state.
    """
    seen = question.observation
    message: dict[str, Any] = {
        **seen.values,
        state_key: question.state,
        PROMPT: seen.prompt,
        REQUEST: request,
        TIME: seen.time,
    }
    optional = {DELAY: question.delay, PREFIX: question.prefix, WITHIN: within_s}
    return message | {key: value for key, value in optional.items() if value is not None}


def question_of(message: Mapping[str, Any]) -> Question:
    """What a server is asked, by any openpi client.

    Raises:
        RemoteProtocolError: it lacks the state, or an entry is of another kind.
    """
    state = message.get(STATE)
    if not isinstance(state, np.ndarray) or state.ndim != 1:
        raise RemoteProtocolError(f"{STATE!r} must be an array of one dimension.")
    prompt, time, delay = message.get(PROMPT, ""), message.get(TIME, 0.0), message.get(DELAY)
    prefix = message.get(PREFIX)
    if not isinstance(prompt, str) or not isinstance(time, int | float):
        raise RemoteProtocolError("The prompt must be a text, and the time a number.")
    if delay is not None and (not isinstance(delay, int) or not 0 <= delay <= 10_000):
        raise RemoteProtocolError(f"{DELAY!r} must be a number of control steps.")
    if prefix is not None and (not isinstance(prefix, np.ndarray) or prefix.ndim != 2):
        raise RemoteProtocolError(f"{PREFIX!r} must be an array of two dimensions.")
    values = {
        key: value
        for key, value in message.items()
        if isinstance(value, np.ndarray) and key not in (STATE, PREFIX)
    }
    observation = Observation(float(time), single(state), values, prompt)
    return Question(observation, observation.state, delay, prefix)


def within_of(message: Mapping[str, Any], usual_s: float) -> float:
    """Seconds after which an answer is of no use."""
    within = message.get(WITHIN)
    return float(within) if isinstance(within, int | float) and within >= 0 else usual_s


def refusal_of(message: Mapping[str, Any], request: int) -> str | None:
    """Why a server does not answer a question; None if it does. The conversation goes on."""
    why = message.get(REFUSED)
    return why[:500] if isinstance(why, str) and message.get(REQUEST) == request else None


def actions_of(message: Mapping[str, Any], request: int) -> Array:
    """The actions of an answer, (H, A).

    Raises:
        RemoteProtocolError: it has none, or it answers something else.
    """
    if message.get(REQUEST, request) != request:
        raise RemoteProtocolError("The policy server answered another question.")
    actions = message.get(ACTIONS)
    if not isinstance(actions, np.ndarray) or actions.ndim != 2:
        raise RemoteProtocolError("The answer of the policy server holds no actions.")
    return single(actions)


def spec_message(spec: PolicySpec) -> dict[str, Any]:
    """What a server says of itself first."""
    return {SPEC: {name: getattr(spec, name) for name in PolicySpec.__slots__}}


def spec_of(message: Mapping[str, Any]) -> PolicySpec | None:
    """What a server declares of its policy; None if it is none of ours.

    Raises:
        RemoteProtocolError: it declares what cannot be.
    """
    declared = message.get(SPEC)
    if declared is None:
        return None
    kinds = {"name": str, "rate_hz": float, "horizon": int, "action_dim": int, "semantics": str}
    if not isinstance(declared, dict):
        raise RemoteProtocolError("The policy server declares no policy.")
    known = {key: value for key, value in declared.items() if key in PolicySpec.__slots__}
    if any(not isinstance(known.get(key), kind) for key, kind in kinds.items()):
        raise RemoteProtocolError("The policy server declares a policy that cannot be.")
    if any(not isinstance(value, bool) for key, value in known.items() if key not in kinds):
        raise RemoteProtocolError("The policy server declares a policy that cannot be.")
    try:
        return PolicySpec(**known | {"semantics": Semantics(known["semantics"])})
    except ValueError as error:
        raise RemoteProtocolError(f"The policy server declares {error}.") from error
