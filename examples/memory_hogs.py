"""A program without an event loop that edits what runs: who uses the memory where it is full?

`python examples/memory_hogs.py 80`, while a hub is up that has devices. Each machine that uses at
least so many percent of its memory is asked for its largest processes, as soon as it has answered.
"""

from __future__ import annotations

import sys

from constellation import AddDependency, AddTask, Dependency, Requirement, Task, sync


def closer_look(machine: str) -> tuple[AddTask, AddDependency]:
    """A task behind the one that told how much memory a machine uses."""
    name = f"{machine}-processes"
    task = Task(
        name,
        skill="system.processes",
        arguments={"top": 3, "sort": "memory"},
        requirement=Requirement(device=machine),
    )
    return AddTask(task), AddDependency(Dependency(machine, name))


def main(limit: float) -> None:
    with sync.connect() as fabric:
        machines = [each.name for each in fabric.devices() if each.presence == "connected"]
        looks = [
            AddTask(Task(name, skill="system.memory", requirement=Requirement(device=name)))
            for name in machines
        ]
        work = fabric.submit(looks, name="memory hogs")
        for event in work.events():
            if event.kind == "finished" and event.task in machines:
                used = work.show().nodes[event.task].output
                if used is None:
                    continue  # it failed, which the result says
                print(f"{event.task} uses {used['percent']:.0f} % of its memory.")
                if used["percent"] >= limit:
                    work.edit(*closer_look(event.task), note="memory is full")
        # If all had answered before the last edit, that edit took the work up again.
        for name, found in work.result().outputs.items():
            if name not in machines:
                hogs = ", ".join(process["name"] for process in found["processes"])
                print(f"{name}: {hogs}")


if __name__ == "__main__":
    main(float(sys.argv[1]))
