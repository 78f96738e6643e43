"""What a slow policy costs a robot, by how the robot acts meanwhile; policy servers; cut links.

Simulated robots are driven by the real controller, with the small policies that ship. ``--set
only=PART`` takes one part: success, positions, foreign, time, link, serving, sockets or jitter.
``--set world=NAME`` takes one world of the first, and ``--set plots=FOLDER`` draws it (extra
``bench``). ``python -m bench.robot train`` trains the policies anew.
"""

from .bench import run

__all__ = ["run"]
