from __future__ import annotations

import pytest

from constellation.testing.clock import ManualClock


def test_moves_only_when_told() -> None:
    clock = ManualClock(5.0)
    assert clock() == clock() == 5.0
    assert clock.advance(2.5) == 7.5
    assert clock() == 7.5


def test_never_goes_back() -> None:
    with pytest.raises(ValueError):
        ManualClock().advance(-0.1)
