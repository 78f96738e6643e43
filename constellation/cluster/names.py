"""How the streams, buckets and subjects of a fabric are called on NATS."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one fabric; several may share a NATS cluster.

    Args:
        fabric: letters, digits, ``_`` and ``-``.
    """

    fabric: str = "constellation"

    @property
    def journal(self) -> str:
        """The stream of facts."""
        return f"{self.fabric}-journal"

    @property
    def ended(self) -> str:
        """The stream of what listings show of constellations that have ended."""
        return f"{self.fabric}-ended"

    @property
    def leases(self) -> str:
        """The bucket in which orchestrators say that they live."""
        return f"{self.fabric}-leases"

    @property
    def claims(self) -> str:
        """The bucket that says who owns which constellation."""
        return f"{self.fabric}-claims"

    @property
    def resources(self) -> str:
        """The bucket of who has which exclusive resources, and the subject of its changes."""
        return f"{self.fabric}-resources"

    @property
    def access(self) -> str:
        """The bucket of credentials."""
        return f"{self.fabric}-access"

    @property
    def snapshots(self) -> str:
        """The object store of snapshots, and of what schedulers have learned."""
        return f"{self.fabric}-snapshots"

    @property
    def artifacts(self) -> str:
        """The object store of artifacts."""
        return f"{self.fabric}-artifacts"

    @property
    def holdings(self) -> str:
        """The bucket of who has put which artifacts."""
        return f"{self.fabric}-holdings"

    def facts_of(self, constellation: str) -> str:
        """The subject of the facts about a constellation; ``*`` for all."""
        return f"{self.fabric}.journal.{constellation}"

    def end_of(self, constellation: str) -> str:
        """The subject of what listings show of a constellation that has ended; ``*`` for all."""
        return f"{self.fabric}.ended.{constellation}"

    def notices_of(self, constellation: str) -> str:
        """The subject of what observers are told and nobody keeps; ``_`` stands for devices."""
        return f"{self.fabric}.notice.{constellation or '_'}"

    def inbox(self, node: str) -> str:
        """The subject of what one node is told by others."""
        return f"{self.fabric}.to.{node}"

    @property
    def beats(self) -> str:
        """The subject on which nodes say that they are there."""
        return f"{self.fabric}.beats"
