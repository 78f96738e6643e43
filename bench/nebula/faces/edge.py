"""What the edge box of the benchmark can do: sensors, a camera, a relay, and files."""

from __future__ import annotations

from typing_extensions import TypedDict

from agents.computer.artifacts import get, put
from agents.computer.files import read
from agents.computer.finding import list_files
from agents.computer.wait import wait_file, wait_seconds
from agents.context import Context
from agents.skills import skill
from constellation.errors import TaskFailed

__all__ = ["get", "list_files", "put", "read", "wait_file", "wait_seconds"]


class Temperature(TypedDict):
    celsius: float


class Humidity(TypedDict):
    percent: float


class Picture(TypedDict):
    path: str


class Relay(TypedDict):
    on: bool


@skill("sensor.temperature", effect="read", examples=["read the temperature", "how warm is it"])
def temperature() -> Temperature:
    """Read the temperature sensor."""
    return Temperature(celsius=21.5)


@skill("sensor.humidity", effect="read", examples=["read the humidity"])
def humidity() -> Humidity:
    """Read the humidity sensor, which is broken."""
    raise TaskFailed("The humidity sensor does not answer.", remedy="Replace it.")


@skill("camera.snapshot", effect="write", examples=["take a picture with the camera"])
def snapshot(context: Context) -> Picture:
    """Take a picture with the camera."""
    with context.open("camera/latest.txt", "w") as picture:
        picture.write("a picture of the yard\n")
    return Picture(path="camera/latest.txt")


@skill(
    "relay.switch",
    effect="write",
    idempotent=True,
    examples=["switch the relay on", "turn the relay off"],
)
def switch_relay(context: Context, on: bool) -> Relay:
    """Switch the relay on or off.

    Args:
        on: whether it shall be on.
    """
    with context.open("relay.txt", "w") as state:
        state.write("on\n" if on else "off\n")
    return Relay(on=on)
