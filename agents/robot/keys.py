"""The key by which a policy server knows its clients."""

from __future__ import annotations

from pathlib import Path

from constellation.errors import ConfigError


def read_key(path: Path) -> str:
    """The key in a file.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", remedy="Name another file.") from None
    if not key:
        raise ConfigError(f"{path} is empty.", remedy="Write a key into it.")
    return key
