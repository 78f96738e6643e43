"""How constellations and devices are shown to clients, as plain data."""

from __future__ import annotations

from typing import Any

from .device import Device
from .run import Run


def summary(run: Run) -> dict[str, Any]:
    """What a listing shows of a constellation."""
    return {
        "id": run.id,
        "name": run.name,
        "request": run.request,
        "owner": run.owner,
        "state": str(run.state),
        "paused": run.paused,
        "counts": {str(state): n for state, n in run.constellation.counts.items() if n},
        "version": run.constellation.version,
        "created_at": run.created_at,
        "ended_at": run.ended_at,
    }


def device_view(device: Device, *, card: bool = True) -> dict[str, Any]:
    """What a listing shows of a device; its card is by far the largest part."""
    view: dict[str, Any] = {
        "name": device.card.name,
        "presence": str(device.presence),
        "unavailable": device.unavailable(),
        "running": list(device.running),
    }
    if card:
        view["card"] = device.card.model_dump(mode="json")
    return view
