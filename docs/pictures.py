"""Take the pictures of the README: the interface on a real hub with three real agents at work."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from textual.pilot import Pilot

from constellation.cli.processes import child
from constellation.client import HubClient, open_hub
from constellation.config import Settings
from constellation.tui.app import ConstellationApp

PICTURES = Path(__file__).parent / "pictures"
SIZE = (132, 30)
POLICY = '[commands]\nallow = ["sh backup.sh"]\n'
BACKUP = 'echo "packing the photos"\nsleep 60\n'
REQUEST = (
    "check the disks and the memory on every machine, meanwhile run `sh backup.sh` on server "
    "and delete old.log on desk, then write a report of all results to report.md on desk, "
    "then copy report.md from desk to laptop and to server"
)
IDENTIFIERS = re.compile(r"terminal-\d+")


@asynccontextmanager
async def fabric(settings: Settings) -> AsyncIterator[HubClient]:
    """A hub and three agents."""
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(child("hub", ["hub", "--port", "0"], settings))
        await hub.ready()
        policy = settings.state_dir / "policy.toml"
        policy.write_text(POLICY)
        for name in ("desk", "server", "laptop"):
            root = settings.state_dir / name
            root.mkdir()
            (root / "backup.sh").write_text(BACKUP)
            work = ["agent", "--name", name, "--root", str(root), "--policy", str(policy)]
            work += ["--label", f"role={name}", "--drain-timeout", "0"]
            agent = await stack.enter_async_context(child(name, work, settings))
            await agent.ready()
        yield await stack.enter_async_context(open_hub(settings))


class Photographer:
    """Waits for what a picture shall show, and takes it."""

    def __init__(self, app: ConstellationApp, pilot: Pilot[None]) -> None:
        self._app = app
        self._pilot = pilot

    async def take(self, name: str, *words: str, keys: str = "") -> None:
        """Press keys, wait until these words stand on the screen, and keep a picture of it."""
        for key in keys.split():
            self._app.simulate_key(key)
            await self._pilot.pause()
        with anyio.fail_after(20):
            # The keys come last.
            while not all(word in self._text() for word in (*words, "Help")):
                await self._pilot.pause()
        picture = IDENTIFIERS.sub("terminal", self._app.export_screenshot(title="constellation"))
        (PICTURES / f"{name}.svg").write_text(picture)

    def _text(self) -> str:
        return self._app.export_screenshot().replace("&#160;", " ")


async def main() -> None:
    """Take them all."""
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="constellation-pictures-") as folder:
        settings = Settings.model_validate({"state_dir": Path(folder)})
        async with fabric(settings) as hub:
            await hub.ask("submit", request="list the files on every machine")
            await hub.ask("submit", request=REQUEST)
            app = ConstellationApp(settings)
            async with app.run_test(size=SIZE) as pilot:
                photographer = Photographer(app, pilot)
                await photographer.take("overview", "laptop", "delete", "check the disks")
                await photographer.take("graph", "backup", "system.disks", keys="enter")
                await photographer.take("timeline", "server", keys="3")
                await photographer.take("approvals", "old.log", keys="a")


if __name__ == "__main__":
    anyio.run(main)
