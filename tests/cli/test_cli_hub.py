"""The command `hub` as a process: readiness, shutdown, conflicts, TLS, and a restart."""

from __future__ import annotations

import json
import signal
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from cli_terminal import ECHO, TIMEOUT_S, Terminal, line_with, process

from constellation.config import LocalHub


def test_it_says_when_it_is_ready_and_stops_on_sigterm(alone: Terminal) -> None:
    with process(alone, "hub", "--port", "0") as hub:
        line = line_with(hub.stdout, "Hub ready at ws://127.0.0.1:")
        assert str(alone.state_dir) in line
        found = LocalHub.find(alone.state_dir)
        assert found is not None
        assert found.url in line
        assert stat.S_IMODE((alone.state_dir / "hub.json").stat().st_mode) == 0o600
        assert alone.run("ps").stdout.startswith("Nothing runs.")
        for command in ("run", "plan"):
            assert "constellation pair" in alone.run(command, "list the files", exits=3).stderr
        hub.send_signal(signal.SIGTERM)
        hub.communicate(timeout=TIMEOUT_S)
    assert hub.returncode == 0
    assert LocalHub.find(alone.state_dir) is None


def test_a_state_directory_has_one_hub(alone: Terminal) -> None:
    with process(alone, "hub", "--port", "0") as hub:
        line_with(hub.stdout, "Hub ready")
        with process(alone, "hub", "--port", "0") as second:
            _, err = second.communicate(timeout=TIMEOUT_S)
    assert second.returncode == 1
    assert "Another hub is writing" in err
    assert "--state-dir" in err


def test_a_port_in_use_is_named(alone: Terminal, tmp_path: Path) -> None:
    with process(alone, "hub", "--port", "0", "--json") as hub:
        assert hub.stdout is not None
        port = json.loads(hub.stdout.readline())["url"].split(":")[2].split("/")[0]
        other = ["hub", "--port", port, "--state-dir", str(tmp_path / "other")]
        with process(alone, *other) as second:
            _, err = second.communicate(timeout=TIMEOUT_S)
    assert second.returncode == 2
    assert port in err


def test_tls_is_spoken_and_checked(alone: Terminal, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    ca, cert, key = tmp_path / "ca.pem", tmp_path / "hub.pem", tmp_path / "hub-key.pem"
    authority.cert_pem.write_to_path(ca)
    certificate.cert_chain_pems[0].write_to_path(cert)
    certificate.private_key_pem.write_to_path(key)
    serving = ["hub", "--port", "0", "--tls-cert", str(cert), "--tls-key", str(key)]
    with process(alone, *serving) as hub:
        line_with(hub.stdout, "Hub ready at wss://127.0.0.1:")
        trusting = {**alone.environment, "CONSTELLATION_CLIENT__CA": str(ca)}
        assert replace(alone, environment=trusting).run("ps").stdout.startswith("Nothing runs.")
        assert "is not trusted" in alone.run("ps", exits=5).stderr


def test_the_local_credential_outlives_the_hub_until_it_is_revoked(alone: Terminal) -> None:
    tokens = []
    for _ in range(3):
        with process(alone, "hub", "--port", "0") as hub:
            line_with(hub.stdout, "Hub ready")
            found = LocalHub.find(alone.state_dir)
            assert found is not None
            tokens.append(found.token)
            if len(tokens) == 2:
                # It cuts the branch that it sits on: no answer comes back.
                with process(alone, "revoke", "local") as revoking:
                    revoking.communicate(timeout=TIMEOUT_S)
                assert revoking.returncode in (0, 3)
    assert tokens[0] == tokens[1] != tokens[2]


@pytest.mark.full
def test_whoever_follows_goes_on_after_the_hub_is_killed(alone: Terminal) -> None:
    with process(alone, "hub", "--port", "0", "--json") as hub:
        assert hub.stdout is not None
        url = json.loads(hub.stdout.readline())["url"]
        port = url.split(":")[2].split("/")[0]
        joining = ["agent", "--hub", url, "--name", "desk"]
        code = alone.json("pair", "--name", "desk")["code"]
        with process(alone, *joining, "--pair", code) as agent:
            line_with(agent.stdout, "desk")
            with process(alone, "run", ECHO) as running:
                identifier = line_with(running.stderr, "To answer:").split()[-3]
                hub.kill()
                hub.communicate(timeout=TIMEOUT_S)
                line_with(running.stderr, "The hub does not answer.")
                with process(alone, "hub", "--port", port) as again:
                    line_with(again.stdout, "Hub ready")
                    line_with(running.stderr, "The hub is back.")
                    alone.run("approve", identifier)
                    out, rest = running.communicate(timeout=TIMEOUT_S)
    assert (running.returncode, out) == (0, "hello from the device\n")
    assert "does not answer" not in rest


def test_who_waits_for_a_hub_that_is_gone_may_leave(alone: Terminal) -> None:
    with process(alone, "hub", "--port", "0", "--json") as hub:
        assert hub.stdout is not None
        url = json.loads(hub.stdout.readline())["url"]
        code = alone.json("pair", "--name", "desk")["code"]
        options = "--hub", url, "--name", "desk", "--pair", code, "--drain-timeout", "0"
        with process(alone, "agent", *options) as agent:
            line_with(agent.stdout, "desk")
            with process(alone, "run", ECHO) as running:
                line_with(running.stderr, "To answer:")
                hub.kill()
                hub.communicate(timeout=TIMEOUT_S)
                line_with(running.stderr, "The hub does not answer.")
                running.send_signal(signal.SIGINT)
                line_with(running.stderr, "Ctrl-C again stops waiting.")
                running.send_signal(signal.SIGINT)
                running.communicate(timeout=TIMEOUT_S)
    assert running.returncode == 130
