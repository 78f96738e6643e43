"""A robot as a device, in a process of its own, that tells at the end how late its steps were.

`python -m bench.robot.clocked RATE` serves it to the hub of the state directory until SIGTERM, and
prints the lateness of its last control steps as JSON, in seconds.
"""

from __future__ import annotations

import json
import sys

from agents.pairing import find_local, paired
from agents.robot.agent import assemble, serve_robot
from agents.robot.policies.local import local_policy
from agents.robot.sims.robot import simulated
from agents.settings import AgentSettings
from constellation.config import load_settings

from .live import Fast

NAME = "clocked"


def main(rate_hz: float) -> None:
    """Serves the robot."""
    robot = simulated("whack", 0, endless=True)
    fast = Fast(robot, round(rate_hz / robot.spec.rate_hz))
    assembly = assemble(fast, local_policy("whack"), "aligned")
    state = load_settings().state_dir.absolute()
    local = find_local(state)
    settings = AgentSettings(
        hub=local.url, ca=local.ca, name=NAME, state_dir=state, kind="robot", drain_timeout_s=1.0
    )
    serve_robot(assembly, paired(settings, local), lambda: print("ready", flush=True))
    print(json.dumps(list(assembly.loop.lateness)))


if __name__ == "__main__":
    main(float(sys.argv[1]))
