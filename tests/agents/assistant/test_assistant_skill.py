"""Tasks in plain words: real HTTP and the real client library, answers written in advance."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread
from click.testing import Result
from typer.testing import CliRunner

from agents.assistant.command import app
from agents.assistant.skill import make_assistant
from agents.context import Context
from agents.errors import BudgetSpent, GaveUp, ModelFailed
from agents.policy import Policy
from agents.skills import AnySkill, Registry, skill
from agents.testing import Trial
from constellation.errors import ConfigError, TaskFailed, TaskTimedOut
from constellation.model_settings import AssistantSettings
from constellation.testing.chat_server import (
    Hangs,
    Reply,
    ScriptedServer,
    fails,
    says,
    scripted_server,
)

pytestmark = pytest.mark.anyio

STORE: dict[str, str] = {}


@skill("notes.read", effect="read")
async def read_note(context: Context, name: str) -> str:
    """Read a note."""
    context.progress(0.5, "reading")
    context.output("looking\n")
    if name not in STORE:
        raise TaskFailed(f"There is no note {name!r}.", remedy="Name another.")
    return STORE[name]


@skill("notes.write", effect="write")
async def write_note(name: str, text: str) -> None:
    """Write a note."""
    STORE[name] = text


@skill("notes.wipe", effect="dangerous")
async def wipe_notes() -> None:
    """Remove all notes."""
    STORE.clear()


@skill("notes.choose", effect="read")
async def choose_note(context: Context) -> str:
    """Have the person choose a note."""
    await anyio.lowlevel.checkpoint()
    return await context.choose("Which note?", ["a", "b"])


@skill("notes.crash", effect="read")
async def crash() -> None:
    raise ValueError("a secret place")


@skill("notes.wait", effect="read")
async def wait() -> None:
    await anyio.sleep_forever()


NOTES: Sequence[AnySkill] = (read_note, write_note, wipe_notes, choose_note, crash, wait)


@pytest.fixture(autouse=True)
def notes() -> None:
    STORE.clear()
    STORE["a"] = "hello"


@contextmanager
def assistant(
    folder: Path, *script: Reply, **budget: Any
) -> Iterator[tuple[AnySkill, ScriptedServer]]:
    with scripted_server(*script) as server:
        settings = AssistantSettings(model="m", base_url=server.url, api_key="k", **budget)
        registry = Registry(NOTES)
        do = make_assistant(settings, registry, folder)
        registry.add(do)
        yield do, server


# An answer of the script has one token of prompt and 99 of its own.
PRICES = {"price_in": 1.0, "price_out": 9.89}


def call(skill: str, **arguments: Any) -> Reply:
    return says({"do": "call", "skill": skill, "arguments": arguments})


def finish(text: str = "done") -> Reply:
    return says({"do": "finish", "text": text})


def heard(server: ScriptedServer) -> str:
    """The last thing that the model was told."""
    return str(server.asked[-1]["messages"][-1]["content"])


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def trajectory(folder: Path) -> list[str]:
    (file,) = files(folder)
    return file.read_text().splitlines()


def replay(folder: Path) -> Result:
    """What the command says of the trajectory."""
    (file,) = files(folder)
    result = CliRunner().invoke(app, [str(file)])
    assert result.exit_code == 0, result.output
    return result


async def test_it_works_step_by_step_and_says_what_it_did(tmp_path: Path) -> None:
    trial = Trial()
    script = call("notes.read", name="a"), finish("It says hello.")
    with assistant(tmp_path, *script, **PRICES) as (do, server):
        done = await trial.run(do, instruction="What does note a say?")
    assert (done["answer"], done["steps"], done["tokens"]) == ("It says hello.", 2, 200)
    assert done["cost"] == pytest.approx(2 * 980.11e-6)
    assert trial.reports == [(0.05, "step 1: notes.read"), (None, "reading")]
    assert trial.text("output") == "looking\n"
    assert "hello" in heard(server)
    catalogue = server.asked[0]["messages"][1]["content"]
    assert "notes.wipe" in catalogue
    assert "agent.do" not in catalogue
    assert "What does note a say?" in server.asked[0]["messages"][2]["content"]
    kept = trial.artifacts[done["trajectory"]["artifact"]].decode()
    assert kept.splitlines() == trajectory(tmp_path)


async def test_a_trajectory_is_replayed_without_the_model(tmp_path: Path) -> None:
    with assistant(tmp_path, call("notes.read", name="a"), finish()) as (do, _):
        await Trial().run(do, instruction="Read it.")
    replayed = replay(tmp_path)
    assert '1. notes.read {"name": "a"}' in replayed.output
    assert '"answer": "done"' in replayed.output


async def test_text_that_utf8_or_lines_cannot_carry(tmp_path: Path) -> None:
    STORE["a"] = "one\u2028two\ud800"
    again = says(
        '{"do": "call", "thought": "\\ud800", "skill": "notes.read", "arguments": {"name": "a"}}'
    )
    with assistant(tmp_path, again, finish()) as (do, server):
        await Trial().run(do, instruction="Read it.")
        assert "one\u2028two\\ud800" in heard(server)
    assert "notes.read" in replay(tmp_path).output


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (call("notes.read", name="z"), "There is no note 'z'."),
        (call("notes.read"), "cannot take its argument 'name'"),
        (call("notes.crash"), "task.failed.exception"),
    ],
)
async def test_what_fails_is_told_to_the_model(tmp_path: Path, step: Reply, told: str) -> None:
    with assistant(tmp_path, step, finish()) as (do, server):
        await Trial().run(do, instruction="Try.")
        assert told in heard(server)
        assert "a secret place" not in heard(server)


async def test_a_person_is_asked_before_something_dangerous(tmp_path: Path) -> None:
    trial = Trial(answers=[False, True])
    script = call("notes.wipe"), call("notes.wipe"), finish()
    with assistant(tmp_path, *script) as (do, server):
        await trial.run(do, instruction="Wipe all notes.")
        assert "task.canceled.denied" in str(server.asked[1]["messages"][-1])
    assert [kind for kind, _, _ in trial.questions] == ["approval", "approval"]
    assert "notes.wipe" in trial.questions[0][1]
    assert not STORE


WRITE = call("notes.write", name="b", text="x")


@pytest.mark.parametrize(
    ("before", "policy", "asked"),
    [
        ((), Policy(), 0),
        ((call("notes.read", name="a"),), Policy(), 1),
        ((call("notes.read", name="a"),), Policy(skills={"notes.write": "allow"}), 0),
    ],
    ids=["nothing read before", "something read before", "the policy allows it"],
)
async def test_a_write_after_reading_asks_unless_the_policy_names_it(
    tmp_path: Path, before: tuple[Reply, ...], policy: Policy, asked: int
) -> None:
    trial = Trial(answers=[False], policy=policy)
    with assistant(tmp_path, *before, WRITE, finish()) as (do, _):
        await trial.run(do, instruction="Write x into note b.")
    assert len(trial.questions) == asked
    assert ("b" in STORE) is not bool(asked)


async def test_what_the_policy_forbids_is_not_done(tmp_path: Path) -> None:
    trial = Trial(policy=Policy(skills={"notes.*": "deny"}))
    with assistant(tmp_path, call("notes.wipe"), finish()) as (do, server):
        await trial.run(do, instruction="Wipe all notes.")
        assert "session.permission" in heard(server)
    assert STORE


async def test_the_model_and_its_skills_may_ask_the_person(tmp_path: Path) -> None:
    trial = Trial(answers=["the first", "b"])
    script = says({"do": "ask", "text": "Which?"}), call("notes.choose"), finish()
    with assistant(tmp_path, *script) as (do, server):
        await trial.run(do, instruction="Take one.")
        assert "the first" in str(server.asked[1]["messages"][-1])
        assert '"output":"b"' in heard(server)
    assert [kind for kind, _, _ in trial.questions] == ["text", "choice"]


@pytest.mark.parametrize(
    ("script", "budget", "error", "message"),
    [
        ([call("notes.choose")] * 3, {"steps": 2}, BudgetSpent, "after 2 steps"),
        (
            [call("notes.choose", name="a" * 4000)] * 2,
            {"tokens": 1600},
            BudgetSpent,
            "1,500 tokens are",
        ),
        ([call("notes.choose")] * 3, {**PRICES, "cost": 0.002}, BudgetSpent, "0.00004 is"),
        ([call("notes.wait")], {"time_s": 0.5}, TaskTimedOut, "within 0.5 s"),
        ([Hangs()], {"time_s": 0.5}, TaskTimedOut, "within 0.5 s"),
        ([says("no JSON")] * 2, {"repairs": 1}, ModelFailed, "no JSON object"),
        ([fails(401, "bad key")] * 2, {}, ModelFailed, "bad key"),
        ([says({"do": "give_up", "text": "No such note."})], {}, GaveUp, "No such note."),
    ],
)
async def test_how_it_fails(
    tmp_path: Path, script: list[Reply], budget: dict[str, Any], error: type, message: str
) -> None:
    trial = Trial(answers=["a"] * 9)
    with assistant(tmp_path, *script, **budget) as (do, _), pytest.raises(error) as failed:
        await trial.run(do, instruction="Try.")
    assert message in str(failed.value)
    assert failed.value.details["trajectory"]["artifact"] in trial.artifacts
    assert {"steps", "tokens", "cost"} <= failed.value.details.keys()
    assert '"why"' in replay(tmp_path).output


async def test_cancel_reaches_the_model_and_leaves_a_trajectory(tmp_path: Path) -> None:
    endless = Hangs()
    with assistant(tmp_path, endless) as (do, _):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: Trial().run(do, instruction="Tell a story."))
            await to_thread.run_sync(endless.begun.wait, 20)
            tasks.cancel_scope.cancel()
        assert await to_thread.run_sync(endless.left.wait, 20)
    begun, asked = map(json.loads, trajectory(tmp_path))
    assert (begun["event"], asked["does"]) == ("Begin", "AskModel")


async def test_old_trajectories_go(tmp_path: Path) -> None:
    for number in range(250):
        (tmp_path / f"{number}.jsonl").touch()
    with assistant(tmp_path, finish()) as (do, _):
        await Trial().run(do, instruction="Nothing.")
    assert len(files(tmp_path)) == 200
    assert (tmp_path / "trial_agent.do_1.jsonl").exists()


async def test_without_a_key_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="The model cannot be used"):
        make_assistant(AssistantSettings(model="m"), Registry(), tmp_path)
