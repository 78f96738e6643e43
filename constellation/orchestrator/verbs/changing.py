"""Verbs that change what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constellation.errors import UnknownConstellationError, UnknownTaskError
from constellation.graph.edits import Batch, CancelTask, RetryTask
from constellation.graph.plain import batch_from_plain
from constellation.orchestrator.events import (
    CancelRequested,
    EditRequested,
    InputAnswered,
    Paused,
    Resumed,
)
from constellation.orchestrator.run import Run

from .common import Result, Verb, unknown
from .params import (
    AnswerParams,
    CancelParams,
    ConstellationParams,
    EditParams,
    TaskParams,
)

if TYPE_CHECKING:
    from constellation.aip.server import Peer
    from constellation.orchestrator.hub import Hub


def _open_run(hub: Hub, identifier: str) -> Run:
    run = hub.scheduler.runs.get(identifier)
    if run is not None:
        return run
    if hub.journal.known(identifier):
        raise UnknownConstellationError(
            f"Constellation {identifier} has ended and can no longer be changed.",
            remedy="Submit a new one.",
        )
    raise unknown(identifier)


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


VERBS = {
    "edit": Verb(EditParams, "operate", _edit),
    "cancel": Verb(CancelParams, "operate", _cancel),
    "retry": Verb(TaskParams, "operate", _retry),
    "pause": Verb(ConstellationParams, "operate", _pause),
    "resume": Verb(ConstellationParams, "operate", _resume),
    "answer": Verb(AnswerParams, "operate", _answer),
}
