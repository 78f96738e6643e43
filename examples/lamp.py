"""A lamp as a device: `constellation agent --name lamp --kind lamp --skills examples/lamp.py`."""

from __future__ import annotations

from agents.skills import skill

lamp = {"on": False, "brightness": 1.0}


@skill("lamp.set", effect="write", idempotent=True, examples=["turn the lamp on", "dim the lamp"])
def set_lamp(on: bool, brightness: float = 1.0) -> dict[str, float]:
    """Turn the lamp on or off.

    Args:
        on: whether it shall shine.
        brightness: how much, from 0 to 1.
    """
    lamp.update(on=on, brightness=brightness)
    return lamp


@skill("lamp.state", effect="read", examples=["is the lamp on", "show the state of the lamp"])
def lamp_state() -> dict[str, float]:
    """Tell whether the lamp is on."""
    return lamp
