"""Who speaks for which constellation, as a gateway knows it."""

from __future__ import annotations


class Routes:
    """Owners by constellation; a higher epoch goes before a lower one.

    Attributes:
        refused: how often somebody spoke for a constellation who no longer may.
    """

    def __init__(self) -> None:
        self.refused = 0
        self._owners: dict[str, tuple[str, int]] = {}
        self._living: set[str] = set()

    def open(self, owner: str) -> None:
        """An orchestrator can be reached."""
        self._living.add(owner)

    def lose(self, owner: str) -> None:
        """An orchestrator cannot be reached any more."""
        self._living.discard(owner)

    def admit(self, constellation: str, owner: str, epoch: int) -> bool:
        """Whether an owner speaks for a constellation; who comes with a higher epoch does."""
        known = self._owners.get(constellation)
        if known is not None and (epoch < known[1] or (epoch == known[1] and owner != known[0])):
            self.refused += 1
            return False
        self._owners[constellation] = (owner, epoch)
        return True

    def owner(self, constellation: str) -> str | None:
        """Who owns it and can be reached; None if nobody is known."""
        found = self._owners.get(constellation)
        return found[0] if found is not None and found[0] in self._living else None

    def forget(self, constellation: str, owner: str) -> None:
        """Its owner says that it has ended."""
        found = self._owners.get(constellation)
        if found is not None and found[0] == owner:
            del self._owners[constellation]
