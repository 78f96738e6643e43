"""The devices of a hub, as it listed them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from constellation.aip.cards import DeviceCard


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device.

    Attributes:
        presence: ``connected``, or how it stands to the hub else.
        unavailable: why it takes nothing now, as a clause; empty if it does.
        running: ids of the attempts that it works on.
        rtt_s: measured round trip between it and the hub; None without a session.
        card: what it says of itself; None until it was asked for.
    """

    name: str
    presence: str
    unavailable: str
    running: tuple[str, ...]
    rtt_s: float | None
    card: DeviceCard | None

    @property
    def capacity(self) -> int:
        """How many tasks it takes at once; 0 while its card is not known."""
        return 0 if self.card is None else self.card.capacity

    @property
    def load(self) -> float:
        """Its share in use: 0 to 1."""
        return min(1.0, len(self.running) / self.capacity) if self.capacity else 0.0


class Devices:
    """What is known of devices, and what is to be asked for.

    Attributes:
        rows: by name, in the hub's order.
        wanted: names of devices whose cards are missing or may have changed.
        revision: raised by each change.
    """

    def __init__(self) -> None:
        self.rows: dict[str, DeviceRow] = {}
        self.wanted: dict[str, None] = {}
        self.revision = 0

    def suspect(self, name: str) -> None:
        """Something about a device has changed: it is to be asked for again."""
        self.wanted[name] = None

    def listed(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take a listing of all devices without their cards."""
        found = {row["name"]: self._read(row) for row in rows}
        for name, row in found.items():
            if row.card is None:
                self.wanted[name] = None
        if found != self.rows:
            self.rows = found
            self.revision += 1

    def update(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take some devices with their cards."""
        for row in rows:
            self.rows[row["name"]] = self._read(row)
            self.revision += 1

    def take_wanted(self, limit: int) -> list[str]:
        """Up to ``limit`` names of devices to ask for; they count as asked for."""
        names = list(self.wanted)[:limit]
        for name in names:
            del self.wanted[name]
        return names

    def _read(self, row: Mapping[str, Any]) -> DeviceRow:
        card = row.get("card")
        known = self.rows.get(row["name"])
        read = None if known is None else known.card
        if card is not None:
            read = DeviceCard.model_validate(card)
        return DeviceRow(
            row["name"],
            row["presence"],
            row["unavailable"],
            tuple(row["running"]),
            row["rtt_s"],
            read,
        )
