from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from constellation.aip.credentials import CredentialStore
from constellation.aip.identity import Identity
from constellation.errors import AuthenticationError, ConfigError

NOW = 1_700_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "credentials.json"


@pytest.fixture
def store(path: Path) -> CredentialStore:
    return CredentialStore(path)


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
