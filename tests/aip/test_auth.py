from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from constellation.aip.auth import (
    Authenticator,
    CredentialStore,
    Identity,
    PairingDesk,
    StoreAuthenticator,
)
from constellation.errors import AuthenticationError, ConfigError, PermissionDenied

NOW = 1_700_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "credentials.json"


@pytest.fixture
def store(path: Path) -> CredentialStore:
    return CredentialStore(path)


# ── credentials ─────────────────────────────────────────────────────────────────────────────────


def test_a_token_identifies_its_owner(store: CredentialStore) -> None:
    identity, token = store.issue("desk", "device", NOW)
    assert token.startswith(f"cst_{identity.credential}_")
    assert store.verify(token, NOW + 1e9) == identity == Identity("desk", "device", mask(token))


def mask(token: str) -> str:
    return token.split("_")[1]


def test_survives_a_restart(store: CredentialStore, path: Path) -> None:
    identity, token = store.issue("desk", "device", NOW)
    again = CredentialStore(path)
    assert again.verify(token, NOW) == identity
    assert again.list() == store.list()


def test_the_file_is_for_its_owner_and_holds_no_secret(store: CredentialStore, path: Path) -> None:
    _, token = store.issue("desk", "device", NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    assert token.split("_", 2)[2] not in path.read_text()
    assert [each.name for each in path.parent.iterdir()] == ["credentials.json"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: "cst_" + token,
        lambda token: token.replace("cst_", "xyz_", 1),
        lambda token: "cst_" + "0" * 12 + "_" + token.split("_", 2)[2],
        lambda token: token.rsplit("_", 1)[0],
        lambda token: f"cst_{mask(token)}_",
        lambda token: "",
        lambda token: "\ud800",
    ],
)
def test_any_other_token_is_refused(store: CredentialStore, spoil) -> None:
    _, token = store.issue("desk", "device", NOW)
    with pytest.raises(AuthenticationError):
        store.verify(spoil(token), NOW)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=80))
def test_made_up_tokens_are_refused(store: CredentialStore, token: str) -> None:
    with pytest.raises(AuthenticationError):
        store.verify(token, NOW)


def test_a_credential_expires(store: CredentialStore) -> None:
    _, token = store.issue("guest", "client", NOW, expires_at=NOW + 60)
    store.verify(token, NOW + 59.9)
    with pytest.raises(AuthenticationError, match="expired"):
        store.verify(token, NOW + 60)


def test_revoking_forgets_and_tells(store: CredentialStore, path: Path) -> None:
    told: list[str] = []
    stop = store.on_revoked(told.append)
    identity, token = store.issue("desk", "device", NOW)
    assert store.revoke("desk")
    assert told == [identity.credential]
    for each in (store, CredentialStore(path)):
        with pytest.raises(AuthenticationError):
            each.verify(token, NOW)
    assert not store.revoke("desk")
    stop()
    store.issue("desk", "device", NOW)
    store.revoke("desk")
    assert told == [identity.credential]


def test_rotating_replaces_the_secret_and_keeps_the_identity(store: CredentialStore) -> None:
    told: list[str] = []
    store.on_revoked(told.append)
    identity, old = store.issue("desk", "device", NOW, expires_at=NOW + 100)
    new = store.rotate("desk", NOW + 1)
    assert store.verify(new, NOW + 1) == identity
    assert told == []
    with pytest.raises(AuthenticationError):
        store.verify(old, NOW + 1)
    with pytest.raises(AuthenticationError, match="expired"):
        store.verify(new, NOW + 100)
    with pytest.raises(ConfigError, match="laptop"):
        store.rotate("laptop", NOW)


def test_issuing_again_replaces(store: CredentialStore) -> None:
    told: list[str] = []
    store.on_revoked(told.append)
    first, old = store.issue("desk", "device", NOW)
    second, new = store.issue("desk", "device", NOW + 1)
    assert told == [first.credential]
    assert [each.id for each in store.list()] == [second.credential]
    assert store.verify(new, NOW + 1) == second
    with pytest.raises(AuthenticationError):
        store.verify(old, NOW + 1)


def test_a_name_belongs_to_one_kind(store: CredentialStore) -> None:
    store.issue("local", "admin", NOW)
    with pytest.raises(ConfigError, match="admin credential named local"):
        store.issue("local", "device", NOW)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"credentials": [{}]}'])
def test_a_spoilt_file_is_named(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"credentials\.json"):
        CredentialStore(path)


def test_the_file_is_plain_json(store: CredentialStore, path: Path) -> None:
    identity, _ = store.issue("desk", "device", NOW)
    data = json.loads(path.read_text())
    assert data["version"] == 1
    assert data["credentials"][0]["id"] == identity.credential


