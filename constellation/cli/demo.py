"""The command `demo`: three devices, one request, a cable that is pulled and a device that dies.

Everything is real and local: a hub and three agents are processes of their own, joined by
websockets, and their tasks run commands, read the machine, fetch a page and write files.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import anyio
import typer
from anyio.abc import TaskGroup
from rich.text import Text

from constellation.client import HubClient, open_hub
from constellation.config import Settings, load_settings
from constellation.errors import ConfigError
from constellation.graph.export import to_mermaid
from constellation.graph.task import TaskState
from constellation.telling.watched import Watched
from constellation.testing.proxy import TcpProxy, tcp_proxy

from .connection import run_async
from .exits import ExitCode
from .output import console
from .processes import Child, child
from .render import ending, notes_text, task_table

DEVICES = ("desk", "server", "laptop")
# The device whose cable is pulled, and the one that is killed.
CUT, KILLED = "server", "laptop"
UNPLUGGED_S = 1.5
MARK = ".constellation-demo"

REQUEST = (
    "check the disks and the memory on every machine, meanwhile fetch {url} on the server, "
    "run `sh backup.sh` on the server and wait for the file photos.done on the laptop, "
    "then write a report of all results to report.md on desk"
)
BACKUP = """\
set -e
for day in mon tue wed; do
  echo "packing $day.log"
  tar -rf backup.tar "$day.log"
  sleep 1
