"""What a device says of itself."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil
from pydantic import ValidationError

from constellation.aip.cards import DeviceCard
from constellation.errors import ConfigError

from .settings import AgentSettings
from .skills import Registry

_DISTRIBUTION = "constellation-fabric"


def make_card(settings: AgentSettings, registry: Registry) -> DeviceCard:
    """The card of this machine with these skills.

    Raises:
        ConfigError: a setting cannot stand on a card.
    """
    try:
        return DeviceCard(
            name=settings.name,
            kind=settings.kind,
            platform=platform.system().lower(),
            labels=dict(settings.labels),
            hardware=_hardware(),
            skills=registry.cards(),
            capacity=settings.capacity,
            version=_version(),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"{first['loc'][0]} {first['input']!r} cannot stand on the device's card: "
            f"{first['msg'][0].lower()}{first['msg'][1:]}.",
            remedy="Give another value.",
            field=str(first["loc"][0]),
        ) from None


def _hardware() -> dict[str, Any]:
    return {
        "architecture": platform.machine(),
        "cpus": psutil.cpu_count() or 1,
        "memory_bytes": psutil.virtual_memory().total,
        "hostname": platform.node(),
    }


def _version() -> str:
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return ""
