from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constellation.aip.pairing import RETRY_S, PairingDesk
from constellation.errors import AuthenticationError

NOW = 1_700_000_000.0


def test_a_code_is_easy_to_type() -> None:
    desk = PairingDesk()
    code = desk.offer(NOW, name="desk").code
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", code)
    typed = f" {code.lower().replace('-', ' ').replace('0', 'o').replace('1', 'l')} "
    assert desk.find(typed, NOW).name == "desk"


def test_a_code_that_was_taken_is_good_for_the_same_name_and_not_for_long() -> None:
    desk = PairingDesk()
    offer = desk.offer(NOW)
    desk.take(offer, "desk", NOW)
    assert desk.find(offer.code, NOW + RETRY_S - 1).name == "desk"
    desk.take(offer, "desk", NOW + RETRY_S - 1)
    with pytest.raises(AuthenticationError):
        desk.find(offer.code, NOW + RETRY_S)


def test_taking_a_code_does_not_lengthen_its_life() -> None:
    desk = PairingDesk()
    offer = desk.offer(NOW, ttl_s=30)
    desk.take(offer, "desk", NOW + 29)
    with pytest.raises(AuthenticationError):
        desk.find(offer.code, NOW + 30)


def test_a_code_is_short_lived() -> None:
    desk = PairingDesk()
    code = desk.offer(NOW, ttl_s=30).code
    with pytest.raises(AuthenticationError):
        desk.find(code, NOW + 30)


def test_five_wrong_tries_burn_every_open_code() -> None:
    desk = PairingDesk()
    codes = [desk.offer(NOW).code, desk.offer(NOW).code]
    for _ in range(5):
        with pytest.raises(AuthenticationError):
            desk.find("0000-0000", NOW)
    for code in codes:
        with pytest.raises(AuthenticationError):
            desk.find(code, NOW)
    fresh = desk.offer(NOW)
    assert desk.find(fresh.code, NOW) is fresh


def test_four_wrong_tries_are_forgiven() -> None:
    desk = PairingDesk()
    code = desk.offer(NOW).code
    for _ in range(4):
        with pytest.raises(AuthenticationError):
            desk.find("0000-0000", NOW)
    desk.find(code, NOW)


def test_pairing_with_one_code_spares_the_others() -> None:
    desk = PairingDesk()
    codes = [desk.offer(NOW, name=f"device-{n}").code for n in range(12)]
    assert [desk.find(code, NOW).name for code in codes] == [f"device-{n}" for n in range(12)]


@given(st.text(max_size=20))
def test_made_up_codes_are_refused(code: str) -> None:
    desk = PairingDesk()
    desk.offer(NOW)
    with pytest.raises(AuthenticationError):
        desk.find(code, NOW)
