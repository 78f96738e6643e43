"""A short run of the fuzzer, the same each time; `make fuzz` is the long one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FUZZER = Path(__file__).with_name("fuzz.py")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FUZZER), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


def test_wrong_inputs_bring_nothing_but_typed_refusals(tmp_path: Path) -> None:
    ledger = tmp_path / "runs.jsonl"
    done = run(tmp_path, "--inputs", "30000", "--seed", "1", "--ledger", str(ledger))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    rows = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert all(row["good"] for row in rows), "a target whose inputs are all refused finds nothing"
    assert len({row["target"] for row in rows}) >= 13
    report = run(tmp_path, "--report", str(ledger))
    assert f"{sum(row['inputs'] for row in rows):,}" in report.stdout


def test_the_same_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    counts = [
        run(tmp_path, "--targets", "codec", "--inputs", "10000", "--seed", seed).stdout.splitlines()
        for seed in ("5", "5", "6")
    ]
    good = [[line.split()[:3] for line in lines if line.startswith("codec")] for lines in counts]
    assert good[0] == good[1] != good[2]


@pytest.fixture
def broken(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The fuzzer with a codec that has a defect, which some inputs find."""
    program = tmp_path / "broken.py"
    program.write_text(
        f"""
import sys
sys.path.insert(0, {str(FUZZER.parent)!r})
import fuzz
from constellation.aip import codec

right = codec._check_shape

def wrong(parsed, limits):
    ack, messages = right(parsed, limits)
    if len(messages) > 2 and ack == 1:
        raise ZeroDivisionError("planted")
    return ack, messages

codec._check_shape = wrong
raise SystemExit(fuzz.main())
"""
    )

    def go(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(program), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    return go


def test_a_defect_is_found_saved_and_played_again(
    tmp_path: Path, broken: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = broken("--targets", "codec-msgpack", "--inputs", "100000", "--seed", "1")
    assert done.returncode == 1
    saved = tmp_path / "fuzz-failure.json"
    assert "ZeroDivisionError: planted" in json.loads(saved.read_text())["error"]
    again = broken("--replay", str(saved))
    assert again.returncode == 1
    assert "alone: it fails" in again.stdout
    mended = run(tmp_path, "--replay", str(saved))
    assert mended.returncode == 0
    assert "after those before it: it passes" in mended.stdout
