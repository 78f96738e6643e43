"""The interface on a real hub over real sockets, with devices that answer as a test says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Any

import anyio
from textual import events
from textual.pilot import Pilot

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.client import Link, connect
from constellation.aip.messages import Message
from constellation.client import HubClient, open_hub
from constellation.config import Settings
from constellation.orchestrator.service import open_hub as serve_hub
from constellation.tui.app import ConstellationApp

CELL_WIDTH = 12.2  # of the screenshots, in their units
WIDE, NARROW = (140, 40), (80, 24)
SKILLS = (
    SkillCard(
        name="work",
        description="Do a piece of work.",
        effect="read",
        idempotent=True,
        examples=("do the work",),
    ),
    SkillCard(name="burn", description="Burn a disc.", effect="dangerous"),
)
_TEXT = re.compile(r'<text class="[^"]*" x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', re.DOTALL)


def settings_of(state: Path) -> Settings:
    return Settings.model_validate({"state_dir": state, "hub": {"port": 0}})


class Device:
    """A device that completes ``work`` at once if it is told so, and keeps the rest."""

    def __init__(self, *, is_quick: bool) -> None:
        self.link: Link
        self.assigned: dict[str, str] = {}
        self.answers: list[Mapping[str, Any]] = []
        self._is_quick = is_quick

    def take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.type == "assign":
                attempt = message.body["attempt"]
                self.assigned[attempt.split("/")[1]] = attempt
                if self._is_quick:
                    self.complete(attempt.split("/")[1], {"done": True})
            elif message.type == "answer":
                self.answers.append(message.body)
        self.link.acknowledge(messages[-1].seq)

    def complete(self, task: str, output: Any = None, **more: Any) -> None:
        body = {"attempt": self.assigned[task], "state": "completed", "output": output, **more}
        self.link.send("result", body)

    def say(self, task: str, text: str) -> None:
        body = {"attempt": self.assigned[task], "index": 0, "channel": "stdout", "data": text}
        self.link.send("output", body)

    def ask(self, task: str, **question: Any) -> None:
        body = {"id": "q1", "kind": "approval", "prompt": "May I burn it?", **question}
        self.link.send("input_required", {"attempt": self.assigned[task], "question": body})


@asynccontextmanager
async def device_of(
    hub: HubClient, name: str = "desk", *, is_quick: bool = False
) -> AsyncIterator[Device]:
    device = Device(is_quick=is_quick)
    offer = await hub.ask("pair", name=name)
    card = DeviceCard(name=name, skills=SKILLS, capacity=4, platform="linux")
    async with connect(
        hub.url,
        role="device",
        name=name,
        card=card,
        pair_code=offer["code"],
        on_messages=device.take,
    ) as device.link:
        await device.link.ready()
        yield device


def text_of(app: ConstellationApp) -> str:
    """What stands on the screen of an interface, line by line."""
    rows: dict[float, str] = {}
    for x, y, content in _TEXT.findall(app.export_screenshot()):
        column = round(float(x) / CELL_WIDTH)
        text = unescape(content).replace("\xa0", " ").rstrip("\n")
        rows[float(y)] = rows.get(float(y), "").ljust(column) + text
    return "\n".join(text for _, text in sorted(rows.items()))


class Bench:
    """A hub, a client beside the interface, and the interface under a pilot."""

    def __init__(self, app: ConstellationApp, pilot: Pilot[None], hub: HubClient) -> None:
        self.app = app
        self.pilot = pilot
        self.hub = hub

    async def press(self, *keys: str) -> None:
        for key in keys:
            self.app.simulate_key(key)
            await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Put text in where the cursor is, as a terminal that pastes does."""
        self.app.post_message(events.Paste(text))
        await self.pilot.pause()

    async def until(self, condition: Callable[[], Any]) -> None:
        with anyio.fail_after(100):
            while not condition():
                await self.pilot.pause()

    async def sees(self, *words: str) -> None:
        """Wait until all these words stand on the screen."""
        try:
            await self.until(lambda: all(word in self.text() for word in words))
        except TimeoutError:
            raise AssertionError(f"{words} not all in:\n{self.text()}") from None

    async def sees_not(self, word: str) -> None:
        await self.until(lambda: word not in self.text())

    def text(self) -> str:
        """What stands on the screen, line by line."""
        return text_of(self.app)

    async def submit(self, *tasks: Mapping[str, Any], **more: Any) -> str:
        """Submit tasks; those with ``after`` wait for these."""
        edits: list[dict[str, Any]] = []
        for task in tasks:
            plain = {key: value for key, value in task.items() if key != "after"}
            edits.append({"op": "add_task", "task": {"skill": "work", **plain}})
            for source in task.get("after", ()):
                edge = {"source": source, "target": task["id"]}
                edits.append({"op": "add_dependency", "dependency": edge})
        answer = await self.hub.ask("submit", edits=edits, **more)
        return str(answer["constellation"])

    async def node(self, constellation: str, task: str) -> dict[str, Any]:
        shown = await self.hub.ask("show", constellation=constellation)
        nodes = {node["task"]["id"]: node for node in shown["graph"]["nodes"]}
        return dict(nodes[task])


@asynccontextmanager
async def face_of(
    settings: Settings, hub: HubClient, size: tuple[int, int] = WIDE
) -> AsyncIterator[Bench]:
    app = ConstellationApp(settings)
    async with app.run_test(size=size, notifications=True) as pilot:
        yield Bench(app, pilot, hub)


@asynccontextmanager
async def bench(state: Path, size: tuple[int, int] = WIDE) -> AsyncIterator[Bench]:
    """A hub and the interface, connected."""
    settings = settings_of(state)
    async with (
        serve_hub(settings),
        open_hub(settings, name="beside") as hub,
        face_of(settings, hub, size) as it,
    ):
        await it.sees("127.0.0.1")
        yield it
