"""Requests of clients: which verb is meant, whether its parameters fit, who may use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from constellation.errors import ConstellationError, PermissionDenied, RemoteProtocolError

from .verbs import VERBS
from .verbs.common import Verb
from .verbs.params import Params

if TYPE_CHECKING:
    from .ports import PeerPort


def read_request(peer: PeerPort, body: Mapping[str, Any]) -> tuple[Verb, Params]:
    """Find the verb of a ``request`` message and read its parameters.

    Raises:
        RemoteProtocolError: unknown verb, or parameters that do not fit it.
        PermissionDenied: this peer may not use it.
    """
    name = body["verb"]
    verb = VERBS.get(name)
    if verb is None:
        raise RemoteProtocolError(
            f"There is no verb {name!r}.", remedy=f"Use one of {', '.join(VERBS)}."
        )
    if not peer.identity.allows(verb.permission):
        raise PermissionDenied(
            f"{peer.name} may not use {name}: it needs the permission {verb.permission!r}.",
            remedy="Use a credential that has it.",
        )
    try:
        return verb, verb.params.model_validate(body.get("params") or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RemoteProtocolError(
            f"{name}: {where or 'params'}: {first['msg']}.", verb=name, field=where
        ) from None


def error_response(request: str, error: ConstellationError) -> dict[str, Any]:
    """The body of a ``response`` that says why not."""
    return {"id": request, "error": error.to_wire()}
