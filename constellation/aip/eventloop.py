"""How the processes of hubs and agents run: their event loop and their garbage collector."""

from __future__ import annotations

import gc
from importlib.util import find_spec
from typing import Any

# Pauses of well under a millisecond for what is new, and a look at everything once a million
# containers were made that stayed.
_RARELY = (2_000, 10, 50)


def loop_options() -> dict[str, Any]:
    """What `anyio.run` takes as ``backend_options``: uvloop if it is there (extra ``speed``)."""
    return {"use_uvloop": find_spec("uvloop") is not None}


def calm_collector(*, rarely: bool = False) -> None:
    """Have Python's cycle collector leave alone what is there: for a process that has started.

    Args:
        rarely: also look at the rest more rarely; for a process that runs no code but ours. Graphs
            and messages at work hold no cycles: they are freed as their last reference goes. Left
            as it is, the collector walks through all waiting tasks whenever their number has grown
            by a quarter, and nothing else happens meanwhile.
    """
    gc.collect()
    gc.freeze()
    if rarely:
        gc.set_threshold(*_RARELY)