# ── permissions ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        ("device", {"serve"}),
        ("client", {"observe", "operate"}),
        ("admin", {"serve", "observe", "operate", "admin"}),
    ],
)
def test_permissions_of_a_kind(kind, allowed: set[str]) -> None:
    identity = Identity("x", kind, "1")
    assert {each for each in ("serve", "observe", "operate", "admin") if identity.allows(each)} == (
        allowed
    )
    assert not identity.allows("anything else")


def test_a_device_cannot_act_as_another_or_as_a_client() -> None:
    desk = Identity("desk", "device", "1")
    desk.check_role("device", "desk")
    with pytest.raises(PermissionDenied, match="desk, not to laptop"):
        desk.check_role("device", "laptop")
    for role in ("client", "hub"):
        with pytest.raises(PermissionDenied):
            desk.check_role(role, "desk")


def test_a_client_cannot_act_as_a_device() -> None:
    with pytest.raises(PermissionDenied):
        Identity("me", "client", "1").check_role("device", "me")
    Identity("me", "client", "1").check_role("client", "cli-7")


def test_an_administrator_may_stand_in_for_a_device() -> None:
    Identity("local", "admin", "1").check_role("device", "desk")


# ── pairing ─────────────────────────────────────────────────────────────────────────────────────


def test_a_code_is_easy_to_type() -> None:
    desk = PairingDesk()
    code = desk.offer(NOW, name="desk").code
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", code)
    typed = f" {code.lower().replace('-', ' ').replace('0', 'o').replace('1', 'l')} "
    assert desk.redeem(typed, NOW).name == "desk"


def test_a_code_works_once() -> None:
    desk = PairingDesk()
    code = desk.offer(NOW).code
    desk.redeem(code, NOW)
    with pytest.raises(AuthenticationError):
        desk.redeem(code, NOW)


def test_a_code_is_short_lived() -> None:
    desk = PairingDesk()
    code = desk.offer(NOW, ttl_s=30).code
    with pytest.raises(AuthenticationError):
        desk.redeem(code, NOW + 30)


def test_five_wrong_tries_burn_every_open_code() -> None:
    desk = PairingDesk()
    codes = [desk.offer(NOW).code, desk.offer(NOW).code]
    for _ in range(5):
        with pytest.raises(AuthenticationError):
            desk.redeem("0000-0000", NOW)
    for code in codes:
        with pytest.raises(AuthenticationError):
            desk.redeem(code, NOW)
    fresh = desk.offer(NOW)
    assert desk.redeem(fresh.code, NOW) is fresh


def test_four_wrong_tries_are_forgiven() -> None:
    desk = PairingDesk()
    code = desk.offer(NOW).code
    for _ in range(4):
        with pytest.raises(AuthenticationError):
            desk.redeem("0000-0000", NOW)
    desk.redeem(code, NOW)


def test_pairing_with_one_code_spares_the_others() -> None:
    desk = PairingDesk()
    codes = [desk.offer(NOW, name=f"device-{n}").code for n in range(12)]
    assert [desk.redeem(code, NOW).name for code in codes] == [f"device-{n}" for n in range(12)]


@given(st.text(max_size=20))
def test_made_up_codes_are_refused(code: str) -> None:
    desk = PairingDesk()
    desk.offer(NOW)
    with pytest.raises(AuthenticationError):
        desk.redeem(code, NOW)


def test_pairing_gives_a_credential(store: CredentialStore) -> None:
    desk = PairingDesk()
    authenticator: Authenticator = StoreAuthenticator(store, desk)
    identity, token = authenticator.pair(desk.offer(NOW).code, "desk", "device", NOW)
    assert identity.kind == "device"
    assert authenticator.authenticate(token, NOW) == identity


def test_a_code_for_a_device_makes_no_client(store: CredentialStore) -> None:
    desk = PairingDesk()
    authenticator = StoreAuthenticator(store, desk)
    with pytest.raises(PermissionDenied):
        authenticator.pair(desk.offer(NOW).code, "me", "client", NOW)
    assert store.list() == ()


def test_an_open_code_does_not_give_away_a_taken_name(store: CredentialStore) -> None:
    desk = PairingDesk()
    authenticator = StoreAuthenticator(store, desk)
    _, token = store.issue("desk", "device", NOW)
    with pytest.raises(AuthenticationError, match="desk is taken"):
        authenticator.pair(desk.offer(NOW).code, "desk", "device", NOW)
    store.verify(token, NOW)


def test_a_code_for_a_name_serves_that_name_and_replaces_its_credential(
    store: CredentialStore,
) -> None:
    desk = PairingDesk()
    authenticator = StoreAuthenticator(store, desk)
    _, old = store.issue("desk", "device", NOW)
    with pytest.raises(AuthenticationError, match="for desk, not for laptop"):
        authenticator.pair(desk.offer(NOW, name="desk").code, "laptop", "device", NOW)
    _, new = authenticator.pair(desk.offer(NOW, name="desk").code, "desk", "device", NOW)
    store.verify(new, NOW)
    with pytest.raises(AuthenticationError):
        store.verify(old, NOW)
