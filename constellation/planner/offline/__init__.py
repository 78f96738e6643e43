"""Plain English to a constellation, without a model, a key or a network.

The grammar (`clauses`, `conditions`, `devices`) is general English; what the devices can do comes
from their cards alone (`skills`, `schemas`, `values`), so a new device needs no code here.
"""

from .planner import OfflinePlanner

__all__ = ["OfflinePlanner"]
