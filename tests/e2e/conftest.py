"""The fixture that makes fabrics of real processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.processes import Processes


@pytest.fixture
def fabric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(*, grace_s: float = 20.0, sync: str = "normal") -> Processes:
        monkeypatch.setenv("CONSTELLATION_HUB__GRACE_S", str(grace_s))
        return Processes(tmp_path / "state", grace_s, sync)

    return make
