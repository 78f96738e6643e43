"""What clients may ask of a hub: one entry for each verb, with its parameters and its permission.

Parameters are read once, here, by pydantic; everything behind is plain data. ``docs/protocol.md``
describes each verb for those who write clients.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from constellation.errors import (
    ConstellationError,
    PermissionDenied,
    PlanError,
    RemoteProtocolError,
    UnknownConstellationError,
    UnknownDeviceError,
    UnknownTaskError,
)
from constellation.graph.edits import Batch, CancelTask, Edit, RetryTask
from constellation.graph.export import to_json
from constellation.graph.plain import batch_from_plain, batch_to_plain
from constellation.planner.ports import Plan
from constellation.planner.runbook import load as load_runbook

from .events import (
    CancelRequested,
    EditRequested,
    InputAnswered,
    Paused,
    Resumed,
    Submitted,
)
from .run import Run
from .views import device_view, summary

if TYPE_CHECKING:
    from constellation.aip.server import Peer

    from .hub import Hub

Permission = Literal["observe", "operate", "admin"]
Result = Mapping[str, Any]
Handler = Callable[["Hub", "Peer", Any], Result | Awaitable[Result]]

MAX_LOGGED_FACTS = 10_000


class Params(BaseModel):
    """Parameters of a verb; unknown ones are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoParams(Params):
    pass


class PlanParams(Params):
    request: str | None = Field(default=None, max_length=100_000)
    runbook: str | None = Field(default=None, max_length=1_000_000)
    source: str = "runbook"
    inputs: dict[str, Any] = Field(default_factory=dict)


class SubmitParams(PlanParams):
    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    edits: list[Any] | None = None
    name: str = Field(default="", max_length=200)
    priority: int = 0
    weight: float = Field(default=1.0, gt=0)
    paused: bool = False
    revise_on: tuple[str, ...] = ()


class ConstellationParams(Params):
    constellation: str


class EditParams(ConstellationParams):
    edits: list[Any]
    base_version: int | None = None
    note: str = ""


class CancelParams(ConstellationParams):
    task: str | None = None
    subtree: bool = False
    reason: str = "canceled on request"


class TaskParams(ConstellationParams):
    task: str


class AnswerParams(TaskParams):
    question: str | None = None
    answer: Any = None


class ListParams(Params):
    all: bool = False


class LogsParams(ConstellationParams):
    after: int = Field(default=0, ge=0)
    limit: int = Field(default=MAX_LOGGED_FACTS, ge=1, le=MAX_LOGGED_FACTS)


class DevicesParams(Params):
    names: tuple[str, ...] | None = None
    cards: bool = True


class SubscribeParams(Params):
    constellation: str | None = None
    after: int | None = Field(default=None, ge=0)


class UnsubscribeParams(Params):
    subscription: str


class PairParams(Params):
    role: Literal["device", "client", "admin"] = "device"
    name: str | None = None
    ttl_s: float = Field(default=600.0, gt=0, le=86_400)


