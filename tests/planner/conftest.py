"""The devices that the planner's tests plan for."""

from __future__ import annotations

import pytest
from planner_cards import computers

from constellation.aip.cards import DeviceCard


@pytest.fixture(scope="session")
def cards() -> tuple[DeviceCard, ...]:
    """desk and server on Linux, laptop on macOS."""
    return computers()
