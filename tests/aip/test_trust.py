"""Whom a device believes, over real sockets: right and wrong authorities, somebody in between."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.pairing import exchange_code
from agents.settings import AgentSettings
from constellation.aip.authority import CERTIFICATE_DAYS, Authority
from constellation.aip.client import connect
from constellation.aip.tls import server_context
from constellation.aip.trust import Invitation, fetch_authority, trusting
from constellation.errors import AuthenticationError, HubUnreachable

pytestmark = pytest.mark.anyio

HERE = ("127.0.0.1",)
DAY_S = 86_400.0


class Shown:
    """An authority, what it shows to whoever asks, and a certificate that it signed."""

    def __init__(self, folder: Path, names: tuple[str, ...] = HERE, now: float | None = None):
        now = time.time() if now is None else now
        self.authority = Authority(folder, now)
        self.ssl = server_context(*self.authority.certify(names, now))
        self.text = self.authority.file.read_text()
        self.fingerprint = self.authority.fingerprint

    def code(self, hub, name: str | None = None) -> str:
        code = hub.pairing.offer(time.time(), name=name).code
        return str(Invitation(code, self.fingerprint))


@pytest.fixture
def ours(tmp_path: Path) -> Shown:
    return Shown(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Shown:
    return Shown(tmp_path / "theirs")


def settings(folder: Path, url: str, code: str | None = None) -> AgentSettings:
    return AgentSettings(hub=url, name="desk", state_dir=folder / "state", pair=code)


async def come_back(mine: AgentSettings) -> None:
    """Connect with what pairing left, as an agent does at its next start."""
    from agents.pairing import introduce

    introduction = await introduce(mine)
    async with connect(
        mine.hub,
        role="device",
        name=mine.name,
        credential=mine.find_credential(),
        ssl=introduction.ssl,
    ) as link:
        with anyio.fail_after(100):
            await link.ready()


@given(st.from_regex(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", fullmatch=True), st.data())
def test_an_invitation_is_read_as_it_was_printed(code: str, data: st.DataObject) -> None:
    mark = data.draw(st.from_regex(r"([0-9A-HJKMNP-TV-Z]{26})?", fullmatch=True))
    invitation = Invitation(code, mark)
    assert Invitation.read(str(invitation)) == invitation
    assert Invitation.read(f" {str(invitation).lower()} ").fingerprint == mark


async def test_a_device_pins_the_authority_that_its_code_names(
    hub, ours: Shown, tmp_path: Path
) -> None:
    async with hub.serving(ssl=ours.ssl, authority=ours.text) as server:
        mine = settings(tmp_path, server.url, ours.code(hub, "desk"))
        await exchange_code(mine)
        assert mine.authority_file.read_text() == ours.text
        await come_back(settings(tmp_path, server.url))
    assert hub.app.names("opened") == ["desk", "desk"]


async def test_the_fingerprint_survives_typing(hub, ours: Shown, tmp_path: Path) -> None:
    async with hub.serving(ssl=ours.ssl, authority=ours.text) as server:
        typed = ours.code(hub).lower().replace("0", "o").replace("1", "l")
        await exchange_code(settings(tmp_path, server.url, typed))
    assert hub.app.names("opened") == ["desk"]


async def test_another_authority_is_refused_and_told_nothing(
    hub, ours: Shown, theirs: Shown, tmp_path: Path
) -> None:
    async with hub.serving(ssl=theirs.ssl, authority=theirs.text) as impostor:
        mine = settings(tmp_path, impostor.url, ours.code(hub))
        with pytest.raises(AuthenticationError, match="not the one that made this code"):
            await exchange_code(mine)
    assert hub.app.told == []
    assert not mine.authority_file.exists()
    assert not mine.credential_file.exists()


async def test_a_man_in_the_middle_with_the_true_authority_but_not_its_key_is_refused(
    hub, ours: Shown, theirs: Shown, tmp_path: Path
) -> None:
    async with hub.serving(ssl=theirs.ssl, authority=ours.text) as impostor:
        code = ours.code(hub)
        mine = settings(tmp_path, impostor.url, code)
        with pytest.raises(AuthenticationError, match="not trusted"):
            await exchange_code(mine)
        assert not mine.credential_file.exists()
    # The code never got there: it is still good.
    hub.pairing.find(code, time.time())
    assert hub.app.told == []


async def test_a_hub_that_took_the_place_of_the_pinned_one_is_refused(
    hub, ours: Shown, theirs: Shown, tmp_path: Path
) -> None:
    async with hub.serving(ssl=ours.ssl, authority=ours.text) as server:
        await exchange_code(settings(tmp_path, server.url, ours.code(hub)))
    async with hub.serving(ssl=theirs.ssl, authority=theirs.text) as impostor:
        with pytest.raises(AuthenticationError, match="not trusted"):
            await come_back(settings(tmp_path, impostor.url))
    assert hub.app.names("opened") == ["desk"]


async def test_an_expired_certificate_is_refused(hub, tmp_path: Path) -> None:
    old = Shown(tmp_path / "old", now=time.time() - (CERTIFICATE_DAYS + 1) * DAY_S)
    async with hub.serving(ssl=old.ssl, authority=old.text) as server:
        with pytest.raises(AuthenticationError, match="certificate has expired"):
            await exchange_code(settings(tmp_path, server.url, old.code(hub)))
    assert hub.app.told == []


async def test_a_certificate_for_another_host_is_refused(hub, tmp_path: Path) -> None:
    other = Shown(tmp_path / "other", names=("hub.example",))
    async with hub.serving(ssl=other.ssl, authority=other.text) as server:
        with pytest.raises(AuthenticationError, match=r"not trusted.*127\.0\.0\.1"):
            await exchange_code(settings(tmp_path, server.url, other.code(hub)))
    assert hub.app.told == []


async def test_a_code_without_its_fingerprint_trusts_the_system_alone(
    hub, ours: Shown, tmp_path: Path
) -> None:
    async with hub.serving(ssl=ours.ssl, authority=ours.text) as server:
        code = hub.pairing.offer(time.time()).code
        with pytest.raises(AuthenticationError, match="not trusted"):
            await exchange_code(settings(tmp_path, server.url, code))


async def test_a_hub_that_shows_no_authority_is_named(hub, ours: Shown, tmp_path: Path) -> None:
    async with hub.serving(ssl=ours.ssl) as server:
        with pytest.raises(HubUnreachable, match="shows no authority"):
            await exchange_code(settings(tmp_path, server.url, ours.code(hub)))


async def test_an_authority_without_end_is_not_taken_in(hub, ours: Shown) -> None:
    async with hub.serving(ssl=ours.ssl, authority="x" * 1_000_000) as server:
        with pytest.raises(HubUnreachable, match="shows no authority"):
            await fetch_authority(server.url, ours.fingerprint)


async def test_nobody_there_is_told_as_such(ours: Shown, free_tcp_port: int) -> None:
    with pytest.raises(HubUnreachable, match="cannot be reached"):
        await fetch_authority(f"wss://127.0.0.1:{free_tcp_port}", ours.fingerprint)


async def test_pairing_anew_lets_go_of_what_was_pinned(hub, ours: Shown, tmp_path: Path) -> None:
    async with hub.serving(ssl=ours.ssl, authority=ours.text) as server:
        await exchange_code(settings(tmp_path, server.url, ours.code(hub, "desk")))
    async with hub.serving() as plain:
        code = hub.pairing.offer(time.time(), name="desk").code
        mine = settings(tmp_path, plain.url, code)
        await exchange_code(mine)
    assert not mine.authority_file.exists()


async def test_no_token_is_refused(hub, ours: Shown) -> None:
    async with hub.serving(ssl=ours.ssl) as server:
        with pytest.raises(AuthenticationError, match="no credential"):
            async with connect(
                server.url, role="client", name="me", ssl=trusting(server.url, ours.text)
            ):
                await anyio.sleep_forever()


async def test_a_replayed_token_of_a_revoked_credential_is_refused(hub, ours: Shown) -> None:
    token = hub.token("me", "client")
    hub.credentials.revoke("me")
    async with hub.serving(ssl=ours.ssl) as server:
        with pytest.raises(AuthenticationError, match="does not know this credential"):
            async with connect(
                server.url,
                role="client",
                name="me",
                credential=token,
                ssl=trusting(server.url, ours.text),
            ):
                await anyio.sleep_forever()


async def test_a_replayed_code_is_refused(hub, ours: Shown, tmp_path: Path) -> None:
    code = ours.code(hub)
    async with hub.serving(ssl=ours.ssl, authority=ours.text) as server:
        await exchange_code(settings(tmp_path, server.url, code))
        thief = AgentSettings(hub=server.url, name="thief", state_dir=tmp_path / "thief", pair=code)
        with pytest.raises(AuthenticationError, match="is for desk, not for thief"):
            await exchange_code(thief)
    assert hub.app.names("opened") == ["desk"]
