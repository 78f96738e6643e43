"""55 requests to five devices: how many are done, in words and by given plans, with faults or not.

The requests stand in ``requests/``, by category, each with what must be so afterwards and with a
plan that a person wrote. The hub's planner is the one that its settings name, so a language model
takes part by ``CONSTELLATION_PLANNER__…``; that it gives no plan is no refusal. What steps ask,
such as whether a model may do what it put in words of its own, is allowed. ``--set only=PREFIX``
takes some of the requests, ``--set faults=no`` leaves the faults out.
"""

from .bench import run

__all__ = ["run"]
