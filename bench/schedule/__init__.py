"""Rules that say who runs what, on the real scheduler: how near they are to the least makespan.

Workloads, devices and accidents are simulated from seeds; the scheduler is the hub's own machine,
with another `Placement` for each rule. ``--set only=PREFIX`` takes some of the workloads, ``--set
journal=FILE`` plays the shapes and durations that a hub's journal has recorded, ``--seeds N`` says
how many seeds, ``--set first=N`` from which on.
"""

from .bench import run

__all__ = ["run"]
