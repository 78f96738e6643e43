"""What the phone of the benchmark can do: some of it its own, some as any computer."""

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


class Battery(TypedDict):
    percent: int
    charging: bool


class Location(TypedDict):
    latitude: float
    longitude: float


class Contact(TypedDict):
    name: str
    number: str


class Sent(TypedDict):
    message: str


@skill("phone.battery", effect="read", examples=["how full is the battery of the phone"])
def battery() -> Battery:
    """Get the battery level of the phone."""
    return Battery(percent=64, charging=False)


@skill("phone.location", effect="read", examples=["where is the phone", "get the location"])
def location() -> Location:
    """Get the location of the phone."""
    return Location(latitude=52.52, longitude=13.4)


@skill("contacts.find", effect="read", examples=["find Ada in the contacts"])
def find_contact(context: Context, name: str) -> Contact:
    """Find the number of a contact.

    Args:
        name: of the person.
    """
    with context.open("contacts.txt") as contacts:
        for line in contacts:
            known, _, number = line.strip().partition(": ")
            if known == name:
                return Contact(name=name, number=number)
    raise TaskFailed(f"There is no contact {name!r}.", remedy="Spell it as in the contacts.")


@skill(
    "phone.notify",
    effect="write",
    examples=['notify the phone with "done"', 'send a notification "hello" to the phone'],
)
def notify(context: Context, message: str) -> Sent:
    """Show a notification on the phone.

    Args:
        message: its text.
    """
    with context.open("notifications.txt", "ab") as shown:
        shown.write(f"{message}\n".encode())
    return Sent(message=message)
