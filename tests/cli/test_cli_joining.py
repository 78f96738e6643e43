"""A hub with an authority of its own, a device and a client of it, each on a machine of its own."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from cli_terminal import Terminal, clean_environment, line_with, process

SERVE = ("hub", "--port", "0", "--tls", "on", "--json")


def machine(folder: Path) -> Terminal:
    folder.mkdir()
    state = folder / "state"
    state.mkdir(mode=0o700)
    return Terminal(clean_environment(state), folder)


def test_nobody_clicks_through_a_warning(alone: Terminal, tmp_path: Path) -> None:
    desk, home = machine(tmp_path / "desk"), machine(tmp_path / "home")
    with process(alone, *SERVE) as hub:
        assert hub.stdout is not None
        url = json.loads(hub.stdout.readline())["url"]
        assert url.startswith("wss://127.0.0.1:")
        shown = alone.run("pair", "--name", "desk").stdout
        code = shown.split("Code: ")[1].split()[0]
        assert f"--pair {code}" in shown
        with process(desk, "agent", "--hub", url, "--name", "desk", "--pair", code) as agent:
            line_with(agent.stdout, "desk is connected to wss://")
            assert "desk" in alone.run("devices").stdout
        # It pinned the authority, and needs neither the code nor a file again.
        with process(desk, "agent", "--hub", url, "--name", "desk") as agent:
            line_with(agent.stdout, "desk is connected")
        # An agent beside the hub needs nothing at all.
        with process(alone, "agent", "--name", "attic") as agent:
            line_with(agent.stdout, "attic is connected")

        offer = alone.run("pair", "--role", "client").stdout
        joining = offer.split("constellation join ")[1].split()
        assert home.run("join", *joining[:3], "--name", "ada").stdout.startswith(f"Joined {url}")
        joined = home.state_dir / "joined.json"
        assert stat.S_IMODE(joined.stat().st_mode) == 0o600
        assert "desk" in home.run("devices").stdout
        home.run("pair", exits=5)
        assert "The credential has a new secret" in home.run("rotate").stdout
        said = alone.run("allow", "ada", "--skill", "files.*", "--own", "--read-only").stdout
        assert "ada is allowed files.*; its own constellations; only looks." in said
        assert "may only look" in home.run("pause", "c-1", exits=5).stderr
        assert "files.*" in alone.run("credentials").stdout
        assert "The new token of desk: cst_" in alone.run("rotate", "desk").stdout
        alone.run("revoke", "ada")
        home.run("ps", exits=5)
        assert "Left" in home.run("leave").stdout
        assert "No hub was joined" in home.run("leave").stdout
        home.run("ps", exits=3)
        assert "Say whose" in home.run("rotate", exits=2).stderr


def test_a_code_of_another_hub_is_refused(alone: Terminal, tmp_path: Path) -> None:
    other, home = machine(tmp_path / "other"), machine(tmp_path / "home")
    with process(alone, *SERVE) as hub, process(other, *SERVE) as second:
        assert hub.stdout is not None
        assert second.stdout is not None
        hub.stdout.readline()
        url = json.loads(second.stdout.readline())["url"]
        code = alone.json("pair", "--role", "client")["code"]
        refused = home.run("join", url, "--pair", code, exits=5)
        assert "not the one that made this code" in refused.stderr
        assert not (home.state_dir / "joined.json").exists()
