"""What goes into files and reports: text, or data that other tasks produced."""

from __future__ import annotations

import json
from typing import Any

# Text comes first: planners read from the schema that text is what is meant.
Content = str | dict[str, Any] | list[Any] | bool | int | float | None


def as_text(content: Content) -> str:
    """Text as it is; data as indented JSON."""
    if isinstance(content, str):
        return content
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
