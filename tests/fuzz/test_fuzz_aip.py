"""A short run of the fuzzer, the same each time; `make fuzz` is the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FUZZER = Path(__file__).with_name("fuzz_aip.py")


def test_mutated_frames_raise_nothing_but_protocol_errors() -> None:
    arguments = [
        sys.executable,
        str(FUZZER),
        "--inputs",
        "20000",
        "--seed",
        "1",
        "--processes",
        "2",
    ]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "20,000 inputs" in done.stdout
