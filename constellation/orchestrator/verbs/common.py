"""What all verbs share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from constellation.errors import UnknownConstellationError

from .params import Params

if TYPE_CHECKING:
    from constellation.orchestrator.hub import Hub
    from constellation.orchestrator.ports import PeerPort

Permission = Literal["observe", "operate", "admin"]
Result = Mapping[str, Any]
Handler = Callable[["Hub", "PeerPort", Any], Result | Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: how its parameters are read, who may use it, what does it."""

    params: type[Params]
    permission: Permission
    handler: Handler


def unknown(identifier: str) -> UnknownConstellationError:
    """The error of a constellation that there never was."""
    return UnknownConstellationError(
        f"There is no constellation {identifier!r}.",
        remedy="See `constellation ps --all`.",
        constellation=identifier,
    )
