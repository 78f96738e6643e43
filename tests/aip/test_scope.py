from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.credentials import CredentialStore
from constellation.aip.scope import UNLIMITED, Scope
from constellation.errors import ConfigError

SKILL = st.from_regex(r"[a-z]{1,6}(\.[a-z]{1,6}){0,2}", fullmatch=True)


@given(SKILL)
def test_without_patterns_every_skill_is_allowed(skill: str) -> None:
    assert UNLIMITED.permits(skill)
    assert not Scope(skills=()).permits(skill)


@given(SKILL, SKILL)
def test_a_name_is_a_pattern_of_itself_alone(skill: str, other: str) -> None:
    assert Scope(skills=(skill,)).permits(other) == (skill == other)


@given(SKILL, SKILL)
def test_a_star_stands_for_what_follows(prefix: str, rest: str) -> None:
    scope = Scope(skills=(f"{prefix}.*",))
    assert scope.permits(f"{prefix}.{rest}")
    assert not scope.permits(f"x{prefix}.{rest}")
    assert not scope.permits(prefix)


@given(st.lists(SKILL, unique=True), st.lists(SKILL))
def test_a_card_keeps_what_is_allowed_in_its_order(skills: list[str], allowed: list[str]) -> None:
    card = DeviceCard(name="desk", skills=tuple(SkillCard(name=each) for each in skills))
    kept = [each.name for each in Scope(skills=tuple(allowed)).filtered(card).skills]
    assert kept == [each for each in skills if each in allowed]


def test_what_is_no_pattern_is_refused() -> None:
    for wrong in ("", "a b", "[a]", "x" * 129):
        with pytest.raises(ValidationError):
            Scope(skills=(wrong,))


def test_a_scope_is_kept_with_its_credential(tmp_path: Path) -> None:
    scope = Scope(skills=("files.*",), constellations="own")
    store = CredentialStore(tmp_path / "credentials.json")
    store.issue("ada", "client", 0.0, scope=scope)
    store.rotate("ada", 1.0)
    assert CredentialStore(tmp_path / "credentials.json").scope("ada") == scope
    store.issue("ada", "client", 2.0)
    assert store.scope("ada") == scope, "pairing anew gives nobody more"
    store.issue("ada", "client", 3.0, scope=Scope(read_only=True))
    assert store.scope("ada") == Scope(read_only=True)
    store.revoke("ada")
    assert store.scope("ada") is None


def test_an_admin_is_not_held_to_anything(tmp_path: Path) -> None:
    store = CredentialStore(tmp_path / "credentials.json")
    store.issue("root", "admin", 0.0)
    with pytest.raises(ConfigError, match="may do anything"):
        store.restrict("root", Scope(read_only=True))
    with pytest.raises(ConfigError, match="no credential"):
        store.restrict("nobody", Scope())
