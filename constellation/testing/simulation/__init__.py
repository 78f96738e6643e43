"""The whole fabric in one thread, with a clock, a network and a disk that do what a seed says.

The machines are the real ones: sessions, scheduler, constellations. Around them stand a hub,
devices and people that are as small as they can be, and a network that delays, cuts and deafens.
The same seed plays the same life, so whatever goes wrong can be looked at again::

    python -m constellation.testing.simulation --seeds 1000
    python -m constellation.testing.simulation --seed 4711 --trace
"""

from .checker import Violation
from .life import Life, Story, play, tell
from .shrinking import shrink

__all__ = ["Life", "Story", "Violation", "play", "shrink", "tell"]
