"""What all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# Tests run beside other work, on slow machines too: how long an example took says nothing. Examples
# are the same each time where a run decides over a change, and new ones everywhere else.
settings.register_profile("constellation", deadline=None)
settings.register_profile("constellation-ci", deadline=None, derandomize=True, database=None)
settings.load_profile("constellation-ci" if os.environ.get("CI") else "constellation")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio: the shells are written for it."""
    return "asyncio"
