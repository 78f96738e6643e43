"""What the tests of agents share."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.testing import Trial


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The one folder that tasks may use."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def trial(root: Path) -> Trial:
    """A device with one root."""
    return Trial(roots=[root])
