"""Packages that only some want."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from constellation.errors import ConfigError


@contextmanager
def needs(package: str, extra: str = "sims") -> Iterator[None]:
    """Imports within it fail with a word on what to install.

    Raises:
        ConfigError: something to be imported is missing.
    """
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"This needs {package}: {error}.",
            remedy=f"Install it: pip install 'constellation-fabric[robot,{extra}]'.",
        ) from error
