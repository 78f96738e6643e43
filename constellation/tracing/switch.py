"""Whether spans are sent: OpenTelemetry's own environment variables say so.

Unless they name an endpoint or an exporter nothing is sent, and its library is not even loaded.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from constellation.errors import ConfigError

from .spans import Tracer

Exporter = Literal["otlp", "console"]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"

log = logging.getLogger("constellation.tracing")


def wanted(environment: Mapping[str, str]) -> Exporter | None:
    """The exporter that the environment asks for; None for none.

    Raises:
        ConfigError: it asks for one that there is not.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    match environment.get("OTEL_TRACES_EXPORTER", "").strip():
        case "":
            if not any(environment.get(name) for name in _ENDPOINTS):
                return None
        case "otlp":
            pass
        case "console":
            return "console"
        case "none":
            return None
        case other:
            raise ConfigError(
                f"Traces cannot be sent as OTEL_TRACES_EXPORTER={other} says.",
                remedy="Use otlp, console or none.",
            )
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), _HTTP)
    if protocol != _HTTP:
        raise ConfigError(
            f"Traces are sent by HTTP, not by {protocol} as {_PROTOCOLS[1]} says.",
            remedy=f"Set it to {_HTTP}, and the endpoint to the collector's port for HTTP.",
        )
    return "otlp"


@contextmanager
def tracing(service: str, instance: str) -> Iterator[Tracer | None]:
    """Send spans for as long as the context is open; None if the environment does not ask for it.

    Leaving it sends what was not sent yet, and may wait some seconds for the collector.

    Args:
        service: what kind of program this is, unless ``OTEL_SERVICE_NAME`` says another name.
        instance: which one of them.

    Raises:
        ConfigError: see `wanted`.
    """
    exporter = wanted(os.environ)
    if exporter is None:
        yield None
        return
    try:
        # An extra: only those who want traces have the library.
        from .otel import make_exporter, sending
    except ImportError:
        log.warning(
            "Traces are wanted, but the library that sends them is missing: install it with "
            "`pip install 'constellation-fabric[otel]'`."
        )
        yield None
        return
    with sending(make_exporter(exporter), service, instance) as tracer:
        yield tracer
