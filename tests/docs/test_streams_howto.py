"""The programs of docs/howto/streams.md and the example that it names do what they say."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import anyio
import pytest

from agents.loading import load_file
from agents.testing import Trial
from bench.processes import Processes

pytestmark = pytest.mark.anyio

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "howto" / "streams.md").read_text()
SKILLS, PROGRAM = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
READINGS = PROJECT / "examples" / "readings.py"


async def test_its_programs_do_what_it_says(tmp_path: Path) -> None:
    skills = tmp_path / "numbers_of_the_page.py"
    skills.write_text(SKILLS)
    state = tmp_path / "state"
    environment = os.environ | {"CONSTELLATION_STATE_DIR": str(state)}
    async with Processes(state, 20.0, "normal") as processes:
        for name, file in (("left", skills), ("right", skills), ("room", READINGS)):
            await processes.start_agent(name, "--kind", "test", "--skills", str(file))
        done = await anyio.run_process([sys.executable, "-c", PROGRAM], env=environment)
        assert done.stdout.decode() == f"{sum(range(1000))}\n"
        command = [sys.executable, "-m", "constellation.cli", "run", "examples/follow.yaml"]
        done = await anyio.run_process([*command, "--json"], env=environment, cwd=PROJECT)
        told = json.loads(done.stdout)
        assert told["outputs"]["watch"]["readings"] == 40
        async with processes.client() as client:
            logs = await client.ask("logs", constellation=told["constellation"])
        facts = [(each["kind"], each["body"].get("task")) for each in logs["facts"]]
        assert facts.index(("started", "watch")) < facts.index(("finished", "measure"))


async def test_the_skills_of_the_example_take_lists_as_well() -> None:
    measure, smooth, highest = load_file(READINGS)
    assert smooth.card.reads
    assert not measure.card.reads
    trial = Trial(emits=True)
    assert await trial.run(smooth, readings=[1.0, 3.0, 5.0], over=2) == 4.0
    assert trial.items == [1.0, 2.0, 4.0]
    trial = Trial(inputs={"a": [2.0, 7.0]})
    found = await trial.run(highest, readings={"$items": "a"})
    assert found == {"highest": 7.0, "readings": 2}
    trial = Trial(emits=True)
    await trial.run(measure, count=3, every_s=0.0)
    assert len(trial.items) == 3