done
echo "$(tar -tf backup.tar | wc -l) files in backup.tar, $(wc -c < backup.tar) bytes"
"""
POLICY = """\
[commands]
allow = ["sh backup.sh"]
"""


class Scene:
    """Where the demonstration plays: folders, hub, devices."""

    def __init__(self, out: Path, settings: Settings, hub: HubClient, proxy: TcpProxy) -> None:
        self.out = out
        self.settings = settings
        self.hub = hub
        self.proxy = proxy
        self._agents: dict[str, Child] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Scene:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self._stack.__aexit__(*exc)

    async def add(self, name: str) -> None:
        """Pair a device with a code and start its agent."""
        offer = await self.hub.ask("pair", name=name)
        await self.start(name, "--pair", offer["code"])

    async def start(self, name: str, *more: str) -> None:
        """Start the agent of a device, which may have run before."""
        url = self.hub.url
        if name == CUT:
            url = url.replace(str(urlsplit(url).port), str(self.proxy.port))
        root = self.out / name
        arguments = ["agent", "--hub", url, "--name", name, "--label", f"role={name}"]
        arguments += ["--root", str(root), "--policy", str(self.out / "policy.toml"), *more]
        agent = await self._stack.enter_async_context(child(name, arguments, self.settings))
        await agent.ready()
        self._agents[name] = agent

    async def kill(self, name: str) -> None:
        """End an agent with SIGKILL: it cannot say goodbye."""
        process = self._agents[name].process
        process.kill()
        await process.wait()


class Faults:
    """What goes wrong, and when: each fault waits until the task that it is meant for runs."""

    def __init__(self, scene: Scene, watched: Watched, tasks: TaskGroup) -> None:
        self._scene = scene
        self._watched = watched
        self._tasks = tasks
        self._cut = self._killed = False

    def attend(self, event: Mapping[str, Any]) -> None:
        """See whether an event is the moment for a fault."""
        kind, body = event["kind"], event["body"]
        if kind == "output" and body["device"] == CUT and not self._cut:
            self._cut = True
            self._tasks.start_soon(self._pull_the_cable)
        elif kind == "started" and body["task"].startswith("wait-file"):
            if self._killed:
                (self._scene.out / KILLED / "photos.done").write_text("all photos are in\n")
            else:
                self._killed = True
                self._tasks.start_soon(self._kill_and_replace)

    async def _pull_the_cable(self) -> None:
        self._scene.proxy.refuse()
        say(f"── The cable of {CUT} is pulled in mid-task. Its work goes on there. ──")
        await anyio.sleep(UNPLUGGED_S)
        self._scene.proxy.accept()
        say(f"── The cable of {CUT} is plugged in again: its session resumes. ──")

    async def _kill_and_replace(self) -> None:
        await self._scene.kill(KILLED)
        say(f"── The agent of {KILLED} was killed (SIGKILL). A new one takes its place. ──")
        await self._scene.start(KILLED)


def say(text: str) -> None:
    console().print(Text(text, style="bold magenta"))


def prepare(out: Path) -> None:
    """Make the folders and files that the devices work with.

    Raises:
        ConfigError: the folder cannot be made, or holds something that is not ours to remove.
    """
    if out.exists() and not (out / MARK).exists() and any(out.iterdir()):
        raise ConfigError(
            f"{out} is not empty and not from an earlier demonstration.",
            remedy="Name another folder with --out.",
        )
    shutil.rmtree(out, ignore_errors=True)
    try:
        for name in (*DEVICES, "site"):
            (out / name).mkdir(parents=True)
    except OSError as error:
        raise ConfigError(
            f"{out} cannot be made: {error.strerror}.", remedy="Name another folder with --out."
        ) from None
    (out / MARK).touch()
    (out / "policy.toml").write_text(POLICY)
    (out / CUT / "backup.sh").write_text(BACKUP)
    for number, day in enumerate(("mon", "tue", "wed"), 1):
        (out / CUT / f"{day}.log").write_text(f"{day}: all quiet\n" * 1000 * number)
    status = {"service": "photos", "healthy": True, "queue": 3}
    (out / "site" / "status.json").write_text(json.dumps(status))


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def website(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP on loopback; yields the address of its status page."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/status.json"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@asynccontextmanager
async def staged(out: Path, settings: Settings) -> AsyncIterator[Scene]:
    """A hub with three devices, one of them behind a cable that can be pulled."""
    hub_command = ["hub", "--host", "127.0.0.1", "--port", "0"]
    async with child("hub", hub_command, settings) as process:
        await process.ready()
        async with (
            open_hub(settings) as hub,
            tcp_proxy("127.0.0.1", urlsplit(hub.url).port or 0) as proxy,
            Scene(out, settings, hub, proxy) as scene,
        ):
            say(f"A hub is up at {hub.url}. Three devices join it, each a process of its own.")
            for name in DEVICES:
                await scene.add(name)
                say(f"{name} was paired with a code and is connected.")
            yield scene


async def play(out: Path, settings: Settings) -> Watched:
    """Run the request with its faults; return how it went."""
    with website(out / "site") as url:
        async with staged(out, settings) as scene:
            request = REQUEST.format(url=url)
            say(f"\nRequest: {request}\n")
            submitted = await scene.hub.ask("submit", request=request)
            console().print(notes_text(submitted["title"], submitted["notes"]))
            watched = Watched(submitted["constellation"])
            events = await scene.hub.follow(submitted["constellation"])
            async with anyio.create_task_group() as tasks:
                faults = Faults(scene, watched, tasks)
                async for event in events:
                    for line in watched.take(event):
                        console().print(Text(f"  {line.text}", style=line.style))
                    faults.attend(event)
            return watched


def tell(watched: Watched, out: Path, settings: Settings) -> None:
    """Say how it ended and where everything lies."""
    graph = watched.constellation
    (out / "constellation.mmd").write_text(to_mermaid(graph))
    console().print()
    console().print(task_table(graph, watched.ended_at or 0.0))
    console().print(ending(watched))
    cut = next(node for node in graph.nodes.values() if node.task.skill == "shell.run")
    killed = next(node for node in graph.nodes.values() if node.task.skill == "wait.file")
    console().print(
        f"\n{CUT} lost its link while it ran `sh backup.sh`: attempts needed: {cut.attempt}."
        f"\n{KILLED} was killed while it waited for a file: attempts needed: {killed.attempt}."
        "\n"
        f"\nThe report:        {out / 'desk' / 'report.md'}"
        f"\nThe graph:         {out / 'constellation.mmd'} (Mermaid)"
        f"\nThe journal:       {settings.journal_file}"
        f"\nThe whole story:   {_command()} replay {settings.journal_file}",
        highlight=False,
        soft_wrap=True,
    )


def _command() -> str:
    """How `constellation` is called here: it may be installed where no shell looks for it."""
    beside = Path(sys.executable).with_name("constellation")
    return "constellation" if shutil.which("constellation") or not beside.exists() else str(beside)


def demo(
    out: Annotated[Path, typer.Option(help="The folder to work in.", file_okay=False)] = Path(
        "demo-out"
    ),
) -> None:
    """Show a request run across three devices, through a cut cable and a killed device.

    A hub and three agents are started on this machine as processes of their own, and stopped in
    the end. Nothing outside the folder is changed.

    \b
    Examples:
      constellation demo
      constellation demo --out /tmp/demo
    """
    out = out.absolute()
    prepare(out)
    settings = load_settings({"state_dir": out / "state"})
    watched = run_async(partial(play, out, settings))
    tell(watched, out, settings)
    if watched.state is not TaskState.COMPLETED:
        raise typer.Exit(ExitCode.FAILED)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Work")(demo)
