"""The command `cluster demo`: what may die in mid-run, dies, and every task has run once.

Three NATS servers, two orchestrators, two gateways and three devices are processes of their own.
Each task runs a command that writes its name into a file of the device; it may not be repeated.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
from rich.text import Text

from constellation.client import HubClient

from .cluster_scene import ClusterScene
from .demo import prepare
from .exits import ExitCode
from .output import console

DEVICES = ("desk", "server", "laptop")
LAYERS, WIDTH = 12, 10
STEP = 'sleep 0.3\necho "$1" >> done.txt\necho "$1"\n'
POLICY = '[commands]\nallow = ["sh step.sh *"]\n'
MOST_S = 180.0


def say(text: str) -> None:
    console().print(Text(text, style="bold magenta"))


def layered(prefix: str) -> list[dict[str, Any]]:
    """Layers of tasks, each after one of the layer before."""
    edits: list[dict[str, Any]] = []
    for layer in range(LAYERS):
        for place in range(WIDTH):
            name = f"{prefix}{layer}-{place}"
            arguments = {"command": f"sh step.sh {name}"}
            task = {"id": name, "skill": "shell.run", "arguments": arguments}
            edits.append({"op": "add_task", "task": task})
            if layer:
                source = f"{prefix}{layer - 1}-{(place + 1) % WIDTH}"
                dependency = {"source": source, "target": name}
                edits.append({"op": "add_dependency", "dependency": dependency})
    return edits


class Watched:
    """How far the constellations are, by the facts that were told."""

    def __init__(self) -> None:
        self.finished: dict[str, list[str]] = {}
        self.states: Counter[str] = Counter()
        self.seen: set[tuple[str, int]] = set()
        self.twice = 0
        self.pauses: dict[str, list[float]] = {}
        self._last: dict[str, float] = {}
        self._moved = anyio.Event()

    async def follow(self, name: str, events: AsyncGenerator[Any]) -> None:
        """Take in what happens to a constellation until it ends."""
        self.finished[name], self.pauses[name] = [], []
        self._last[name] = time.monotonic()
        async with aclosing(events):
            async for event in events:
                if "seq" not in event:
                    continue
                self.twice += (name, event["seq"]) in self.seen
                self.seen.add((name, event["seq"]))
                if event["kind"] == "finished":
                    self.finished[name].append(event["body"]["task"])
                    self.states[event["body"]["state"]] += 1
                    now = time.monotonic()
                    self.pauses[name].append(now - self._last[name])
                    self._last[name] = now
                self._moved.set()
                self._moved = anyio.Event()

    @property
    def done(self) -> int:
        """How many tasks have ended."""
        return sum(map(len, self.finished.values()))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that comes with what is told."""
        while not condition():
            await self._moved.wait()

    async def longest_pause(self, names: list[str]) -> float:
        """Seconds for which none of some constellations got on, until each of them has again."""
        for name in names:
            self.pauses[name].clear()
        await self.until(lambda: all(len(self.pauses[name]) >= WIDTH for name in names))
        return max(max(self.pauses[name]) for name in names)


async def show(out: Path, lease_s: float) -> int:
    """Play it; return the exit code."""
    prepare(out)
    for name in DEVICES:
        (out / name).mkdir(exist_ok=True)
        (out / name / "step.sh").write_text(STEP)
    (out / "policy.toml").write_text(POLICY)
    watched = Watched()
    with anyio.move_on_after(MOST_S) as limit:
        async with ClusterScene(out / "state", nodes=3, lease_s=lease_s) as scene:
            say("Three NATS servers are up.")
            for kind, names in (("orchestrator", ("o1", "o2")), ("gateway", ("g1", "g2"))):
                for name in names:
                    await scene.start(kind, name)
                say(f"Two {kind}s are up: {', '.join(names)}.")
            for name in DEVICES:
                root = str(out / name)
                policy = str(out / "policy.toml")
                await scene.add_agent(name, "--root", root, "--policy", policy)
            say(f"{', '.join(DEVICES)} are connected; each knows both gateways.\n")
            async with scene.connect() as client:
                await _play(scene, client, watched)
    if limit.cancelled_caught:
        say(f"It took longer than {MOST_S:g} s: {watched.done} tasks had ended.")
        return ExitCode.FAILED
    return _judge(out, watched)


async def _play(scene: ClusterScene, client: HubClient, watched: Watched) -> None:
    names = []
    async with anyio.create_task_group() as tasks:
        for prefix in ("a", "b"):
            submitted = await client.ask("submit", edits=layered(prefix), name=f"work {prefix}")
            name = submitted["constellation"]
            names.append(name)
            tasks.start_soon(watched.follow, name, await client.follow(name))
            owner = await scene.owner(name)
            say(f"{name}: {LAYERS * WIDTH} tasks, none to be repeated; {owner} owns it.")
        count = len(names) * LAYERS * WIDTH

        async def lose(what: str, after: int, whose: list[str]) -> None:
            say(f"── Killed: {what} after {after} tasks. ──")
            pause = await watched.longest_pause(whose)
            say(f"── {' and '.join(whose)} went on; for {pause:.1f} s no task ended. ──")

        await watched.until(lambda: watched.done >= 0.1 * count)
        leader = await scene.leader()
        scene.nats.kill(leader)
        await lose(f"the NATS server n{leader}, which leads the journal,", watched.done, names)
        scene.nats.start(leader)
        await watched.until(lambda: watched.done >= 0.3 * count)
        owner = await scene.owner(names[0]) or "o1"
        await scene.kill(owner)
        await lose(f"{owner}, which owns {names[0]},", watched.done, names[:1])
        await scene.kill("g1")
        await lose("the gateway g1, which holds all devices,", watched.done, names[:1])
        await watched.until(lambda: watched.done == count)
    for name in names:
        listed = await client.ask("show", constellation=name, limit=1)
        say(f"{name}: {listed['state']}, {listed['counts']}.")


def _judge(out: Path, watched: Watched) -> int:
    """Compare what the journal says with what the devices did."""
    ran = Counter(
        line for name in DEVICES for line in (out / name / "done.txt").read_text().splitlines()
    )
    told = [task for tasks in watched.finished.values() for task in tasks]
    wanted = {edit["task"]["id"] for prefix in "ab" for edit in layered(prefix) if "task" in edit}
    lost = sorted(wanted - set(told))
    never = sorted(wanted - ran.keys())
    again = sorted(name for name, times in ran.items() if times > 1)
    say(
        f"\n{len(wanted)} tasks: {watched.states['completed']} completed, {len(lost)} lost, "
        f"{len(told) - len(set(told))} told twice, {len(again)} run twice, {len(never)} never run."
    )
    good = not (lost or never or again) and watched.states["completed"] == len(wanted)
    return ExitCode.DONE if good and not watched.twice else ExitCode.FAILED
