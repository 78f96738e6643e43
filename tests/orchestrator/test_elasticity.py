"""Devices join and leave while work goes on: the plan follows in the wake-up that tells of it."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from scheduling_kit import Kit, look, work

from constellation.graph.edits import AddTask
from constellation.orchestrator.device import Presence
from constellation.orchestrator.events import Assign, DeviceDetached, DeviceDraining, DeviceLost
from constellation.orchestrator.placement import EarliestFinish
from constellation.orchestrator.settings import Settings

GRACE_S = 5.0


def teach(kit: Kit, device: str, seconds: float) -> None:
    estimates = kit.scheduler.estimates
    for _ in range(5):
        estimates.observe(estimates.of(device), "look", seconds)


def test_what_waits_for_a_busy_device_goes_to_a_quick_one_that_joins() -> None:
    kit = Kit()
    kit.join("busy", 1)
    teach(kit, "busy", 4.0)
    teach(kit, "new", 1.0)
    kit.submit(look("t0"), look("t1"))
    assert kit.on("busy") == ["c/t0/1"]
    assert kit.assigned(kit.join("new", 1)) == ["c/t1/1"]
    assert kit.on("new") == ["c/t1/1"]


def test_what_was_bespoken_on_a_device_that_drains_is_placed_anew_at_once() -> None:
    kit = Kit()
    kit.join("quick", 1)
    kit.join("slow", 1)
    teach(kit, "quick", 1.0)
    teach(kit, "slow", 10.0)
    kit.submit(look("t0"), look("t1"))
    assert (kit.on("quick"), kit.on("slow")) == (["c/t0/1"], [])
    assert kit.assigned(kit.send(DeviceDraining("quick"))) == ["c/t1/1"]
    assert (kit.on("quick"), kit.on("slow")) == (["c/t0/1"], ["c/t1/1"])


class Elastic(RuleBasedStateMachine):
    """Devices come and go in every way, under a stream of tasks that any of them may run.

    The placement never waits for a busy device, so that every free place must have work while there
    is any; time passes only where a rule says so.
    """

    def __init__(self) -> None:
        super().__init__()
        settings = Settings(grace_s=GRACE_S, racing=False, max_losses=10_000)
        self.kit = Kit(settings, EarliestFinish(patient=False))
        self.kit.submit(planning=True)
        self.devices = 0
        self.tasks = 0

    # ── what is seen ────────────────────────────────────────────────────────────────────────────

    def waiting(self) -> list[str]:
        return [node.id for node in self.kit.run().constellation.nodes.values() if node.ready]

    def with_link(self, *links: Presence) -> list[str]:
        return [each.name for each in self.kit.scheduler.devices.values() if each.link in links]

    def pick(self, data: st.DataObject, *links: Presence) -> str:
        return data.draw(st.sampled_from(self.with_link(*links)))

    def tasks_on(self, device: str) -> list[str]:
        return [each.task for each in self.kit.scheduler.devices[device].running.values()]

    # ── what happens ────────────────────────────────────────────────────────────────────────────

    @rule(count=st.integers(1, 5), repeatable=st.booleans())
    def submit(self, count: int, repeatable: bool) -> None:
        names = [f"t{self.tasks + n}" for n in range(count)]
        self.tasks += count
        self.kit.edit(*(AddTask(look(name) if repeatable else work(name)) for name in names))

    @precondition(lambda self: self.devices < 8)
    @rule(capacity=st.integers(1, 4))
    def join(self, capacity: int) -> None:
        name = f"d{self.devices}"
        self.devices += 1
        waiting = len(self.waiting())
        said = self.kit.join(name, capacity)
        given = [each for each in said if isinstance(each, Assign)]
        assert [each.device for each in given] == [name] * min(capacity, waiting)

    @precondition(lambda self: self.with_link(Presence.CONNECTED))
    @rule(data=st.data())
    def drain(self, data: st.DataObject) -> None:
        name = self.pick(data, Presence.CONNECTED)
        before = self.kit.on(name)
        self.kit.send(DeviceDraining(name))
        assert self.kit.on(name) == before

    @precondition(lambda self: self.with_link(Presence.CONNECTED, Presence.DRAINING))
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        name = self.pick(data, Presence.CONNECTED, Presence.DRAINING)
        held = self.tasks_on(name)
        self.kit.send(DeviceLost(name, "it was unplugged"))
        self.was_given_up(name, held)

    @precondition(lambda self: self.with_link(Presence.CONNECTED, Presence.DRAINING))
    @rule(data=st.data())
    def fall_silent(self, data: st.DataObject) -> None:
        name = self.pick(data, Presence.CONNECTED, Presence.DRAINING)
        held = self.tasks_on(name)
        self.kit.send(DeviceDetached(name))
        assert self.tasks_on(name) == held
        self.kit.pass_time(GRACE_S)
        self.was_given_up(name, held)

    @precondition(lambda self: self.with_link(Presence.LOST, Presence.DETACHED, Presence.DRAINING))
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        name = self.pick(data, Presence.LOST, Presence.DETACHED, Presence.DRAINING)
        self.kit.rejoin(name, running=self.kit.on(name))

    @precondition(lambda self: any(each.running for each in self.kit.scheduler.devices.values()))
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        running = [
            attempt for each in self.kit.scheduler.devices.values() for attempt in each.running
        ]
        attempt = data.draw(st.sampled_from(running))
        self.kit.now += 1.0
        self.kit.finish(attempt)

    def was_given_up(self, name: str, held: list[str]) -> None:
        """What may be repeated is elsewhere, or waits since all is full; the rest says why not."""
        assert self.kit.on(name) == []
        for task in held:
            if self.kit.run().constellation.nodes[task].task.skill == "work":
                assert self.kit.error(task)["code"] == "task.failed.device_lost"
            elif self.kit.state(task) == "working":
                assert self.kit.run().constellation.nodes[task].device != name
            else:
                assert task in self.waiting()

    # ── what always holds ───────────────────────────────────────────────────────────────────────

    @invariant()
    def no_place_is_free_while_a_task_waits(self) -> None:
        free = [each.name for each in self.kit.scheduler.devices.values() if each.credit > 0]
        assert not (free and self.waiting())

    @invariant()
    def no_task_is_lost(self) -> None:
        nodes = self.kit.run().constellation.nodes.values()
        running = sum(len(each.running) for each in self.kit.scheduler.devices.values())
        assert running == sum(str(node.state) == "working" for node in nodes)
        assert len(nodes) == self.tasks


TestElastic = Elastic.TestCase
