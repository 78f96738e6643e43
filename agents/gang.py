"""What a member of a gang is told: who it is among how many, and where they meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gang:
    """A gang, as one of its members sees it.

    Attributes:
        rank: this member's, from 0.
        size: how many there are.
        devices: their names, by rank.
        host, port: where they meet. The member of rank 0 listens there; the port was chosen by the
            hub for this attempt, and may be in use: then the member fails, and the next attempt
            gets another.
    """

    rank: int
    size: int
    devices: tuple[str, ...]
    host: str
    port: int

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which torch.distributed and others find each other (``env://``)."""
        return {
            "RANK": str(self.rank),
            "WORLD_SIZE": str(self.size),
            "MASTER_ADDR": self.host,
            "MASTER_PORT": str(self.port),
        }


def read_gang(plain: Mapping[str, Any] | None) -> Gang | None:
    """The ``gang`` of an assignment's context; None if the task is no member of one."""
    if not plain:
        return None
    return Gang(
        int(plain["rank"]),
        int(plain["size"]),
        tuple(plain["devices"]),
        str(plain["host"]),
        int(plain["port"]),
    )
