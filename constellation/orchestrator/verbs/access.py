"""Verbs that say who may connect."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from constellation.aip.trust import Invitation
from constellation.errors import ConfigError, PermissionDenied, UnknownDeviceError

from .common import Result, Verb
from .params import (
    AllowParams,
    NameParams,
    NoParams,
    PairParams,
    RotateParams,
)

if TYPE_CHECKING:
    from constellation.aip.credentials import Credential
    from constellation.orchestrator.hub import Hub
    from constellation.orchestrator.ports import PeerPort


def _pair(hub: Hub, peer: PeerPort, params: PairParams) -> Result:
    now = time.time()
    if params.scope is not None and params.role == "admin":
        raise ConfigError("An admin may do anything.", remedy="Pair a client for less.")
    offer = hub.access.pairing.offer(
        now, params.role, params.name, ttl_s=params.ttl_s, scope=params.scope
    )
    code = str(Invitation(offer.code, hub.fingerprint))
    return {"code": code, "expires_s": offer.expires_at - now, "url": hub.url}


def _credentials(hub: Hub, peer: PeerPort, params: NoParams) -> Result:
    known = hub.access.credentials.list()
    return {"credentials": [each.model_dump(exclude={"sha256"}) for each in known]}


def _allow(hub: Hub, peer: PeerPort, params: AllowParams) -> Result:
    found = _credential(hub, params.name)
    changes: dict[str, Any] = {
        "constellations": params.constellations or found.scope.constellations,
        "read_only": found.scope.read_only if params.read_only is None else params.read_only,
    }
    if params.skills is not None:
        changes["skills"] = None if params.skills == "any" else params.skills
    scope = found.scope.model_copy(update=changes)
    hub.access.credentials.restrict(params.name, scope)
    hub.permissions_changed(params.name)
    return {"name": params.name, "scope": scope.model_dump(mode="json"), "may": scope.in_words()}


def _rotate(hub: Hub, peer: PeerPort, params: RotateParams) -> Result:
    name = params.name or peer.identity.name
    if name != peer.identity.name and not peer.identity.allows("admin"):
        raise PermissionDenied(
            f"{peer.identity.name} may not rotate the credential of {name}.",
            remedy="Ask an admin.",
        )
    _credential(hub, name)
    return {"name": name, "token": hub.access.credentials.rotate(name, time.time())}


def _credential(hub: Hub, name: str) -> Credential:
    found = hub.access.credentials.find(name)
    if found is None:
        raise UnknownDeviceError(
            f"There is no credential named {name!r}.",
            remedy="See `constellation credentials`.",
            name=name,
        )
    return found


def _revoke(hub: Hub, peer: PeerPort, params: NameParams) -> Result:
    hub.access.credentials.revoke(_credential(hub, params.name).name)
    return {"revoked": params.name}


VERBS = {
    "pair": Verb(PairParams, "admin", _pair),
    "credentials": Verb(NoParams, "admin", _credentials),
    "revoke": Verb(NameParams, "admin", _revoke),
    "allow": Verb(AllowParams, "admin", _allow),
    "rotate": Verb(RotateParams, "observe", _rotate),
}
