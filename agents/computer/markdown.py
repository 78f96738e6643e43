"""Plain data as Markdown: objects as bullet points, lists of objects as tables, text as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

MAX_ROWS = 50
MAX_COLUMNS = 8
MAX_DEPTH = 4
_LONG = 120
_FIRST_DATE_S, _LAST_DATE_S = 1e9, 1e10
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def as_markdown(value: Any) -> str:
    """Data as a block of Markdown; text stays as it is."""
    return value.rstrip() if isinstance(value, str) else _block("", value, 0)


def _block(key: str, value: Any, depth: int) -> str:
    if isinstance(value, str) and ("\n" in value or len(value) > _LONG):
        return _fenced(value)
    if not value or not isinstance(value, Mapping | list | tuple) or depth == MAX_DEPTH:
        return _inline(key, value)
    if isinstance(value, Mapping):
        return "\n".join(_point(f"**{_label(k)}:**", k, v, depth) for k, v in value.items())
    shown = value[:MAX_ROWS]
    rest = f"\n\n… and {len(value) - MAX_ROWS} more" if len(value) > MAX_ROWS else ""
    if _is_table(shown):
        return _table(shown) + rest
    return "\n".join(_point("", key, each, depth) for each in shown) + rest


def _point(name: str, key: str, value: Any, depth: int) -> str:
    block = _block(key, value, depth + 1)
    if "\n" not in block and not block.startswith("- "):
        return f"- {name} {block}" if name else f"- {block}"
    indented = "\n".join(f"  {line}".rstrip() for line in block.splitlines())
    return f"- {name}\n\n{indented}\n"


def _is_table(rows: Sequence[Any]) -> bool:
    return all(
        isinstance(row, Mapping)
        and 0 < len(row) <= MAX_COLUMNS
        and not any(isinstance(cell, Mapping | list | tuple) for cell in row.values())
        for row in rows
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [[_label(column) for column in columns], ["---"] * len(columns)]
    lines += [[_inline(column, row.get(column)) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _inline(key: str, value: Any) -> str:
    match value:
        case None | "" | [] | {}:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int() | float() if key.endswith("bytes"):
            return _bytes(value)
        case int() | float() if key.endswith("percent"):
            return f"{value:g} %"
        case int() | float() if key.endswith("_s"):
            return _time(value)
        case float():
            return str(round(value, 6))
        case _:
            return _escaped(" ".join(str(value).split()))


def _label(key: str) -> str:
    """A field's name in words; units that the value shows are left out."""
    return _escaped(re.sub(r"_(bytes|percent|s)$", "", str(key)).replace("_", " "))


def _time(value: float) -> str:
    """Seconds; as a date if they are so many that they count from 1970."""
    if _FIRST_DATE_S <= value < _LAST_DATE_S:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{value:.6g} s"


def _bytes(value: float) -> str:
    size = float(value)
    unit = 0
    while abs(size) >= 1024 and unit < len(_UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{value:g} B"


def _escaped(text: str) -> str:
    """Text that is shown as it is: it can neither end a table's cell nor bring in HTML."""
    return text.replace("|", r"\|").replace("<", "&lt;")


def _fenced(text: str) -> str:
    """Text in a code block whose fence it does not hold itself."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"
