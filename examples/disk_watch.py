"""A program that uses the fabric: finds the fullest disk of all machines.

`python examples/disk_watch.py`, while a hub is up that has devices.
"""

from __future__ import annotations

import asyncio

import constellation
from constellation import AddTask, Requirement, Task


async def main() -> None:
    async with constellation.connect() as fabric:
        names = [each.name for each in await fabric.devices() if each.presence == "connected"]
        work = await fabric.submit(
            [
                AddTask(Task(name, skill="system.disks", requirement=Requirement(device=name)))
                for name in names
            ],
            name="disk watch",
        )
        async for event in work.events():
            if event.kind == "finished":
                print(f"{event.task}: {event.body['state']}")
        disks = (await work.result()).outputs
    name = max(disks, key=lambda each: disks[each]["percent"])
    fullest = disks[name]
    print(f"The fullest disk is {fullest['fullest']} on {name}: {fullest['percent']:.0f} %.")


if __name__ == "__main__":
    asyncio.run(main())
