"""Random lives of a scheduler that shares exclusive resources with others, by the real table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule
from scheduler_world import SETTINGS, World
from test_scheduler_machine import SchedulerMachine

from constellation.cluster.allotment import Allotment
from constellation.cluster.asking import Asking
from constellation.orchestrator.attempts import Life
from constellation.orchestrator.events import (
    Fact,
    FreeResources,
    Instruction,
    ResourcesGranted,
    WantResources,
)


class SharedWorld(World):
    """The table stands between the scheduler and another owner."""

    settings = replace(SETTINGS, shared_resources=True, turn_s=3.0)

    def __init__(self) -> None:
        super().__init__()
        self.table = Allotment()
        self.epoch = 1
        self.asking = Asking("me1")
        self.other = Asking("other")

    def do(self, instructions: Sequence[Instruction]) -> None:
        super().do(instructions)
        for each in instructions:
            match each:
                case WantResources(constellation, resources):
                    self.asking.want(constellation, self.epoch, resources)
                case FreeResources(constellation, resources):
                    self.asking.free(constellation, resources)
        # An orchestrator lets go of what has ended once all else was done.
        for each in instructions:
            if isinstance(each, Fact) and each.kind == "ended":
                self.asking.forget(each.constellation)

    def check(self) -> None:
        super().check()
        state = self.scheduler.state
        for resource, attempt in state.resources.items():
            name = attempt.partition("/")[0]
            lives = [
                device.running[attempt].life
                for device in state.devices.values()
                if attempt in device.running
            ]
            # One that was stopped before a restart may have let go of it long ago.
            if lives != [Life.STOPPING]:
                assert resource in self.asking.had(name), f"{attempt} took {resource} by itself"

    def step(self) -> bool:
        """Look at the table; True if something was granted."""
        open_now = [run.id for run in self.scheduler.runs.values() if run.ended_at is None]
        self.asking.edit(self.table, dict.fromkeys(open_now, self.epoch))
        fulfilled = self.asking.seen(self.table)
        for constellation, resources in fulfilled:
            self.feed(ResourcesGranted(constellation, resources))
        return bool(fulfilled)

    def others(self, resources: tuple[str, ...] | None) -> None:
        """Another owner wants resources, or gives back what it has."""
        if resources is None:
            self.other.free("theirs", ("arm", "camera"))
        else:
            self.other.want("theirs", 1, resources)
        self.other.edit(self.table, {"theirs": 1})
        self.other.seen(self.table)

    def restart(self, from_snapshots: bool) -> None:
        """Another orchestrator takes everything over."""
        self.epoch += 1
        self.asking = Asking(f"me{self.epoch}")
        for run in self.scheduler.runs.values():
            if run.ended_at is None:
                self.asking.adopt(run.id, self.epoch)
        self.asking.edit(self.table, {})
        self.asking.seen(self.table)
        super().restart(from_snapshots)
        for name in list(self.scheduler.runs):
            had = self.asking.had(name)
            if had:
                self.feed(ResourcesGranted(name, had))

    def _go_on(self) -> bool:
        self.others(None)
        return self.step() or super()._go_on()


class SharingMachine(SchedulerMachine):
    """What may happen to any scheduler, and what others do to the table."""

    def __init__(self) -> None:
        super().__init__()
        self.world: SharedWorld = SharedWorld()

    @rule()
    def look(self) -> None:
        self.world.step()

    @rule(resources=st.sampled_from([("arm",), ("camera",), ("camera", "arm"), None]))
    def others(self, resources: tuple[str, ...] | None) -> None:
        self.world.others(resources)

    def teardown(self) -> None:
        super().teardown()
        self.world.step()
        while self.world.table.waiting or self.world.table.held:
            # Only the other one has anything, and has its wishes one after the other.
            assert self.world.table.constellations == {"theirs"}
            self.world.others(None)
        assert self.world.scheduler.state.granted == {}
        assert self.world.scheduler.state.asked == set()


TestSharing = SharingMachine.TestCase
TestSharing.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
