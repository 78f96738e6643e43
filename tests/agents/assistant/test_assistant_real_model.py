"""An assistant with a real model: llama.cpp with SmolLM2 (135M parameters), on this machine.

It is far too small to do anything well. What it proves is the protocol: that whatever it says ends
in an answer or in a typed failure, within the budget, and that its trajectory is replayed.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from agents.assistant.skill import make_assistant
from agents.assistant.trajectory import replay
from agents.skills import Registry, skill
from agents.testing import Trial
from constellation.errors import TaskFailed
from constellation.model_settings import AssistantSettings

pytestmark = [pytest.mark.anyio, pytest.mark.full]


@skill("lamp.set", effect="write", idempotent=True)
async def set_lamp(on: bool) -> str:
    """Turn the lamp on or off."""
    return "on" if on else "off"


async def test_whatever_it_says_ends_in_an_answer_or_a_typed_failure(
    smollm_url: str, tmp_path: Path
) -> None:
    settings = AssistantSettings(
        model="smol", base_url=smollm_url, api_key="any", steps=3, answer_tokens=150, repairs=1
    )
    do = make_assistant(settings, Registry([set_lamp]), tmp_path)
    trial = Trial(answers=[True] * 9)
    with suppress(TaskFailed):
        done = await trial.run(do, instruction="Turn the lamp on.")
        assert 1 <= done["steps"] <= 3
        assert done["tokens"] > 100
    (trajectory,) = trial.artifacts.values()
    assert replay(trajectory.decode().splitlines()).outcome["does"] in ("Finish", "Fail")
