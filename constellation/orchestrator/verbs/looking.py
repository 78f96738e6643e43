"""Verbs that look, and change nothing."""

from __future__ import annotations

import time
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from constellation.orchestrator.views import (
    PART_BYTES,
    device_view,
    graph_part,
    packed_bytes,
    summary,
)

from .common import Result, Verb, unknown
from .params import (
    DevicesParams,
    ListParams,
    LogsParams,
    NoParams,
    ShowParams,
    SubscribeParams,
    UnsubscribeParams,
    WatchParams,
)

if TYPE_CHECKING:
    from constellation.orchestrator.hub import Hub
    from constellation.orchestrator.ports import PeerPort


def _list(hub: Hub, peer: PeerPort, params: ListParams) -> Result:
    own = hub.gate.scope(peer.identity).constellations == "own"
    owner = peer.identity.name if own else None
    runs = hub.scheduler.runs.values()
    rows = [summary(run) for run in runs if owner is None or run.owner == owner]
    if not params.all:
        return {"constellations": rows, "more": False}
    ended = hub.journal.summaries(params.limit + 1, owner)
    return {"constellations": ended[-params.limit :] + rows, "more": len(ended) > params.limit}


async def _show(hub: Hub, peer: PeerPort, params: ShowParams) -> Result:
    run = await hub.pipeline.find_run(params.constellation)
    if run is None:
        raise unknown(params.constellation)
    part = graph_part(run, params.after, params.limit)
    tasks = [node["task"]["id"] for node in part.graph["nodes"]]
    waiting = hub.scheduler.why_waiting(run, tasks, hub.pipeline.now())
    return {**summary(run), "graph": part.graph, "waiting": waiting, "next": part.next}


def _logs(hub: Hub, peer: PeerPort, params: LogsParams) -> Result:
    if not hub.knows(params.constellation):
        raise unknown(params.constellation)
    facts: list[Result] = []
    size = 0
    for seq, fact in hub.journal.facts(params.constellation, after=params.after):
        row = {"seq": seq, "time": fact.time, "kind": fact.kind, "body": fact.body}
        size += packed_bytes(row)
        if facts and (len(facts) == params.limit or size > PART_BYTES):
            return {"facts": facts, "more": True}
        facts.append(row)
    return {"facts": facts, "more": False}


def _devices(hub: Hub, peer: PeerPort, params: DevicesParams) -> Result:
    known = hub.scheduler.devices
    scope = hub.gate.scope(peer.identity)
    rows = []
    for name in known if params.names is None else params.names:
        if name in known:
            session = hub.peer(name)
            rtt_s = None if session is None else session.rtt_s
            row = {**device_view(known[name], scope, card=params.cards), "rtt_s": rtt_s}
            if scope.constellations == "own":
                row["running"] = [
                    each
                    for each in row["running"]
                    if hub.gate.sees(peer.identity, each.split("/")[0])
                ]
            if row["presence"] == "lost" and hub.access.credentials.find(name) is None:
                # It cannot come back with what it has.
                row["presence"] = "revoked"
            rows.append(row)
    return {"devices": rows}


def _status(hub: Hub, peer: PeerPort, params: NoParams) -> Result:
    return {
        "version": version("constellation-fabric"),
        "url": hub.url,
        "uptime_s": time.time() - hub.started_at,
        "journal": {
            "path": str(hub.journal.path),
            "sync": hub.journal.sync,
            "seq": hub.journal.seq,
            "replayed": hub.pipeline.replayed,
        },
        "constellations": len(hub.scheduler.runs),
        "devices": len(hub.cards()),
        "telemetry": hub.observe(),
    }


def _subscribe(hub: Hub, peer: PeerPort, params: SubscribeParams) -> Result:
    if params.constellation is not None and not hub.knows(params.constellation):
        raise unknown(params.constellation)
    sees = None if peer.identity.kind == "admin" else partial(hub.gate.sees, peer.identity)
    subscription = hub.observers.subscribe(peer, params.constellation, params.after, sees)
    hub.pipeline.afterwards(hub.serve_observers)
    name = params.constellation
    last = hub.journal.seq if name is None else hub.journal.last(name)
    return {"subscription": subscription.id, "last": last}


def _unsubscribe(hub: Hub, peer: PeerPort, params: UnsubscribeParams) -> Result:
    return {"known": hub.observers.unsubscribe(peer, params.subscription)}


def _live(hub: Hub, peer: PeerPort, params: NoParams) -> Result:
    shown = hub.live.listing()
    return {"live": [each for each in shown if hub.gate.may_watch(peer.identity, each["name"])]}


def _watch(hub: Hub, peer: PeerPort, params: WatchParams) -> Result:
    hub.gate.check_watch(peer.identity, params.name)
    return hub.live.watch(peer, params.device, params.name)


VERBS = {
    "list": Verb(ListParams, "observe", _list),
    "show": Verb(ShowParams, "observe", _show),
    "logs": Verb(LogsParams, "observe", _logs),
    "devices": Verb(DevicesParams, "observe", _devices),
    "status": Verb(NoParams, "observe", _status),
    "subscribe": Verb(SubscribeParams, "observe", _subscribe),
    "unsubscribe": Verb(UnsubscribeParams, "observe", _unsubscribe),
    "live": Verb(NoParams, "observe", _live),
    "watch": Verb(WatchParams, "observe", _watch),
}
