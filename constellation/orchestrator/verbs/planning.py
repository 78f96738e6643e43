"""Verbs that plan and submit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any

from constellation.errors import PermissionDenied, PlanError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch, Edit
from constellation.graph.plain import batch_from_plain, batch_to_plain
from constellation.llm.spending import Account
from constellation.orchestrator.beginning import Beginning
from constellation.orchestrator.events import Submitted
from constellation.orchestrator.views import check_size
from constellation.planner.doubts import doubts
from constellation.planner.ports import Ahead, Plan
from constellation.planner.runbook import load as load_runbook
from constellation.redaction import redact

from .common import Result, Verb
from .params import (
    PlanParams,
    SubmitParams,
)

if TYPE_CHECKING:
    from constellation.orchestrator.hub import Hub
    from constellation.orchestrator.ports import PeerPort

MOST_DOUBTS = 20


async def _make_plan(
    hub: Hub,
    peer: PeerPort,
    params: PlanParams,
    traceparent: str | None,
    account: Account,
    ahead: Ahead | None = None,
) -> Plan:
    with hub.traces.planning(traceparent) as notes:
        scope = hub.gate.scope(peer.identity)
        cards = scope.cards(hub.cards())
        if params.runbook is not None:
            plan = load_runbook(params.runbook, params.source).plan(params.inputs, cards)
        elif params.request is not None:
            plan = await hub.planner.plan(params.request, cards, ahead, account)
        else:
            raise PlanError("There is nothing to plan.", remedy="Give a request or a runbook.")
        hub.gate.check_edits(scope, peer.identity.name, plan.edits)
        check_size(plan.edits)
        notes["constellation.edits"] = len(plan.edits)
        notes["constellation.tokens"] = account.tokens
    return plan


def _plain_edits(edits: tuple[Edit, ...]) -> list[Any]:
    return list(batch_to_plain(Batch(edits))["edits"])


def _given_plan(hub: Hub, peer: PeerPort, params: PlanParams) -> Plan:
    """A plan that a client has made, or changed."""
    edits = batch_from_plain({"edits": params.edits}).edits
    hub.gate.check_edits(hub.gate.scope(peer.identity), peer.identity.name, edits)
    return Plan(params.name, edits, ())


def _doubted(hub: Hub, peer: PeerPort, plan: Plan) -> Plan:
    """With notes of what speaks against it, by the devices that are there."""
    check_size(plan.edits)
    graph = Constellation("plan")
    graph.apply(Batch(plan.edits), 0.0)
    cards = hub.gate.scope(peer.identity).cards(hub.cards())
    # A plan of thousands of tasks may be wrong everywhere: who reads them, reads some.
    return replace(plan, notes=tuple(islice(doubts(graph, cards), MOST_DOUBTS)))


async def _plan(hub: Hub, peer: PeerPort, params: PlanParams) -> Result:
    account = Account()
    if params.edits is None:
        plan = await _make_plan(hub, peer, params, params.traceparent, account)
    else:
        plan = _doubted(hub, peer, _given_plan(hub, peer, params))
    return {
        "title": plan.title,
        "edits": _plain_edits(plan.edits),
        "notes": list(plan.notes),
        "revise_on": sorted(_revise_on(hub, params)),
        "tokens": account.tokens,
        "cost": account.cost,
    }


async def _submit(hub: Hub, peer: PeerPort, params: SubmitParams) -> Result:
    if params.id is not None and hub.knows(params.id):
        if not hub.gate.sees(peer.identity, params.id):
            raise PermissionDenied(
                f"The id {params.id} is taken.", remedy="Choose another, or leave it out."
            )
        # The same request again, from a client that could not know whether the first one arrived.
        return {"constellation": params.id, "title": params.name, "notes": [], "again": True}
    with hub.traces.request(params.traceparent) as trace:
        return await _submit_traced(hub, peer, params, trace)


async def _submit_traced(
    hub: Hub, peer: PeerPort, params: SubmitParams, trace: Mapping[str, Any]
) -> Result:
    submitted = Submitted(
        constellation=params.id or hub.new_id(),
        batch=Batch((), author=peer.name),
        name=redact(params.name),
        request=redact(params.request or ""),
        owner=peer.identity.name,
        priority=params.priority,
        weight=params.weight,
        revise_on=frozenset(params.revise_on) or _revise_on(hub, params),
        revise_within_s=hub.revise_within_s,
        paused=params.paused,
        trace=trace,
        max_cost=params.max_cost,
    )
    scope = hub.gate.scope(peer.identity)
    account = Account(max_cost=inf if params.max_cost is None else params.max_cost)
    with Beginning(hub, submitted, scope.cards(hub.cards()), account) as beginning:
        if params.edits is not None:
            plan = _given_plan(hub, peer, params)
        else:
            # What shall wait is not begun early.
            ahead = None if params.paused else beginning
            plan = await _make_plan(hub, peer, params, trace.get("traceparent"), account, ahead)
        beginning.finish(plan)
    return {
        "constellation": submitted.constellation,
        "title": plan.title,
        "notes": list(plan.notes),
    }


def _revise_on(hub: Hub, params: PlanParams) -> frozenset[str]:
    return hub.planner.revise_on if params.edits is None else frozenset()


VERBS = {
    "plan": Verb(PlanParams, "operate", _plan),
    "submit": Verb(SubmitParams, "operate", _submit),
}
