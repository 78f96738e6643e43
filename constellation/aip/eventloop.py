"""How the processes of hubs and agents run: their event loop and their garbage collector."""

from __future__ import annotations

import gc
from importlib.util import find_spec
from typing import Any

# Pauses of well under a millisecond for what is new, and a look at everything once a million
# containers were made that stayed.
_THRESHOLDS = (2_000, 10, 50)


def loop_options() -> dict[str, Any]:
    """What `anyio.run` takes as ``backend_options``: uvloop if it is there (extra ``speed``)."""
    return {"use_uvloop": find_spec("uvloop") is not None}


def calm_collector() -> None:
    """Have Python's cycle collector leave alone what is there, and look more rarely at the rest.

    For a process that has started. Graphs, messages and sessions at work hold no cycles: they are
    freed as their last reference goes. Left as it is, the collector walks through all waiting tasks
    whenever their number has grown by a quarter, and nothing else happens meanwhile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
