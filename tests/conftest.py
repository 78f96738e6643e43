"""What all tests share."""

from __future__ import annotations

import pytest
from hypothesis import settings

# Tests run beside other work, on slow machines too: how long an example took says nothing.
settings.register_profile("constellation", deadline=None)
settings.load_profile("constellation")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio: the shells are written for it."""
    return "asyncio"
