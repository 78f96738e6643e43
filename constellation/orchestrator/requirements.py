"""Which devices may run a task, and why the others may not."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from constellation.graph.task import ANY_DEVICE, Task

from .device import Device, Presence
from .run import Trouble


class Need(NamedTuple):
    """What decides which devices may run a task. Tasks with equal needs wait in one queue.

    Attributes:
        skill: the skill to call; empty for an instruction.
        device, platform, capabilities, avoid, exclusive: as in the task's requirement.
        labels: as pairs, sorted.
        refused: devices that have rejected the task.
        shunned: devices on which it failed, to be used only if no other can run it.
        gang: on how many devices it runs at once; 0 if it is no gang.
        streams: whether it reads what others put out while they run.
        asker: the constellation for which its exclusive resources have to be asked for, since other
            schedulers use them too; empty if they need not be.
    """

    skill: str
    device: str | None = None
    platform: str | None = None
    capabilities: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    avoid: tuple[str, ...] = ()
    exclusive: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    shunned: tuple[str, ...] = ()
    gang: int = 0
    streams: bool = False
    asker: str = ""


@lru_cache(maxsize=1024)
def any_device(skill: str) -> Need:
    """The need of a task that asks for nothing but a skill: the common case, made once."""
    return Need(skill)


def need_of(task: Task, trouble: Trouble | None, streams: bool = False) -> Need:
    """The need of a task, given what has befallen it, and whether it reads streams."""
    wanted = task.requirement
    plain = trouble is None and task.gang is None and not streams
    if plain and (wanted is ANY_DEVICE or wanted == ANY_DEVICE):
        return any_device(task.skill)
    labels = tuple(sorted(wanted.labels.items())) if wanted.labels else ()
    refused: tuple[str, ...] = ()
    shunned: tuple[str, ...] = ()
    if trouble is not None:
        refused = trouble.refused
        shunned = trouble.failed_on if task.retry.elsewhere else ()
    return Need(
        task.skill,
        wanted.device,
        wanted.platform,
        wanted.capabilities,
        labels,
        wanted.avoid,
        tuple(dict.fromkeys(wanted.exclusive)) if wanted.exclusive else (),
        refused,
        shunned,
        task.gang or 0,
        streams,
    )


def obstacle(need: Need, device: Device) -> str | None:
    """Why a device may never run tasks of this need, as a clause; None if it may."""
    if need.device is not None and need.device != device.name:
        return f"is not {need.device}"
    if device.link is Presence.LOST or device.link is Presence.DRAINING:
        return device.unavailable()
    if device.name in need.avoid:
        return "is to be avoided"
    if need.platform is not None and need.platform != device.card.platform:
        return f"runs {device.card.platform or 'an unknown platform'}, not {need.platform}"
    if need.skill and need.skill not in device.skills:
        return f"has no skill {need.skill}"
    if need.streams and need.skill not in device.reading:
        return f"cannot read streams with {need.skill or 'an instruction'}"
    for word in need.capabilities:
        if word not in device.words:
            return f"has no capability {word}"
    for label, value in need.labels:
        found = device.card.labels.get(label)
        if found != value:
            has = "is not set" if found is None else f"is {found}"
            return f"its label {label} {has}, not {value}"
    if device.name in need.refused:
        return "has refused it"
    return None


def why_waiting(need: Need, devices: list[Device]) -> str:
    """Why no device takes tasks of this need now, as a sentence for people."""
    if not devices:
        return "No device is connected."
    if need.device is not None:
        devices = [device for device in devices if device.name == need.device]
        if not devices:
            return f"Device {need.device} is not connected."
    shown = [
        f"{device.name} {obstacle(need, device) or device.unavailable() or 'is busy'}"
        for device in devices[:8]
    ]
    if len(devices) > len(shown):
        shown.append(f"and {len(devices) - len(shown)} more")
    return f"No device can take it now: {'; '.join(shown)}."