class NameParams(Params):
    name: str


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: how its parameters are read, who may use it, what does it."""

    params: type[Params]
    permission: Permission
    handler: Handler


def read_request(peer: Peer, body: Mapping[str, Any]) -> tuple[Verb, Params]:
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


# ── planning and submitting ─────────────────────────────────────────────────────────────────────


async def _make_plan(hub: Hub, params: PlanParams) -> Plan:
    cards = hub.cards()
    if params.runbook is not None:
        return load_runbook(params.runbook, params.source).plan(params.inputs, cards)
    if params.request is not None:
        return await hub.planner.plan(params.request, cards)
    raise PlanError("There is nothing to plan.", remedy="Give a request or a runbook.")


def _plain_edits(edits: tuple[Edit, ...]) -> list[Any]:
    return list(batch_to_plain(Batch(edits))["edits"])


async def _plan(hub: Hub, peer: Peer, params: PlanParams) -> Result:
    plan = await _make_plan(hub, params)
    return {"title": plan.title, "edits": _plain_edits(plan.edits), "notes": list(plan.notes)}


async def _submit(hub: Hub, peer: Peer, params: SubmitParams) -> Result:
    if params.id is not None and hub.knows(params.id):
        # The same request again, from a client that could not know whether the first one arrived.
        return {"constellation": params.id, "title": params.name, "notes": [], "again": True}
    if params.edits is not None:
        plan = Plan(params.name, batch_from_plain({"edits": params.edits}).edits, ())
        revise_on = frozenset(params.revise_on)
    else:
        plan = await _make_plan(hub, params)
        revise_on = frozenset(params.revise_on) or hub.planner.revise_on
    identifier = params.id or hub.new_id()
    hub.feed(
        Submitted(
            constellation=identifier,
            batch=Batch(plan.edits, author=peer.name),
            name=params.name or plan.title,
            request=params.request or "",
            owner=peer.name,
            priority=params.priority,
            weight=params.weight,
            revise_on=revise_on,
            paused=params.paused,
        )
    )
    return {"constellation": identifier, "title": plan.title, "notes": list(plan.notes)}


# ── changing what runs ──────────────────────────────────────────────────────────────────────────


def _open_run(hub: Hub, identifier: str) -> Run:
    run = hub.scheduler.runs.get(identifier)
    if run is not None:
        return run
    if hub.journal.known(identifier):
        raise UnknownConstellationError(
            f"Constellation {identifier} has ended and can no longer be changed.",
            remedy="Submit a new one.",
        )
    raise _unknown(identifier)


def _unknown(identifier: str) -> UnknownConstellationError:
    return UnknownConstellationError(
        f"There is no constellation {identifier!r}.",
        remedy="See `constellation ps --all`.",
        constellation=identifier,
    )


def _edit(hub: Hub, peer: Peer, params: EditParams) -> Result:
    run = _open_run(hub, params.constellation)
    batch = batch_from_plain(
        {
            "edits": params.edits,
            "base_version": params.base_version,
            "author": peer.name,
            "note": params.note,
        }
    )
    return _apply(hub, run, batch)


def _apply(hub: Hub, run: Run, batch: Batch) -> Result:
    hub.feed(EditRequested(run.id, batch))
    return {"version": run.constellation.version}


def _cancel(hub: Hub, peer: Peer, params: CancelParams) -> Result:
    run = _open_run(hub, params.constellation)
    if params.task is None:
        hub.feed(CancelRequested(run.id, params.reason))
        return {"version": run.constellation.version}
    edit = CancelTask(params.task, params.reason, params.subtree)
    return _apply(hub, run, Batch((edit,), author=peer.name))


def _retry(hub: Hub, peer: Peer, params: TaskParams) -> Result:
    run = _open_run(hub, params.constellation)
    return _apply(hub, run, Batch((RetryTask(params.task),), author=peer.name))


def _pause(hub: Hub, peer: Peer, params: ConstellationParams) -> Result:
    hub.feed(Paused(_open_run(hub, params.constellation).id))
    return {}


def _resume(hub: Hub, peer: Peer, params: ConstellationParams) -> Result:
    hub.feed(Resumed(_open_run(hub, params.constellation).id))
    return {}


def _answer(hub: Hub, peer: Peer, params: AnswerParams) -> Result:
    run = _open_run(hub, params.constellation)
    node = run.constellation.nodes.get(params.task)
    if node is None or node.question is None:
        raise UnknownTaskError(
            f"Task {params.task!r} of {run.id} asks nothing.",
            remedy=f"See `constellation show {run.id}`.",
            task=params.task,
        )
    question = params.question or str(node.question["id"])
    hub.feed(InputAnswered(run.id, params.task, question, params.answer, by=peer.name))
    return {}


# ── looking ─────────────────────────────────────────────────────────────────────────────────────


def _list(hub: Hub, peer: Peer, params: ListParams) -> Result:
    rows = [summary(run) for run in hub.scheduler.runs.values()]
    ended = hub.journal.summaries() if params.all else []
    return {"constellations": ended + rows}


def _show(hub: Hub, peer: Peer, params: ConstellationParams) -> Result:
    run = hub.pipeline.find_run(params.constellation)
    if run is None:
        raise _unknown(params.constellation)
    return {**summary(run), "graph": to_json(run.constellation)}


def _logs(hub: Hub, peer: Peer, params: LogsParams) -> Result:
    if not hub.knows(params.constellation):
        raise _unknown(params.constellation)
    facts: list[Result] = []
    more = False
    for seq, fact in hub.journal.facts(params.constellation, after=params.after):
        if len(facts) == params.limit:
            more = True
            break
        facts.append({"seq": seq, "time": fact.time, "kind": fact.kind, "body": fact.body})
    return {"facts": facts, "more": more}


def _devices(hub: Hub, peer: Peer, params: DevicesParams) -> Result:
    known = hub.scheduler.devices
    rows = []
    for name in known if params.names is None else params.names:
        if name in known:
            session = hub.peer(name)
            rtt_s = None if session is None else session.rtt_s
            rows.append({**device_view(known[name], card=params.cards), "rtt_s": rtt_s})
    return {"devices": rows}


def _status(hub: Hub, peer: Peer, params: NoParams) -> Result:
    return {
        "version": version("constellation-fabric"),
        "url": hub.url,
        "uptime_s": time.time() - hub.started_at,
        "journal": {
            "path": str(hub.journal.path),
            "sync": hub.journal.sync,
            "seq": hub.journal.seq,
        },
        "constellations": len(hub.scheduler.runs),
        "devices": len(hub.cards()),
    }


def _subscribe(hub: Hub, peer: Peer, params: SubscribeParams) -> Result:
    if params.constellation is not None and not hub.knows(params.constellation):
        raise _unknown(params.constellation)
    subscription = hub.observers.subscribe(peer, params.constellation, params.after)
    hub.pipeline.afterwards(hub.serve_observers)
    return {"subscription": subscription.id}


def _unsubscribe(hub: Hub, peer: Peer, params: UnsubscribeParams) -> Result:
    return {"known": hub.observers.unsubscribe(peer, params.subscription)}


# ── devices and credentials ─────────────────────────────────────────────────────────────────────


def _pair(hub: Hub, peer: Peer, params: PairParams) -> Result:
    now = time.time()
    offer = hub.access.pairing.offer(now, params.role, params.name, ttl_s=params.ttl_s)
    return {"code": offer.code, "expires_s": offer.expires_at - now, "url": hub.url}


def _credentials(hub: Hub, peer: Peer, params: NoParams) -> Result:
    known = hub.access.credentials.list()
    return {"credentials": [each.model_dump(exclude={"sha256"}) for each in known]}


def _revoke(hub: Hub, peer: Peer, params: NameParams) -> Result:
    if not hub.access.credentials.revoke(params.name):
        raise UnknownDeviceError(
            f"There is no credential named {params.name!r}.",
            remedy="See `constellation devices`.",
            name=params.name,
        )
    return {"revoked": params.name}


VERBS: dict[str, Verb] = {
    "plan": Verb(PlanParams, "operate", _plan),
    "submit": Verb(SubmitParams, "operate", _submit),
    "edit": Verb(EditParams, "operate", _edit),
    "cancel": Verb(CancelParams, "operate", _cancel),
    "retry": Verb(TaskParams, "operate", _retry),
    "pause": Verb(ConstellationParams, "operate", _pause),
    "resume": Verb(ConstellationParams, "operate", _resume),
    "answer": Verb(AnswerParams, "operate", _answer),
    "list": Verb(ListParams, "observe", _list),
    "show": Verb(ConstellationParams, "observe", _show),
    "logs": Verb(LogsParams, "observe", _logs),
    "devices": Verb(DevicesParams, "observe", _devices),
    "status": Verb(NoParams, "observe", _status),
    "subscribe": Verb(SubscribeParams, "observe", _subscribe),
    "unsubscribe": Verb(UnsubscribeParams, "observe", _unsubscribe),
    "pair": Verb(PairParams, "admin", _pair),
    "credentials": Verb(NoParams, "admin", _credentials),
    "revoke": Verb(NameParams, "admin", _revoke),
}


def error_response(request: str, error: ConstellationError) -> dict[str, Any]:
    """The body of a ``response`` that says why not."""
    return {"id": request, "error": error.to_wire()}
