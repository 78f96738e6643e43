"""A short run of the fuzzer of the hub, the same each time; `make fuzz-hub` is the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FUZZER = Path(__file__).with_name("fuzz_hub.py")


def test_a_hub_minds_nothing_that_it_is_sent() -> None:
    arguments = [sys.executable, str(FUZZER), "--inputs", "2500", "--seed", "1"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    assert "no fault" in done.stdout
