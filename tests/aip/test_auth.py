from __future__ import annotations

from pathlib import Path

import pytest

from constellation.aip.auth import (
    Authenticator,
    CredentialStore,
    PairingDesk,
    StoreAuthenticator,
)
from constellation.errors import AuthenticationError, PermissionDenied

NOW = 1_700_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> CredentialStore:
    return CredentialStore(tmp_path / "credentials.json")


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


def test_whoever_never_got_the_answer_pairs_again_with_the_same_code(
    store: CredentialStore,
) -> None:
    desk = PairingDesk()
    authenticator = StoreAuthenticator(store, desk)
    code = desk.offer(NOW).code
    _, lost = authenticator.pair(code, "desk", "device", NOW)
    with pytest.raises(AuthenticationError, match="for desk, not for laptop"):
        authenticator.pair(code, "laptop", "device", NOW + 1)
    _, token = authenticator.pair(code, "desk", "device", NOW + 2)
    store.verify(token, NOW + 2)
    with pytest.raises(AuthenticationError):
        store.verify(lost, NOW + 2)


def test_a_name_that_is_taken_does_not_use_a_code_up(store: CredentialStore) -> None:
    desk = PairingDesk()
    authenticator = StoreAuthenticator(store, desk)
    _, kept = store.issue("desk", "device", NOW)
    code = desk.offer(NOW).code
    for _ in range(2):
        with pytest.raises(AuthenticationError, match="desk is taken"):
            authenticator.pair(code, "desk", "device", NOW)
    store.verify(kept, NOW)
    authenticator.pair(code, "desk-2", "device", NOW)
