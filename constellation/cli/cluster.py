"""The commands `cluster gateway`, `cluster orchestrator` and `cluster demo`."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from constellation.config import Settings, load_settings
from constellation.errors import ConfigError
from constellation.logs import log_to_stderr

from .connection import run_async
from .output import Json, emit

if TYPE_CHECKING:
    from constellation.cluster.service import ClusterOptions

Nats = Annotated[
    str, typer.Option("--nats", help="Addresses of NATS servers, separated by commas.")
]
Name = Annotated[str | None, typer.Option(help="This node's name, unique in the cluster.")]
Fabric = Annotated[str, typer.Option(help="Whose nodes work together.")]
Replicas = Annotated[int, typer.Option(min=1, max=5, help="On how many NATS servers all is kept.")]
Lease = Annotated[
    float,
    typer.Option(
        min=0.5,
        help="Seconds without a sign of its owner after which a constellation is taken over; NATS "
        "may take ten to elect a leader.",
    ),
]
StateDir = Annotated[
    Path | None, typer.Option(help="Where this node keeps what is its own.", file_okay=False)
]

MetricsPort = Annotated[
    int | None,
    typer.Option(min=0, max=65_535, help="Port for Prometheus, on this machine; 0 takes any."),
]

NATS = "nats://127.0.0.1:4222"
DAY_S = 86_400.0

group = typer.Typer(no_args_is_help=True, help="More than one machine: hubs as a cluster on NATS.")


def _options(
    nats: str,
    name: str | None,
    fabric: str,
    replicas: int,
    lease_s: float,
    keep_ended_days: float | None = None,
) -> ClusterOptions:
    try:
        from constellation.cluster.service import ClusterOptions
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"A cluster needs {error.name}, which is not installed.",
            remedy="pip install 'constellation-fabric[cluster]'",
        ) from None
    servers = [each.strip() for each in nats.split(",")]
    keep_s = None if keep_ended_days is None else keep_ended_days * DAY_S
    return ClusterOptions(servers, name or socket.gethostname(), fabric, replicas, lease_s, keep_s)


def _settings(state_dir: Path | None, **hub: Any) -> Settings:
    settings = load_settings({"state_dir": state_dir, "hub": hub})
    log_to_stderr(settings.log_format)
    return settings


@group.command()
def gateway(
    nats: Nats = NATS,
    name: Name = None,
    fabric: Fabric = "constellation",
    replicas: Replicas = 3,
    lease: Lease = 20.0,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    metrics_port: MetricsPort = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Hold the sessions of devices and clients, in the foreground, until Ctrl-C or SIGTERM.

    They speak with it as with any hub.

    \b
    Example:
      constellation cluster gateway --nats nats://n1:4222,nats://n2:4222 --name g1 --port 8470
    """
    options = _options(nats, name, fabric, replicas, lease)
    settings = _settings(state_dir, host=host, port=port, metrics_port=metrics_port)
    from constellation.cluster.gateway import Gateway
    from constellation.cluster.service import serve_gateway

    def ready(served: Gateway) -> None:
        emit(
            {"url": served.url, "node": served.me},
            f"Gateway {options.name} ready at {served.url}.",
            as_json=as_json,
        )

    run_async(partial(serve_gateway, settings, options, ready))


@group.command()
def orchestrator(
    nats: Nats = NATS,
    name: Name = None,
    fabric: Fabric = "constellation",
    replicas: Replicas = 3,
    lease: Lease = 20.0,
    keep_ended: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="DAYS",
            help="Forget constellations that ended so long ago; else they are kept for ever.",
        ),
    ] = None,
    metrics_port: MetricsPort = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Own constellations and run their tasks, in the foreground, until Ctrl-C or SIGTERM.

    What an orchestrator owned that is gone, another one takes over.

    \b
    Example:
      constellation cluster orchestrator --nats nats://n1:4222,nats://n2:4222 --name o1
    """
    options = _options(nats, name, fabric, replicas, lease, keep_ended)
    settings = _settings(state_dir, metrics_port=metrics_port)
    from constellation.cluster.orchestrator import Orchestrator
    from constellation.cluster.service import serve_orchestrator

    def begun(life: Orchestrator) -> None:
        emit({"node": life.me}, f"Orchestrator {life.me} is at work.", as_json=as_json)

    run_async(partial(serve_orchestrator, settings, options, begun))


@group.command()
def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the devices' files; made anew.", file_okay=False)
    ] = Path("demo-out"),
    lease: Lease = 10.0,
) -> None:
    """Show a cluster that loses a NATS leader, an owner and a gateway in mid-run, and no task."""
    _options(NATS, "demo", "demo", 1, lease)
    from .cluster_demo import show

    raise typer.Exit(run_async(partial(show, out, lease)))


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(group, name="cluster", rich_help_panel="This machine")
