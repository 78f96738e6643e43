"""A machine without a hub, and one with a hub and a device, each process a real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_terminal import Terminal, clean_environment, process


@pytest.fixture
def alone(tmp_path: Path) -> Terminal:
    """A machine on which nothing runs."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    folder = tmp_path / "work"
    folder.mkdir()
    return Terminal(clean_environment(state), folder)


@pytest.fixture(scope="session")
def fabric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A machine with a hub and one device, ``desk``, that may use the working directory."""
    state = tmp_path_factory.mktemp("hub-state")
    state.chmod(0o700)
    folder = tmp_path_factory.mktemp("desk")
    terminal = Terminal(clean_environment(state), folder)
    with process(terminal, "hub", "--port", "0", "--json") as hub:
        assert hub.stdout is not None
        url = json.loads(hub.stdout.readline())["url"]
        code = terminal.json("pair", "--name", "desk")["code"]
        joining = ["--hub", url, "--name", "desk", "--pair", code, "--root", str(folder)]
        with process(terminal, "agent", *joining) as agent:
            assert agent.stdout is not None
            agent.stdout.readline()
            yield terminal
