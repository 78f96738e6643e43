"""Device cards to plan for, with the skills that a computer agent really publishes."""

from __future__ import annotations

from agents.computer import skills
from constellation.aip.cards import DeviceCard

COMPUTER = tuple(skill.card for skill in skills())
"""Taken from the agent itself, so that what the planner is tested with cannot differ from it."""


def computers() -> tuple[DeviceCard, ...]:
    """desk and server on Linux, laptop on macOS."""
    return tuple(
        DeviceCard(name=name, platform=platform, labels=labels, skills=COMPUTER)
        for name, platform, labels in (
            ("desk", "linux", {"role": "desk"}),
            ("server", "linux", {"role": "server", "tier": "db"}),
            ("laptop", "darwin", {"role": "laptop"}),
        )
    )
