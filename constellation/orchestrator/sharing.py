"""Exclusive resources that other schedulers use too: each use is asked for before a task starts.

Who may use one is decided elsewhere (`constellation.cluster.allotment`). A task that needs some
stays in its queue until its constellation has all of them; then it starts like any other, and when
its attempt has let go they are given back, so that others have their turn. What was granted and not
used in time is given back as well: a device was busy, or the task is gone.
"""

from __future__ import annotations

from .events import FreeResources, ResourcesGranted, WantResources
from .gangs import able
from .ready import Group
from .state import State


class Sharing:
    """Asks for resources, and gives back what cannot be used."""

    def __init__(self, state: State) -> None:
        self._state = state

    def may_start(self, group: Group) -> bool:
        """Whether tasks of a group have what they need; it is asked for if they have not."""
        need, state = group.need, self._state
        if not need.asker or state.may_use(need.asker, need.exclusive):
            return True
        asked = need.asker, need.exclusive
        if asked not in state.asked and able(group):
            state.asked.add(asked)
            state.act(WantResources(*asked))
        return False

    def granted(self, event: ResourcesGranted, now: float) -> None:
        """A constellation has resources: its tasks may start, or they are given back."""
        state, (constellation, resources) = self._state, event
        was_asked = (constellation, resources) in state.asked
        state.asked.discard((constellation, resources))
        groups = [each for each in self._groups(constellation, resources) if each]
        if was_asked and groups:
            for resource in resources:
                state.granted[resource] = constellation, resources
            state.timers.set(("turn", constellation, *resources), now + state.settings.turn_s)
            state.queues.touched.update(dict.fromkeys(groups))
            return
        # Whoever owned the constellation before had them; what still runs there keeps its own.
        unused = tuple(each for each in resources if state.user_of(each) != constellation)
        if unused:
            state.act(FreeResources(constellation, unused))

    def turn_over(self, constellation: str, resources: tuple[str, ...]) -> None:
        """No task has used what was granted: others have their turn, then it is asked for again."""
        state = self._state
        if not state.may_use(constellation, resources):
            return
        for resource in resources:
            del state.granted[resource]
        state.act(FreeResources(constellation, resources))
        groups = self._groups(constellation, resources)
        state.queues.touched.update(dict.fromkeys(groups))

    def forget(self, constellation: str) -> None:
        """A constellation has ended: what it was granted and still will be is given back."""
        state = self._state
        state.asked -= {each for each in state.asked if each[0] == constellation}
        for name, resources in set(state.granted.values()):
            if name == constellation and state.resources.keys().isdisjoint(resources):
                state.timers.drop(("turn", constellation, *resources))
                self.turn_over(constellation, resources)

    def _groups(self, constellation: str, resources: tuple[str, ...]) -> list[Group]:
        return [
            group
            for need, group in self._state.queues.groups.items()
            if need.asker == constellation and need.exclusive == resources
        ]
