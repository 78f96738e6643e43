"""Two robots with one slow policy server far away: one acts while it thinks, the other waits.

`make demo-robot`, or `python examples/robot_demo.py 30` for as many seconds. A hub, a policy server
and two robots that play whack-a-mole are started as processes of their own; the way to the policy
takes 160 ms there and back, with jitter. In the middle of the game the cable between one robot and
the hub is pulled: it holds, and goes on when the cable is plugged in again.
"""

from __future__ import annotations

import random
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio

import constellation
from constellation import AddTask, Requirement, Task
from constellation.cli.processes import child
from constellation.client import open_hub
from constellation.config import Settings, load_settings
from constellation.testing.proxy import TcpProxy, tcp_proxy

ROBOTS = {"quick": "future-state", "patient": "synchronous"}
CUT = "quick"
PLAY_S = 30.0
# Shares of the game: when the cable is pulled, and for how long.
CUT_AFTER, UNPLUGGED = 0.3, 0.1
# One way to the policy or back; log-normal.
ONE_WAY_S, JITTER = 0.08, 0.2

rng = random.Random(0)


def one_way() -> float:
    """Seconds that a message takes to the policy, or back."""
    return ONE_WAY_S * rng.lognormvariate(-(JITTER**2) / 2, JITTER)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@asynccontextmanager
async def staged(settings: Settings) -> AsyncIterator[TcpProxy]:
    """Hub, policy server and robots; yields the cable of one of them."""
    async with AsyncExitStack() as stack:

        async def start(name: str, *arguments: str) -> None:
            process = await stack.enter_async_context(child(name, arguments, settings))
            await process.ready()

        await start("hub", "hub", "--host", "127.0.0.1", "--port", "0")
        port = free_port()
        await start("policy", "policy-server", "--sim", "whack", "--port", str(port))
        far = await stack.enter_async_context(tcp_proxy("127.0.0.1", port, delay=one_way))
        print("A hub is up, and a policy server that is 160 ms away.")
        hub = await stack.enter_async_context(open_hub(settings))
        hub_port = urlsplit(hub.url).port or 0
        cable = await stack.enter_async_context(tcp_proxy("127.0.0.1", hub_port))
        for name, strategy in ROBOTS.items():
            url = hub.url.replace(str(hub_port), str(cable.port)) if name == CUT else hub.url
            code = (await hub.ask("pair", name=name))["code"]
            await start(
                name,
                *("robot", "--sim", "whack", "--name", name, "--strategy", strategy),
                *("--policy", f"ws://127.0.0.1:{far.port}", "--hub", url, "--pair", code),
            )
            print(f"The robot {name!r} is connected; it acts by {strategy}.")
        yield cable


async def pull(cable: TcpProxy, play_s: float) -> None:
    """Unplugs a cable for a while, in the middle of the game."""
    await anyio.sleep(CUT_AFTER * play_s)
    print(f"── The cable of {CUT!r} is pulled. ──")
    cable.refuse()
    await anyio.sleep(UNPLUGGED * play_s)
    print(f"── The cable of {CUT!r} is plugged in again. ──")
    cable.accept()


async def play(settings: Settings, play_s: float) -> None:
    """Has both robots play at once, and says how it went."""
    async with (
        staged(settings) as cable,
        constellation.connect(state_dir=settings.state_dir) as fabric,
        anyio.create_task_group() as tasks,
    ):
        work = await fabric.submit(
            [
                AddTask(
                    Task(
                        name,
                        skill="robot.hit",
                        arguments={"instruction": "hit the moles", "seconds": play_s},
                        requirement=Requirement(device=name),
                    )
                )
                for name in ROBOTS
            ],
            name="whack-a-mole",
        )
        print(f"Both are asked to hit the moles for {play_s:g} s.")
        tasks.start_soon(pull, cable, play_s)
        said: dict[str | None, str] = {}
        async for event in work.events():
            message = str(event.body.get("message", ""))
            kind = message.partition(",")[0]
            if event.kind == "progress" and kind not in ("", "driven", said.get(event.task)):
                said[event.task] = kind
                print(f"  {event.task}: {message}")
        outputs = (await work.result()).outputs
    print("\nrobot      strategy       moles hit   steps without an action")
    for name, strategy in ROBOTS.items():
        out = outputs[name]
        idle = f"{out['held']} of {out['steps']}"
        print(f"{name:10} {strategy:14} {100 * out['score']:5.0f} %     {idle}")


def main(play_s: float = PLAY_S) -> None:
    """Plays in a folder of its own, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="constellation-robots-") as folder:
        anyio.run(play, load_settings({"state_dir": Path(folder)}), play_s)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
