"""Reading the files that a person names; what cannot be read is a wrong argument."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from constellation.planner.runbook import read_data


def read_text(path: Path, argument: str) -> str:
    """The text of a file.

    Args:
        path: the file.
        argument: the argument that named it, for the message.

    Raises:
        typer.BadParameter: it is not there, or cannot be read as UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        reason = f"There is no file {path}."
    except UnicodeDecodeError:
        reason = f"{path} is not text in UTF-8."
    except OSError as error:
        reason = f"{path} cannot be read: {error.strerror}."
    raise typer.BadParameter(reason, param_hint=argument)


def read_tree(path: Path, argument: str) -> Any:
    """A JSON or YAML file as plain data.

    Raises:
        typer.BadParameter: see `read_text`.
        PlanError: names the line and column of a mistake.
    """
    return read_data(read_text(path, argument), str(path))


def read_json(path: Path, argument: str) -> Any:
    """A JSON file as plain data.

    Raises:
        typer.BadParameter: see `read_text`; or it is not JSON.
    """
    text = read_text(path, argument)
    try:
        return json.loads(text)
    except ValueError as error:
        reason = f"{path} is not JSON: {error}."
    except RecursionError:
        reason = f"{path} nests too deep."
    raise typer.BadParameter(reason, param_hint=argument)
