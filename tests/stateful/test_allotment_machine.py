"""Random lives of orchestrators that share exclusive resources: killed, deposed, cut off.

The world knows what nobody in it does: who may really write about a constellation, and what of it
really runs. No resource may ever be in use by two.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from constellation.cluster.allotment import Allotment
from constellation.cluster.asking import Ask, Asking

CONSTELLATIONS = ["c1", "c2", "c3"]
NODES = range(3)
nodes = st.sampled_from(NODES)
constellations = st.sampled_from(CONSTELLATIONS)
resources = st.sampled_from([("arm",), ("camera",), ("camera", "arm")])


class Life:
    """One life of an orchestrator, with what it believes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asking = Asking(name)
        self.owned: dict[str, int] = {}
        self.taking: dict[str, int] = {}
        self.wanted: set[Ask] = set()
        self.granted: list[Ask] = []
        # An edit that it is about to write, and what it was made from.
        self.edited: tuple[Allotment, int] | None = None


class AllotmentMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.lives_begun = 0
        self.epoch = 0
        self.data, self.revision = b"", 0
        # By the log: who may write about a constellation; None for whoever is gone.
        self.writers: dict[str, tuple[Life, int]] = {}
        self.in_use: dict[str, set[str]] = {name: set() for name in CONSTELLATIONS}
        self.lives = [self.new_life() for _ in NODES]
        for node, name in enumerate(CONSTELLATIONS):
            self.begin(node, name)

    def new_life(self) -> Life:
        self.lives_begun += 1
        return Life(f"o{self.lives_begun}")

    def may_write(self, life: Life, name: str) -> bool:
        return self.writers.get(name) == (life, life.owned.get(name))

    def die(self, life: Life) -> None:
        self.lives[self.lives.index(life)] = self.new_life()

    # ── owning ──────────────────────────────────────────────────────────────────────────────────

    @rule(node=nodes, name=constellations)
    def begin(self, node: int, name: str) -> None:
        if name in self.writers:
            return
        life = self.lives[node]
        self.epoch += 1
        self.writers[name] = life, self.epoch
        life.owned[name] = self.epoch

    @rule(node=nodes, name=constellations)
    def take_over_at_once(self, node: int, name: str) -> None:
        self.take_over(node, name)
        self.step(node)

    @rule(node=nodes, name=constellations)
    def take_over(self, node: int, name: str) -> None:
        """Its owner may be gone, or only believe that it still is one."""
        life = self.lives[node]
        if name not in self.writers or self.writers[name][0] is life or life.owned.get(name):
            return
        self.epoch += 1
        self.writers[name] = life, self.epoch
        life.taking[name] = self.epoch
        life.asking.adopt(name, self.epoch)

    @rule(node=nodes)
    def kill(self, node: int) -> None:
        self.die(self.lives[node])

    @rule(node=nodes, name=constellations)
    def end(self, node: int, name: str) -> None:
        life = self.lives[node]
        if name not in life.owned:
            return
        if not self.may_write(life, name):
            self.die(life)
        elif not self.in_use[name]:
            del self.writers[name]
            self.leave(life, name)

    @rule(node=nodes, name=constellations)
    def end_and_die(self, node: int, name: str) -> None:
        """It says nothing to the table any more."""
        life = self.lives[node]
        if self.may_write(life, name) and not self.in_use[name]:
            del self.writers[name]
            self.die(life)

    def leave(self, life: Life, name: str) -> None:
        del life.owned[name]
        life.asking.forget(name)
        life.wanted = {ask for ask in life.wanted if ask[0] != name}
        life.granted = [ask for ask in life.granted if ask[0] != name]

    # ── using ───────────────────────────────────────────────────────────────────────────────────

    @rule(node=nodes, name=constellations, wanted=resources)
    def want(self, node: int, name: str, wanted: tuple[str, ...]) -> None:
        life = self.lives[node]
        ask = name, wanted
        if name in life.owned and ask not in life.wanted and ask not in life.granted:
            life.wanted.add(ask)
            life.asking.want(name, life.owned[name], wanted)

    @rule(node=nodes, name=constellations, wanted=resources)
    def want_and_use(self, node: int, name: str, wanted: tuple[str, ...]) -> None:
        self.want(node, name, wanted)
        self.step(node)
        self.use(node)

    @rule(node=nodes)
    def use(self, node: int) -> None:
        """A task starts: the log takes that, or the owner learns that it is none."""
        life = self.lives[node]
        if not life.granted:
            return
        name, granted = life.granted.pop(0)
        if not self.may_write(life, name):
            self.die(life)
        elif self.in_use[name].isdisjoint(granted):
            self.in_use[name].update(granted)

    @rule(node=nodes)
    def turn_over(self, node: int) -> None:
        life = self.lives[node]
        for name, granted in life.granted:
            life.asking.free(name, granted)
        life.granted.clear()

    @rule(node=nodes, name=constellations)
    def finish(self, node: int, name: str) -> None:
        """What a constellation uses is let go."""
        life = self.lives[node]
        if name not in life.owned or not self.in_use[name]:
            return
        if not self.may_write(life, name):
            self.die(life)
            return
        freed, self.in_use[name] = self.in_use[name], set()
        life.asking.free(name, tuple(freed))

    @rule(node=nodes, name=constellations)
    def finish_and_give_back(self, node: int, name: str) -> None:
        self.finish(node, name)
        self.step(node)

    # ── the table ───────────────────────────────────────────────────────────────────────────────

    @rule(node=nodes, looks=st.booleans())
    def step(self, node: int, looks: bool = False) -> None:
        self.edit(node, looks)
        self.write(node, True)

    @rule(node=nodes)
    def step_and_use(self, node: int) -> None:
        self.step(node)
        self.use(node)

    @rule(node=nodes, looks=st.booleans())
    def edit(self, node: int, looks: bool) -> None:
        life = self.lives[node]
        table = Allotment.read(self.data)
        # Whose claim is gone is asked after the table was read.
        gone = [
            name
            for name in table.constellations - life.owned.keys()
            if looks and name not in self.writers
        ]
        life.asking.edit(table, life.owned, gone)
        life.edited = table, self.revision

    @rule(node=nodes, answered=st.sampled_from([True, True, True, False]))
    def write(self, node: int, answered: bool) -> None:
        life = self.lives[node]
        if life.edited is None:
            return
        (table, revision), life.edited = life.edited, None
        packed = table.pack()
        if packed != self.data:
            if revision != self.revision:
                return
            self.data = packed
            self.revision += 1
        elif revision != self.revision:
            return
        if answered:
            self.see(life, table)

    def see(self, life: Life, table: Allotment) -> None:
        for ask in life.asking.seen(table):
            life.wanted.discard(ask)
            life.granted.append(ask)
        for name in [name for name in life.taking if name not in life.asking._adopting]:
            epoch = life.taking.pop(name)
            if self.writers.get(name) != (life, epoch):
                continue
            life.owned[name] = epoch
            had = set(life.asking.had(name))
            assert self.in_use[name] <= had, "what runs is had by whoever took it over"
            life.asking.free(name, tuple(had - self.in_use[name]))

    # ── what must hold ──────────────────────────────────────────────────────────────────────────

    @invariant()
    def nothing_is_in_use_twice(self) -> None:
        users: dict[str, str] = {}
        for name, used in self.in_use.items():
            for resource in used:
                assert resource not in users, f"{resource} is used by {users[resource]} and {name}"
                users[resource] = name

    def teardown(self) -> None:
        """Whatever happened: if all go on from here, every wish is fulfilled, and all is free."""
        for name, (writer, epoch) in list(self.writers.items()):
            is_at_work = writer in self.lives and writer.owned.get(name) == epoch
            if not is_at_work and not (writer in self.lives and name in writer.taking):
                taker = next(each for each in self.lives if name not in each.owned) or None
                self.take_over(self.lives.index(taker), name)
        for _ in range(40):
            for node, life in list(enumerate(self.lives)):
                for name in list(life.owned):
                    if not self.may_write(life, name):
                        self.leave(life, name)
                self.edit(node, True)
                self.write(node, True)
                self.turn_over(node)
                for name in list(life.owned):
                    self.finish(node, name)
        for life in self.lives:
            assert not life.wanted, f"{life.name} waits for {life.wanted}"
        table = Allotment.read(self.data)
        assert table.held == {}, table.held
        assert table.waiting == []


AllotmentMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=50)


class TestAllotment(AllotmentMachine.TestCase):  # type: ignore[misc,valid-type]
    """See the module."""
