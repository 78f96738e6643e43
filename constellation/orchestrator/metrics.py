"""What a hub counts of itself, for Prometheus: an HTTP port of its own (extra ``metrics``).

Figures are read in the event loop when somebody asks for them; nothing happens in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import accumulate
from typing import Any

from anyio import to_thread

from constellation.errors import ConfigError

try:
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector
except ImportError as error:
    raise ConfigError(
        "The library that serves metrics is not installed.",
        remedy="Install it with `pip install 'constellation-fabric[metrics]'`.",
    ) from error

HOST = "127.0.0.1"
ANSWER_TIMEOUT_S = 5.0


class HubCollector(Collector):
    """Turns what a hub counts into metrics.

    Args:
        observe: returns what `Telemetry.to_plain` does; called in the event loop.
        loop: where.
    """

    def __init__(
        self, observe: Callable[[], Mapping[str, Any]], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._observe = observe
        self._loop = loop

    def collect(self) -> Iterable[Metric]:
        """The metrics of this moment; called in the thread of the HTTP server."""
        asked = asyncio.run_coroutine_threadsafe(self._ask(), self._loop)
        return list(metrics(asked.result(ANSWER_TIMEOUT_S)))

    async def _ask(self) -> Mapping[str, Any]:
        return self._observe()


def metrics(counted: Mapping[str, Any]) -> Iterator[Metric]:
    """What `Telemetry.to_plain` returned, as metrics."""
    yield _counter("facts", "Facts written to the journal", "kind", counted["facts"])
    yield _counter("tasks", "Tasks that ended", "state", counted["tasks"])
    yield _counter("requeued", "Attempts that another follows", "cause", counted["requeued"])
    yield CounterMetricFamily(
        "constellation_attempts", "Attempts started", value=counted["attempts"]["started"]
    )
    yield _counter("model_tokens", "Tokens of models", "by", counted["model_tokens"])
    yield _counter("model_cost", "Cost of models", "by", counted["model_cost"])
    yield _histogram("commit_seconds", "Duration of commits", counted["commit_s"])
    yield _histogram("commit_facts", "Facts in each commit", counted["commit_facts"])
    yield _gauge("sessions", "Open sessions", "role", counted["sessions"])
    yield GaugeMetricFamily(
        "constellation_open", "Constellations that have not ended", value=counted["constellations"]
    )
    yield GaugeMetricFamily(
        "constellation_ready_tasks", "Tasks that wait for a device", value=counted["ready"]
    )
    devices = counted["devices"].items()
    running = {name: device["running"] for name, device in devices}
    yield _gauge("running", "Attempts on a device", "device", running)
    pending = {name: device["unsecured_bytes"] for name, device in devices}
    yield _gauge("unsecured_bytes", "Bytes that a device has not secured", "device", pending)
    trips = {name: device["rtt_s"] for name, device in devices if device["rtt_s"] is not None}
    yield _gauge("rtt_seconds", "Round trip to a device", "device", trips)


def _counter(name: str, help: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"constellation_{name}", help, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _gauge(name: str, help: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"constellation_{name}", help, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _histogram(name: str, help: str, counted: Mapping[str, Any]) -> Metric:
    bounds = [str(bound) for bound in counted["bounds"]] + ["+Inf"]
    buckets = list(zip(bounds, accumulate(counted["counts"]), strict=True))
    return HistogramMetricFamily(f"constellation_{name}", help, buckets, counted["sum"])


@asynccontextmanager
async def serve_metrics(observe: Callable[[], Mapping[str, Any]], port: int) -> AsyncIterator[int]:
    """Serve metrics to this machine for as long as the context is open; yields the port.

    Raises:
        ConfigError: the port cannot be bound.
    """
    registry = CollectorRegistry()
    registry.register(HubCollector(observe, asyncio.get_running_loop()))
    try:
        server, thread = start_http_server(port, HOST, registry)
    except OSError as error:
        raise ConfigError(
            f"Metrics cannot be served on {HOST}:{port}: {error.strerror or error}.",
            remedy="Choose another hub.metrics_port, or stop what uses it.",
        ) from None
    try:
        yield server.server_port
    finally:
        await to_thread.run_sync(server.shutdown)
        server.server_close()
        thread.join()
