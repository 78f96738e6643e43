"""The demonstration, as `make demo` runs it: what happened, and where everything lies."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from cli_terminal import TIMEOUT_S, Terminal, process

pytestmark = pytest.mark.full


def test_the_demonstration_tells_its_accidents_and_leaves_report_graph_and_journal(
    alone: Terminal,
) -> None:
    with process(alone, "demo", "--out", "out") as demo:
        told, mistakes = demo.communicate(timeout=TIMEOUT_S)
    assert (demo.returncode, mistakes) == (0, "")
    assert "Three devices join it" in told
    assert "The cable of server is pulled in mid-task" in told
    assert "The agent of laptop was killed" in told
    assert "check the disks on laptop" in told
    assert re.search(r"Completed in .*: 10 completed\.", told)
    assert "server lost its link while it ran `sh backup.sh`: attempts needed: 1." in told
    assert "laptop was killed while it waited for a file: attempts needed: 2." in told
    places = dict(re.findall(r"^The (report|graph|journal): +(\S+)", told, re.MULTILINE))
    assert places.keys() == {"report", "graph", "journal"}
    assert Path(places["report"]).read_text().count("\n## ") == 9
    assert Path(places["graph"]).read_text().startswith("flowchart TD")
    command = re.search(r"^The whole story: +(.+) replay (\S+)", told, re.MULTILINE)
    assert command is not None
    assert os.access(command[1], os.X_OK) or command[1] == "constellation"
    assert command[2] == places["journal"]
    assert "packing wed.log" in alone.run("replay", places["journal"]).stdout
