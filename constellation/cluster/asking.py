"""What one orchestrator wants of the table of exclusive resources, and has there (`allotment`).

It says what should stand in the table and compares that with what does: so an edit that may have
been written or not is simply made again, and what nobody remembers is given back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping

from .allotment import Allotment, Wish

Ask = tuple[str, tuple[str, ...]]


class Asking:
    """One life of one orchestrator. It has one wish at a time for the same resources in the table.

    Args:
        me: names this life; never used again.
    """

    def __init__(self, me: str) -> None:
        self._prefix = f"{me}/"
        self._number = 0
        self._wishes: dict[Ask, Wish] = {}
        # Constellations that come next, by what they want.
        self._later: dict[tuple[str, ...], deque[tuple[str, int]]] = {}
        # By constellation and resource, the wish by which it is had.
        self._had: dict[tuple[str, str], str] = {}
        self._adopting: dict[str, tuple[int, str]] = {}
        self._adopted: dict[str, tuple[int, str]] = {}

    @property
    def waits(self) -> bool:
        """True while a wish is not fulfilled."""
        return bool(self._wishes)

    def _next(self) -> str:
        self._number += 1
        return f"{self._prefix}{self._number}"

    # ── what is wanted ──────────────────────────────────────────────────────────────────────────

    def want(self, constellation: str, epoch: int, resources: tuple[str, ...]) -> None:
        """A constellation of ours wants resources."""
        later = self._later.get(resources)
        if (constellation, resources) in self._wishes:
            return
        if later is None:
            self._later[resources] = deque()
            self._wish(constellation, epoch, resources)
        elif all(name != constellation for name, _ in later):
            later.append((constellation, epoch))

    def _wish(self, constellation: str, epoch: int, resources: tuple[str, ...]) -> None:
        wish = Wish(self._next(), constellation, epoch, resources)
        self._wishes[constellation, resources] = wish

    def free(self, constellation: str, resources: Collection[str]) -> None:
        """A constellation of ours gives resources back."""
        for resource in resources:
            self._had.pop((constellation, resource), None)

    def forget(self, constellation: str) -> None:
        """A constellation is not ours any more."""
        for key in [key for key in self._had if key[0] == constellation]:
            del self._had[key]
        for later in self._later.values():
            for each in [each for each in later if each[0] == constellation]:
                later.remove(each)
        for ask in [ask for ask in self._wishes if ask[0] == constellation]:
            self._done(ask)
        self._adopting.pop(constellation, None)

    def adopt(self, constellation: str, epoch: int) -> None:
        """We take a constellation over: what it has is ours to give back, with the next edit."""
        self._adopting[constellation] = epoch, self._next()

    def _done(self, ask: Ask) -> None:
        del self._wishes[ask]
        resources = ask[1]
        if self._later[resources]:
            self._wish(*self._later[resources].popleft(), resources)
        else:
            del self._later[resources]

    # ── the table ───────────────────────────────────────────────────────────────────────────────

    def edit(self, table: Allotment, owned: Mapping[str, int], gone: Collection[str] = ()) -> None:
        """Bring a table in line with what we want.

        Args:
            owned: constellations that are ours, with our epochs.
            gone: constellations that have ended, so that nobody owns them.
        """
        self._adopted = dict(self._adopting)
        for constellation, (epoch, id) in self._adopted.items():
            table.pass_on(constellation, epoch, id)
        for constellation in table.constellations:
            if constellation in gone:
                table.drop_constellation(constellation)
            elif constellation in owned:
                # An owner before us did not know yet that it was one no more.
                table.drop_constellation(constellation, before=owned[constellation])
        current = {each.id for each in self._wishes.values()}
        current |= {id for _, id in self._adopting.values()}
        for resource, each in list(table.held.items()):
            is_ours = each.wish.startswith(self._prefix) and each.wish not in current
            if is_ours and self._had.get((each.constellation, resource)) != each.wish:
                table.release(resource)
        table.drop(
            {
                each.id
                for each in table.waiting
                if each.id.startswith(self._prefix) and each.id not in current
            }
        )
        known = table.ids()
        for wish in self._wishes.values():
            if wish.id not in known:
                table.want(wish)
        table.settle()

    def seen(self, table: Allotment) -> list[Ask]:
        """The table stands as it was edited; return the wishes that it fulfils."""
        for constellation, adopted in self._adopted.items():
            if self._adopting.get(constellation) == adopted:
                del self._adopting[constellation]
                self._take(table, constellation, adopted[1])
        fulfilled = [ask for ask, wish in self._wishes.items() if table.has(wish.id)]
        for ask in fulfilled:
            self._take(table, ask[0], self._wishes[ask].id)
            self._done(ask)
        return fulfilled

    def _take(self, table: Allotment, constellation: str, id: str) -> None:
        for resource, each in table.held.items():
            if each.wish == id:
                self._had[constellation, resource] = id

    def had(self, constellation: str) -> tuple[str, ...]:
        """What a constellation of ours has."""
        return tuple(resource for name, resource in self._had if name == constellation)
