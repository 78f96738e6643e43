"""Where the benchmark plays: five devices with folders of their own, and a website."""

from __future__ import annotations

import shutil
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import get_args

from bench.fabric import bench_settings, hub_process
from constellation.cli.processes import Child, child
from constellation.client import open_hub
from constellation.config import Settings
from constellation.fabric import Fabric

from .model import Device

DEVICES: tuple[Device, ...] = get_args(Device)
FACES = Path(__file__).with_name("faces")
POLICY = '[effects]\ndangerous = "allow"\n'

FILES: Mapping[Device, Mapping[str, str]] = {
    "desktop": {
        "notes.txt": "buy milk\n",
        "todo.md": "- call Ada\n- plan the budget\n",
        "projects/site/index.html": "<!-- TODO: a title -->\n<h1>Welcome</h1>\n",
    },
    "laptop": {
        "talk.md": "# Devices as one\n",
        "draft.txt": "a first draft, without a budget\n",
    },
    "server": {
        "config.toml": "host = '0.0.0.0'\nport = 8080\n",
        "data/orders.csv": "order,euro\n4711,120\n4712,200\n4713,45\n",
        "logs/app.log": "INFO up\nERROR no route\nINFO retry\nERROR no route\n",
        "logs/web.log": "GET / 200\n",
        "scripts/count.sh": 'echo "orders: $(($(wc -l < data/orders.csv) - 1))"\n',
        "scripts/fail.sh": "echo broken >&2\nexit 3\n",
        "scripts/total.py": (
            "import csv, sys\n"
            "rows = csv.DictReader(open(sys.argv[1]))\n"
            "print('total', sum(int(row['euro']) for row in rows))\n"
        ),
    },
    "phone": {
        "contacts.txt": "Ada: +44 1815\nGrace: +1 1906\n",
        "photos/beach.txt": "sand\n",
        "photos/forest.txt": "trees\n",
        "photos/town.txt": "roofs\n",
    },
    "edge": {"readings.csv": "time,celsius\n0,21.5\n"},
}
SITE = {
    "index.html": "<h1>Welcome</h1>\n",
    "status.json": '{"ok": true, "version": "2.4"}\n',
    "prices.json": '{"apples": 3}\n',
}


class Folders:
    """What lies on the devices.

    Args:
        path: of the folder that holds one for each device.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        for device in DEVICES:
            self.root(device).mkdir(parents=True)

    def root(self, device: Device) -> Path:
        """The folder of a device."""
        return self.path / device

    def reset(self, more: Mapping[Device, Mapping[str, str]]) -> None:
        """Put every folder back to how it is at the beginning of a request."""
        for device in DEVICES:
            for path in self.root(device).iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            self.put(device, {**FILES[device], **more.get(device, {})})

    def put(self, device: Device, files: Mapping[str, str]) -> None:
        """Write files on a device."""
        for name, content in files.items():
            path = self.root(device) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def files(self) -> dict[str, bytes]:
        """Everything that there is."""
        found = sorted(path for path in self.path.rglob("*") if path.is_file())
        return {str(path.relative_to(self.path)): path.read_bytes() for path in found}


class World:
    """A hub, five agents as processes of their own, and their folders.

    Attributes:
        fabric: a connection to the hub.
        folders: what lies on the devices.
        site: the address of the website.
    """

    def __init__(self, fabric: Fabric, settings: Settings, folders: Folders, site: str) -> None:
        self.fabric = fabric
        self.folders = folders
        self.site = site
        self._settings = settings
        self._agents: dict[Device, Child] = {}

    async def start(self, device: Device, stack: AsyncExitStack) -> None:
        """Start the agent of a device."""
        work = ["agent", "--name", device, "--label", f"role={device}", "--drain-timeout", "0"]
        policy = self.folders.path.parent / "policy"
        work += ["--root", str(self.folders.root(device)), "--policy", str(policy)]
        face = FACES / f"{device}.py"
        if face.exists():
            work += ["--kind", device, "--skills", str(face)]
        agent = await stack.enter_async_context(child(device, work, self._settings))
        await agent.ready()
        self._agents[device] = agent

    async def kill(self, device: Device) -> None:
        """End an agent with SIGKILL."""
        process = self._agents[device].process
        process.kill()
        await process.wait()


@asynccontextmanager
async def world(grace_s: float = 60.0) -> AsyncIterator[World]:
    """All of it, for as long as the context is open.

    Args:
        grace_s: how long the hub waits for a device that is gone.
    """
    async with AsyncExitStack() as stack:
        settings = stack.enter_context(bench_settings(grace_s=grace_s))
        folder = settings.state_dir / "nebula"
        folders = Folders(folder / "roots")
        (folder / "policy").write_text(POLICY)
        site = stack.enter_context(_website(folder / "site"))
        await stack.enter_async_context(hub_process(settings))
        client = await stack.enter_async_context(open_hub(settings, name="bench"))
        found = World(Fabric(client), settings, folders, site)
        for device in DEVICES:
            await found.start(device, stack)
        yield found


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def _website(folder: Path) -> Iterator[str]:
    folder.mkdir()
    for name, content in SITE.items():
        (folder / name).write_text(content)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
