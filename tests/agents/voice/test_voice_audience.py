"""The voice that is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.voice.audience import KeptVoice
from agents.voice.voiceprint import SIZE, Voiceprint
from constellation.errors import ConfigError

PRINT = Voiceprint(np.full(SIZE, SIZE**-0.5, np.float32), 12.5)


def test_voice_is_kept_for_its_owner_alone_until_it_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "voice" / "voiceprint.npy"
    kept = KeptVoice(path)
    assert kept.load() is None
    kept.keep(Voiceprint(-PRINT.vector))
    kept.keep(PRINT)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    loaded = KeptVoice(path).load()
    assert loaded is not None
    assert loaded.likeness(PRINT) == pytest.approx(1)
    assert loaded.heard_s == 12.5
    # As it was kept before that was known.
    np.save(path, PRINT.vector)
    older = KeptVoice(path).load()
    assert older is not None
    assert older.likeness(PRINT) == pytest.approx(1)
    kept.forget()
    kept.forget()
    assert kept.load() is None


def test_nothing_is_kept_without_a_file() -> None:
    kept = KeptVoice(None)
    kept.keep(PRINT)
    kept.forget()
    assert kept.load() is None


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x93NUMPY", b"PK\x03\x04"])
def test_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "voiceprint.npy"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"voiceprint\.npy is no voiceprint"):
        KeptVoice(path).load()


def test_voiceprint_of_another_size_is_none_of_ours(tmp_path: Path) -> None:
    np.save(tmp_path / "voiceprint.npy", np.zeros(3))
    with pytest.raises(ConfigError):
        KeptVoice(tmp_path / "voiceprint.npy").load()
