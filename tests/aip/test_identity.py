from __future__ import annotations

import pytest

from constellation.aip.identity import Identity
from constellation.errors import PermissionDenied


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
    with pytest.raises(PermissionDenied):
        desk.check_role("client", "desk")


def test_a_client_cannot_act_as_a_device() -> None:
    with pytest.raises(PermissionDenied):
        Identity("me", "client", "1").check_role("device", "me")
    Identity("me", "client", "1").check_role("client", "cli-7")


def test_an_administrator_may_stand_in_for_a_device() -> None:
    Identity("local", "admin", "1").check_role("device", "desk")
