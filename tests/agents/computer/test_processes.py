"""Programs, and that nothing of them is left behind. Real processes."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.lowlevel
import psutil
import pytest

from agents.computer.processes import Limits, run_program
from constellation.errors import SkillError, TaskTimedOut

pytestmark = pytest.mark.anyio

# A child that ignores SIGTERM, and one that also leaves its group and session.
STUBBORN = "trap '' TERM; echo $$ >> pids; while :; do sleep 0.05; done"
FAMILY = f"""
(sh -c "{STUBBORN}") &
setsid sh -c "{STUBBORN}" &
while [ "$(wc -l < pids)" -lt 2 ]; do sleep 0.01; done
echo started
"""


# Cancels a program, and ends its event loop while what is left still has time to obey.
ENDS_MEANWHILE = """
import asyncio, sys
from agents.computer.processes import run_program

async def main():
    heard = {"started": asyncio.Event(), "told": asyncio.Event()}
    run = asyncio.create_task(
        run_program(
            ["sh", "-c", sys.argv[1]],
            cwd=".",
            on_output=lambda channel, text: [heard[word].set() for word in heard if word in text],
        )
    )
    await heard["started"].wait()
    run.cancel()
    await heard["told"].wait()

asyncio.run(main())
"""


def family(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "pids").read_text().split()]


async def canceled_once_started(script: str, folder: Path) -> None:
    """Run a script, and cancel it as soon as it has printed something."""
    started = anyio.Event()
    run = asyncio.create_task(
        run_program(
            ["sh", "-c", script], cwd=str(folder), on_output=lambda channel, text: started.set()
        )
    )
    with anyio.fail_after(100):
        await started.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run


def zombies() -> list[psutil.Process]:
    """The ended processes that were left to this one."""
    children = psutil.Process().children()
    return [child for child in children if child.status() == psutil.STATUS_ZOMBIE]


def take_in_orphans() -> None:
    """Wait for the ended processes that were left to this one: no other test is to meet them."""
    for child in zombies():
        child.wait()


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pids").touch()
    return tmp_path


async def test_it_says_what_a_program_printed(tmp_path: Path) -> None:
    shown: list[tuple[str, str]] = []
    ended = await run_program(
        ["sh", "-c", "cat; echo no >&2; exit 3"],
        cwd=str(tmp_path),
        stdin="in",
        on_output=lambda channel, text: shown.append((channel, text)),
    )
    assert (ended.exit_code, ended.stdout, ended.stderr) == (3, "in", "no\n")
    assert not ended.truncated
    assert sorted(shown) == [("stderr", "no\n"), ("stdout", "in")]


async def test_folder_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSTELLATION_CLIENT__TOKEN", "secret")
    ended = await run_program(
        ["sh", "-c", 'pwd; echo "$GREETING/$CONSTELLATION_CLIENT__TOKEN"'],
        cwd=str(tmp_path),
        env={"GREETING": "hello"},
    )
    assert ended.stdout.split() == [str(tmp_path), "hello/"], "the agent's own secrets stay with it"


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SkillError, match="'no-such-program' cannot be run: No such file"):
        await run_program(["no-such-program"], cwd=str(tmp_path))


async def test_much_output_is_cut_in_the_middle(tmp_path: Path) -> None:
    ended = await run_program(
        ["sh", "-c", "echo first; yes | head -c 1000000; echo last"],
        cwd=str(tmp_path),
        limits=Limits(output_bytes=2000),
    )
    assert ended.truncated
    assert ended.stdout.startswith("first\ny\n")
    assert ended.stdout.endswith("y\nlast\n")
    assert len(ended.stdout) < 2100


async def test_what_it_started_ends_with_it(folder: Path) -> None:
    ended = await run_program(["sh", "-c", FAMILY], cwd=str(folder))
    assert ended.exit_code == 0
    assert len(family(folder)) == 2
    assert alive(family(folder)) == []


async def test_a_canceled_program_ends_with_all_its_family(folder: Path) -> None:
    await canceled_once_started(f"{FAMILY} wait", folder)
    assert len(family(folder)) == 2
    assert alive(family(folder)) == []


async def test_a_child_that_wiped_its_environment_ends_too(folder: Path) -> None:
    script = f"""
    env -i setsid sh -c "{STUBBORN}" &
    while [ "$(wc -l < pids)" -lt 1 ]; do sleep 0.01; done
    echo started; wait
    """
    await canceled_once_started(script, folder)
    assert len(family(folder)) == 1
    assert alive(family(folder)) == []


def test_an_agent_that_ends_meanwhile_leaves_nothing_either(folder: Path) -> None:
    script = f"trap 'echo told' TERM; {FAMILY} while :; do sleep 0.05; done"
    ended = subprocess.run(
        [sys.executable, "-c", ENDS_MEANWHILE, script],
        cwd=folder,
        timeout=100,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stderr == ""
    assert len(family(folder)) == 2
    left = [psutil.Process(pid) for pid in alive(family(folder))]
    assert psutil.wait_procs(left, timeout=100)[1] == []
    take_in_orphans()


@pytest.mark.parametrize("steps", range(6))
def test_nor_one_that_ends_while_it_reads_what_an_ended_program_wrote(
    tmp_path: Path, steps: int
) -> None:
    """The program is over and its child holds the pipe, as the event loop ends: both are closed."""
    pids: list[int] = []

    async def end_soon_after() -> None:
        run = asyncio.create_task(
            run_program(
                ["sh", "-c", "sleep 600 & echo $$ $!"],
                cwd=str(tmp_path),
                on_output=lambda channel, text: pids.extend(map(int, text.split())),
            )
        )
        with anyio.fail_after(100):
            while not pids or psutil.pid_exists(pids[0]):
                await anyio.lowlevel.checkpoint()
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        assert not run.done()

    asyncio.run(end_soon_after())
    # A transport that was not closed says so as it is collected, and warnings are errors.
    gc.collect()
    _, still = psutil.wait_procs([psutil.Process(pid) for pid in alive(pids)], timeout=100)
    assert still == []
    take_in_orphans()


@pytest.mark.parametrize("steps", range(6))
def test_a_loop_that_ends_has_heard_of_the_end_of_what_it_killed(
    folder: Path, caplog: pytest.LogCaptureFixture, steps: int
) -> None:
    """Somebody else would have to wait for it otherwise, and asyncio would find no such child."""

    async def end_soon_after() -> None:
        started = asyncio.Event()
        run = asyncio.create_task(
            run_program(
                ["sh", "-c", f"echo on; {STUBBORN}"],
                cwd=str(folder),
                on_output=lambda channel, text: started.set(),
            )
        )
        with anyio.fail_after(100):
            while not (started.is_set() and family(folder)):
                await anyio.lowlevel.checkpoint()
        run.cancel()
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        assert not run.done()

    asyncio.run(end_soon_after())
    gc.collect()
    assert len(family(folder)) == 1
    assert alive(family(folder)) == []
    assert zombies() == []
    assert [each for each in caplog.records if each.name == "asyncio"] == []


async def test_a_program_that_takes_too_long_is_ended(folder: Path) -> None:
    with pytest.raises(TaskTimedOut, match=r"longer than 0\.5 s") as caught:
        await run_program(
            ["sh", "-c", "echo begun; echo $$ >> pids; sleep 100"], cwd=str(folder), timeout_s=0.5
        )
    assert caught.value.details["stdout"] == "begun\n"
    assert alive(family(folder)) == []


async def test_a_program_ends_itself_in_order_when_told(tmp_path: Path) -> None:
    script = "trap 'echo tidy > done; exit 0' TERM; echo on; while :; do sleep 0.05; done"
    await canceled_once_started(script, tmp_path)
    assert (tmp_path / "done").read_text() == "tidy\n"


async def test_no_zombies_are_left(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    for _ in range(3):
        await run_program(["sh", "-c", "sleep 100 & setsid sleep 100 & true"], cwd=str(tmp_path))
    children = set(psutil.Process().children()) - before
    assert [child for child in children if child.status() == psutil.STATUS_ZOMBIE] == []


async def test_limits_hold(tmp_path: Path) -> None:
    ended = await run_program(
        [sys.executable, "-c", "x = 'a' * 500_000_000"],
        cwd=str(tmp_path),
        limits=Limits(memory_bytes=200_000_000),
    )
    assert ended.exit_code != 0
    assert "MemoryError" in ended.stderr
    ended = await run_program(
        ["sh", "-c", "head -c 100000 /dev/zero > large"],
        cwd=str(tmp_path),
        limits=Limits(file_bytes=10_240),
    )
    assert ended.exit_code != 0
    assert (tmp_path / "large").stat().st_size <= 10_240
    with anyio.fail_after(100):
        ended = await run_program(
            [sys.executable, "-c", "while True: pass"], cwd=str(tmp_path), limits=Limits(cpu_s=1)
        )
    assert ended.exit_code < 0
