"""What a language model may have the fabric do: each tool is something that a person may say."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

from .dialogue import Dialogue
from .ports import Working

_REQUEST = (
    "One request in plain English that names the device if there is one, such as: check the disk "
    "on server"
)
_WHICH = "Words of the title of the work that is meant; 'it' for the latest, 'everything' for all"


def _tool(name: str, description: str, **fields: str) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {
            field: {"type": "string", "description": about} for field, about in fields.items()
        },
        "required": list(fields),
        "additionalProperties": False,
    }
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


TOOLS = [
    _tool(
        "do",
        "Have the devices do something; returns the result or why there is none.",
        request=_REQUEST,
    ),
    _tool("look", "Which devices are connected, and what work goes on."),
    _tool("stop", "Stop work that goes on.", work=_WHICH),
    _tool(
        "change",
        "Have work that goes on done in another way or on another device instead.",
        work=_WHICH,
        request=_REQUEST,
    ),
]
_ACTS: dict[str, Callable[..., Iterator[str | Working]]] = {
    "do": Dialogue.do,
    "look": Dialogue.look,
    "stop": Dialogue.stop,
    "change": Dialogue.change,
}
_FIELDS = {tool["function"]["name"]: tool["function"]["parameters"]["required"] for tool in TOOLS}


def called(dialogue: Dialogue, name: str, arguments: str) -> Generator[Working, None, str]:
    """Do what a model calls for; return what came of it, for the model to read."""
    given = _read(arguments)
    if name not in _ACTS:
        return f"There is no tool {name!r}; there are {', '.join(_ACTS)}."
    wanted = [given.get(field) for field in _FIELDS[name]]
    if not all(isinstance(each, str) and each for each in wanted):
        return f"The tool {name} needs {' and '.join(_FIELDS[name])}, as text."
    results = []
    for piece in _ACTS[name](dialogue, *wanted):
        if isinstance(piece, Working):
            yield piece
        else:
            results.append(piece)
    return " ".join(results)


def _read(arguments: str) -> Mapping[str, Any]:
    """The arguments of a call; none if they cannot be read."""
    try:
        given = json.loads(arguments or "{}")
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}
