"""The event loop of hubs and agents: uvloop where it is installed (extra ``speed``)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any


def loop_options() -> dict[str, Any]:
    """What `anyio.run` takes as ``backend_options``."""
    return {"use_uvloop": find_spec("uvloop") is not None}
