"""The command `constellation policy-server`: a policy for many robots, behind a websocket.

It is listed where the extra ``robot`` is missing too, so that whatever needs NumPy is imported when
it is called.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from constellation.config import load_settings
from constellation.errors import ConfigError
from constellation.logs import log_to_stderr

from ...options import refuse
from ..keys import read_key

if TYPE_CHECKING:
    from ..ports import PolicySpec
    from .questions import BatchPolicy
    from .server import Batcher

LOOPBACK = ("127.0.0.1", "::1", "localhost")

app = typer.Typer()


class Protocol(StrEnum):
    """What a policy server speaks."""

    OPENPI = "openpi"
    LEROBOT = "lerobot"


@app.command()
def policy_server(
    context: typer.Context,
    sim: Annotated[
        str | None,
        typer.Option(help="A policy that ships, for whack, track, balance or intercept."),
    ] = None,
    kind: Annotated[
        str, typer.Option(help="How it was trained, such as delay, flow, inpaint; or expert.")
    ] = "delay",
    file: Annotated[
        Path | None, typer.Option("--policy", help="A Python file with policy() instead.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Its port; 0 for any that is free.", min=0, max=65_535)
    ] = 8000,
    protocol: Annotated[
        Protocol, typer.Option(help="Whose clients may ask; LeRobot's have no keys.")
    ] = Protocol.OPENPI,
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file with the key that clients must have.")
    ] = None,
    most: Annotated[int, typer.Option(help="Questions in one batch.", min=1)] = 64,
) -> None:
    """Serve a policy to robots, until Ctrl-C or SIGTERM; any openpi client may ask it.

    \b
    Examples:
      constellation policy-server --sim whack
      constellation policy-server --policy pi.py --host 0.0.0.0 --api-key-file key.txt
      constellation policy-server --policy pi.py --protocol lerobot --port 8080
    """
    if (file is None) == (sim is None):
        raise typer.BadParameter("Name a policy by either --sim or --policy.")
    if file is not None:
        refuse(context, "It belongs to a policy that ships, --sim.", "kind")
    key = None if api_key_file is None else read_key(api_key_file)
    if protocol is Protocol.LEROBOT and key is not None:
        raise ConfigError(
            "LeRobot's robots know no keys.", remedy="Listen on 127.0.0.1, at the end of a tunnel."
        )
    if key is None and host not in LOOPBACK:
        raise ConfigError(
            f"Anybody who reaches {host} could ask the policy.",
            remedy="Listen on 127.0.0.1; or give a key with --api-key-file, if it is for openpi.",
        )
    try:
        from .local import local_policy
        from .server import Batcher
        from .single import policy_of
    except ImportError as error:
        raise ConfigError(
            f"A policy server needs the extra 'robot': {error}.",
            remedy="Install it: pip install 'constellation-fabric[robot]'.",
        ) from None
    policy: BatchPolicy = policy_of(file) if file else local_policy(str(sim), kind)
    batcher = Batcher(policy, most=most)
    served = _lerobot if protocol is Protocol.LEROBOT else _openpi
    log_to_stderr(load_settings().log_format)
    anyio.run(_listen, partial(served, batcher, policy.spec, key), batcher, host, port)


@asynccontextmanager
async def _openpi(
    batcher: Batcher, spec: PolicySpec, key: str | None, host: str, port: int
) -> AsyncIterator[str]:
    from .server import PolicyServer

    async with PolicyServer(batcher, spec, api_key=key).listening(host, port) as listening:
        bound = next(iter(listening.sockets)).getsockname()[1]
        yield f"The policy {spec.name!r} is at ws://{host}:{bound}."


@asynccontextmanager
async def _lerobot(
    batcher: Batcher, spec: PolicySpec, _: str | None, host: str, port: int
) -> AsyncIterator[str]:
    try:
        from .lerobot.server import LeRobotServer
    except ImportError as error:
        raise ConfigError(
            f"LeRobot's protocol needs the extra 'lerobot-wire': {error}.",
            remedy="Install it: pip install 'constellation-fabric[lerobot-wire]'.",
        ) from None
    async with LeRobotServer(batcher, spec).listening(host, port) as bound:
        yield f"The policy {spec.name!r} is at {host}:{bound}, for LeRobot's robots."


async def _listen(
    listening: Callable[[str, int], AbstractAsyncContextManager[str]],
    batcher: Batcher,
    host: str,
    port: int,
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        try:
            async with listening(host, port) as where:
                typer.echo(where)
                sys.stdout.flush()
                async for _ in signals:
                    break
        except OSError as error:
            raise ConfigError(
                f"{host}:{port} cannot be had: {error}.", remedy="Take another port."
            ) from error
        finally:
            batcher.close()
