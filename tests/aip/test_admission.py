from __future__ import annotations

import pytest

from constellation.aip.admission import Admission


def test_strangers_are_bounded() -> None:
    admission = Admission(strangers=2)
    assert admission.enter()
    assert admission.enter()
    assert not admission.enter()
    admission.leave()
    assert admission.enter()


def test_an_address_is_blocked_after_too_many_failures() -> None:
    admission = Admission(failures=3)
    for _ in range(3):
        assert not admission.blocked("a", 0.0)
        admission.failed("a", 0.0)
    assert admission.blocked("a", 0.0)
    assert not admission.blocked("b", 0.0)


def test_failures_wear_off() -> None:
    admission = Admission(failures=2, forget_s=10.0)
    admission.failed("a", 0.0)
    admission.failed("a", 0.0)
    assert admission.blocked("a", 9.9)
    assert not admission.blocked("a", 10.0)
    admission.failed("a", 10.0)
    assert admission.blocked("a", 10.0)


@pytest.mark.parametrize("count", [100])
def test_remembers_few_addresses(count: int) -> None:
    admission = Admission(failures=1, addresses=10)
    for number in range(count):
        admission.failed(str(number), 0.0)
    remembered = [number for number in range(count) if admission.blocked(str(number), 0.0)]
    assert remembered == list(range(count - 10, count))
