"""An agent whose settings name an MCP server, on a real hub."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from anyio.from_thread import start_blocking_portal

from constellation import sync
from constellation.cli.embedded import embedded_hub
from constellation.config import Settings, load_settings
from constellation.errors import ConfigError
from constellation.graph.edits import AddTask
from constellation.graph.task import Task

SERVER = Path(__file__).with_name("fixture_mcp_server.py")
CONFIG = f"""
[mcp.servers.shop]
command = "{sys.executable}"
args = ["{SERVER}"]
effects = {{die = "write"}}
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a hub and an agent; they name the server."""
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    monkeypatch.setenv("CONSTELLATION_CONFIG", str(config))
    return load_settings({"state_dir": tmp_path / "state"})


@contextmanager
def running(settings: Settings, root: Path) -> Iterator[sync.Fabric]:
    """A hub and an agent, each a process."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(embedded_hub(settings, root)),
        sync.connect(state_dir=settings.state_dir) as fabric,
    ):
        yield fabric


def servers() -> list[psutil.Process]:
    """The MCP servers that run below this process."""
    found = psutil.Process().children(recursive=True)
    return [each for each in found if str(SERVER) in each.cmdline()]


def published(fabric: sync.Fabric, skill: str) -> None:
    """Wait until the device's card has a skill."""
    while fabric.devices()[0].card.skill(skill) is None:
        pass


def one(skill: str, **arguments: object) -> AddTask:
    return AddTask(Task(id="t", skill=skill, arguments=arguments))


def test_the_device_has_the_tools_while_it_runs_and_no_longer(
    settings: Settings, tmp_path: Path
) -> None:
    with running(settings, tmp_path) as fabric:
        published(fabric, "shop.add")
        ended = fabric.submit([one("shop.add", a=2)]).ended()
        assert ended.constellation.nodes["t"].output == {"value": 3}
        (first,) = servers()
        ended = fabric.submit([one("shop.die")]).ended()
        error = ended.constellation.nodes["t"].error
        assert error is not None
        assert error["code"] == "task.failed.server_lost"
        while not servers() or first in servers():
            pass
        published(fabric, "shop.add")
        (server,) = servers()
    assert not server.is_running()


def test_a_server_is_a_command_or_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.toml"
    monkeypatch.setenv("CONSTELLATION_CONFIG", str(config))
    config.write_text('[mcp.servers.a]\nenv = {SECRET = "xyzzy"}\n')
    with pytest.raises(
        ConfigError, match=r"mcp.servers.a: give it either a command or a url"
    ) as no:
        load_settings()
    assert "xyzzy" not in str(no.value)
