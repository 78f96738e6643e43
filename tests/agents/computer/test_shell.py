"""`shell.run` and `python.run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.computer.shell import run_command, run_python
from agents.errors import CommandFailed
from agents.policy import Policy
from agents.prompts import approval_prompt
from agents.skills import AnySkill
from agents.testing import Trial
from constellation.errors import PermissionDenied, SkillError

pytestmark = pytest.mark.anyio


def prompt(skill: AnySkill, **arguments: Any) -> str:
    assert skill.intent is not None
    bound = skill.bind(arguments)
    return approval_prompt(skill.card, bound, skill.intent(**bound))


async def test_a_line_goes_through_the_shell(trial: Trial) -> None:
    output = await trial.run(run_command, command="echo one && echo two >&2")
    assert output["exit_code"] == 0
    assert output["stdout"] == "one\n"
    assert output["stderr"] == "two\n"
    assert output["duration_s"] > 0
    assert trial.text("stdout") == "one\n"
    assert trial.text("stderr") == "two\n"


async def test_a_program_goes_without_it(trial: Trial) -> None:
    output = await trial.run(run_command, argv=["printf", "%s", "$HOME;ls"])
    assert output["stdout"] == "$HOME;ls"


async def test_it_runs_below_the_root(trial: Trial, root: Path) -> None:
    (root / "sub").mkdir()
    assert (await trial.run(run_command, command="pwd"))["stdout"] == f"{root}\n"
    output = await trial.run(run_command, command="pwd; cat", cwd="sub", stdin="x", env={"A": "b"})
    assert output["stdout"] == f"{root}/sub\nx"
    with pytest.raises(PermissionDenied):
        await trial.run(run_command, command="pwd", cwd="/")


async def test_another_exit_code_is_a_failure_that_keeps_the_output(trial: Trial) -> None:
    with pytest.raises(CommandFailed, match="exit code 4: went wrong") as caught:
        await trial.run(run_command, command="echo out; echo went wrong >&2; exit 4")
    assert caught.value.code == "task.failed.exit"
    assert caught.value.details["stdout"] == "out\n"
    assert caught.value.details["exit_code"] == 4
    unchecked = await trial.run(run_command, command="exit 4", check=False)
    assert unchecked["exit_code"] == 4


async def test_exactly_one_of_command_and_argv(trial: Trial) -> None:
    for wrong in ({}, {"command": "ls", "argv": ["ls"]}):
        with pytest.raises(SkillError, match="exactly one of the arguments command and argv"):
            await trial.run(run_command, **wrong)
    with pytest.raises(SkillError, match="timeout_s"):
        await trial.run(run_command, command="ls", timeout_s=0)


async def test_a_program_that_a_signal_ended_says_which(trial: Trial) -> None:
    with pytest.raises(CommandFailed, match=r"was ended by the signal 9 \(Killed\)"):
        await trial.run(run_command, command="while :; do :; done", limits={"cpu_s": 1})


async def test_output_is_bounded(trial: Trial) -> None:
    output = await trial.run(
        run_command, command="yes | head -c 100000", limits={"output_bytes": 1000}
    )
    assert output["truncated"]
    assert len(output["stdout"]) < 1100


async def test_python_runs_in_a_process_of_its_own(trial: Trial, root: Path) -> None:
    code = "import os, sys; print(os.getcwd(), sys.argv[1:], sys.stdin.read())"
    output = await trial.run(run_python, code=code, args=["a"], stdin="in")
    assert output["stdout"] == f"{root} ['a'] in\n"
    with pytest.raises(CommandFailed, match="ZeroDivisionError"):
        await trial.run(run_python, code="1 / 0")


def test_the_prompt_says_exactly_what_would_be_run() -> None:
    assert prompt(run_command, command="rm -rf build") == "Run this command:\nrm -rf build"
    said = prompt(run_command, argv=["rm", "a b"], cwd="sub", env={"PATH": "/x y"}, stdin="yes\n")
    assert "rm 'a b'" in said
    assert "in sub" in said
    assert "PATH='/x y'" in said
    assert "yes" in said
    assert "print(1)" in prompt(run_python, code="print(1)")


def test_the_prompt_cannot_act_on_a_terminal() -> None:
    said = prompt(run_command, command="echo \x1b[2Jharmless\r\u202e")
    assert "\x1b" not in said
    assert "\r" not in said
    assert "\u202e" not in said
    assert "harmless" in said


@pytest.mark.parametrize(
    "arguments",
    [
        {"command": "rm x"},
        {"command": "true; /bin/rm x"},
        {"command": "true\nrm x"},
        {"command": "$(rm x)"},
        {"argv": ["rm", "x"]},
        {"argv": ["/usr/bin/env", "rm", "x"]},
        {"argv": ["sh", "-c", "rm x"]},
        {"argv": ["sudo", "-u", "ann", "rm", "x"]},
    ],
)
def test_what_the_policy_forbids_does_not_just_run(arguments: dict[str, Any]) -> None:
    rules = {"skills": {"shell.run": "allow"}, "commands": {"allow": ["true"], "deny": ["rm"]}}
    policy = Policy.model_validate(rules)
    assert run_command.intent is not None
    intent = run_command.intent(**run_command.bind(arguments))
    assert policy.decide("shell.run", "dangerous", intent).rule != "allow"
