"""Text that must reach a device as it is, whatever it looks like."""

from __future__ import annotations

from typing import Any


def literal(value: Any) -> Any:
    """A copy of plain data in which ``${`` is written ``$${``, so that nothing there refers."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [literal(item) for item in value]
    return value
