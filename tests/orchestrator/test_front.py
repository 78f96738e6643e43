from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from constellation.aip.client import connect
from constellation.aip.trust import Invitation, fetch_authority, trusting
from constellation.client import open_hub
from constellation.config import HubSettings, LocalHub, Settings, load_settings
from constellation.errors import ConfigError
from constellation.orchestrator.front import Front, is_loopback, names_of
from constellation.orchestrator.service import open_hub as serve_hub

pytestmark = pytest.mark.anyio
DAY_S = 86_400.0


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("CONSTELLATION_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return load_settings({"hub": {"port": 0, "tls": "on"}})


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("hub.example", False),
    ],
)
def test_what_reaches_this_machine_alone(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_loopback_is_plain_text_without_more_ado(tmp_path: Path) -> None:
    front = Front.of(HubSettings(), tmp_path)
    assert front.ssl is None
    assert front.url(8470) == front.local_url(8470) == "ws://127.0.0.1:8470/aip"
    assert list(tmp_path.iterdir()) == []


def test_beyond_loopback_tls_is_spoken_unasked(tmp_path: Path) -> None:
    front = Front.of(HubSettings(host="0.0.0.0"), tmp_path)
    assert front.ssl is not None
    assert front.url(8470).startswith("wss://")
    assert "0.0.0.0" not in front.url(8470)
    assert front.local_url(8470) == "wss://127.0.0.1:8470/aip"
    assert len(front.fingerprint) == 26


def test_plain_text_beyond_loopback_is_a_choice_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    front = Front.of(HubSettings(host="0.0.0.0", tls="off"), tmp_path)
    assert front.ssl is None
    assert "plain text" in caplog.text


def test_names_that_were_given_come_first() -> None:
    names = names_of(HubSettings(host="0.0.0.0", known_as=("hub.example",)))
    assert names[0] == "hub.example"
    assert {"localhost", "127.0.0.1", "::1"} < set(names)
    assert names_of(HubSettings(host="192.0.2.1"))[0] == "192.0.2.1"


def test_one_tls_file_without_the_other_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="go together"):
        Front.of(HubSettings(tls_cert=tmp_path / "hub.pem"), tmp_path)


async def test_programs_of_the_same_user_find_whom_to_trust(mine: Settings) -> None:
    async with serve_hub(mine) as hub:
        assert hub.url.startswith("wss://127.0.0.1:")
        found = LocalHub.find(mine.state_dir)
        assert found is not None
        assert found.ca == mine.state_dir / "authority" / "authority.pem"
        async with open_hub(mine) as client:
            offer = await client.ask("pair")
    invitation = Invitation.read(offer["code"])
    assert invitation.fingerprint == hub.fingerprint
    assert "-" in invitation.code


async def test_the_authority_outlives_the_hub(mine: Settings) -> None:
    fingerprints = []
    for _ in range(2):
        async with serve_hub(mine) as hub:
            fingerprints.append(hub.fingerprint)
            await fetch_authority(hub.url, hub.fingerprint)
    assert fingerprints[0] == fingerprints[1]


async def test_a_hub_takes_a_new_certificate_while_it_serves(mine: Settings) -> None:
    front = Front.of(mine.hub, mine.make_state_dir())
    server = await asyncio.start_server(
        lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=front.ssl
    )
    address = server.sockets[0].getsockname()
    async with server:
        before = await to_thread.run_sync(ssl.get_server_certificate, address)
        front.renew(time.time())
        assert await to_thread.run_sync(ssl.get_server_certificate, address) == before
        front.renew(time.time() + 61 * DAY_S)
        assert await to_thread.run_sync(ssl.get_server_certificate, address) != before


async def test_renewing_in_vain_keeps_what_there_is(
    mine: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    front = Front.of(mine.hub, mine.make_state_dir())
    assert front.authority_file is not None
    for file in front.authority_file.parent.iterdir():
        file.unlink()
    front.authority_file.parent.rmdir()
    front.renew(time.time())
    assert "could not be renewed" in caplog.text


async def test_a_client_session_goes_through_the_hub_s_own_tls(mine: Settings) -> None:
    async with serve_hub(mine) as hub:
        found = LocalHub.find(mine.state_dir)
        assert found is not None
        async with connect(
            hub.url,
            role="client",
            name="me",
            credential=found.token.get_secret_value(),
            ssl=trusting(hub.url, found.ca),
        ) as link:
            with anyio.fail_after(100):
                assert (await link.request("status"))["url"] == hub.url
