"""Verbs that say who may connect."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from constellation.errors import UnknownDeviceError

from .common import Result, Verb
from .params import (
    NameParams,
    NoParams,
    PairParams,
)

if TYPE_CHECKING:
    from constellation.orchestrator.hub import Hub
    from constellation.orchestrator.ports import PeerPort


def _pair(hub: Hub, peer: PeerPort, params: PairParams) -> Result:
    now = time.time()
    offer = hub.access.pairing.offer(now, params.role, params.name, ttl_s=params.ttl_s)
    return {"code": offer.code, "expires_s": offer.expires_at - now, "url": hub.url}


def _credentials(hub: Hub, peer: PeerPort, params: NoParams) -> Result:
    known = hub.access.credentials.list()
    return {"credentials": [each.model_dump(exclude={"sha256"}) for each in known]}


def _revoke(hub: Hub, peer: PeerPort, params: NameParams) -> Result:
    if not hub.access.credentials.revoke(params.name):
        raise UnknownDeviceError(
            f"There is no credential named {params.name!r}.",
            remedy="See `constellation devices`.",
            name=params.name,
        )
    return {"revoked": params.name}


VERBS = {
    "pair": Verb(PairParams, "admin", _pair),
    "credentials": Verb(NoParams, "admin", _credentials),
    "revoke": Verb(NameParams, "admin", _revoke),
}
