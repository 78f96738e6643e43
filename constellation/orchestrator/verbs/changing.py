"""Verbs that change what runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from constellation.errors import EditConflictError, UnknownConstellationError, UnknownTaskError
from constellation.graph.edits import Batch, CancelTask, RetryTask
from constellation.graph.plain import batch_from_plain
from constellation.graph.task import TaskState
from constellation.orchestrator.events import (
    CancelRequested,
    EditRequested,
    InputAnswered,
    Paused,
    Reopened,
    Resumed,
)
from constellation.orchestrator.run import Run
from constellation.redaction import redact

from .common import Result, Verb, unknown
from .params import (
    AnswerParams,
    CancelParams,
    ConstellationParams,
    EditParams,
    RetryParams,
)

if TYPE_CHECKING:
    from constellation.orchestrator.hub import Hub
    from constellation.orchestrator.ports import PeerPort


def _open_run(hub: Hub, identifier: str) -> Run:
    run = hub.scheduler.runs.get(identifier)
    if run is not None:
        return run
    if hub.journal.known(identifier):
        raise UnknownConstellationError(
            f"Constellation {identifier} has ended and can no longer be changed.",
            remedy="Retry what failed, or submit a new one.",
        )
    raise unknown(identifier)


def _edit(hub: Hub, peer: PeerPort, params: EditParams) -> Result | Awaitable[Result]:
    batch = batch_from_plain(
        {
            "edits": params.edits,
            "base_version": params.base_version,
            "author": peer.name,
            "note": redact(params.note),
        }
    )
    name = redact(params.name)
    return _with_run(hub, params.constellation, lambda run: _apply(hub, peer, run, batch, name))


def _with_run(
    hub: Hub, identifier: str, change: Callable[[Run], Result]
) -> Result | Awaitable[Result]:
    """Change a constellation, which may have ended: then it is read back first."""
    run = hub.scheduler.runs.get(identifier)
    return _when_read_back(hub, identifier, change) if run is None else change(run)


async def _when_read_back(hub: Hub, identifier: str, change: Callable[[Run], Result]) -> Result:
    found = await hub.pipeline.find_run(identifier)
    if found is None:
        raise unknown(identifier)
    # Somebody else may have reopened it meanwhile.
    return change(hub.scheduler.runs.get(identifier, found))


def _apply(hub: Hub, peer: PeerPort, run: Run, batch: Batch, name: str = "") -> Result:
    hub.gate.check_edits(hub.gate.scope(peer.identity), peer.identity.name, batch.edits, run)
    batch = replace(batch, edits=hub.vault.seal(run.id, batch.edits, run))
    if run.ended_at is None:
        hub.feed(EditRequested(run.id, batch, name))
    else:
        hub.feed(Reopened(run.snapshot(), batch, name))
    return {"version": hub.scheduler.runs[run.id].constellation.version}


def _cancel(hub: Hub, peer: PeerPort, params: CancelParams) -> Result:
    run = _open_run(hub, params.constellation)
    if params.task is None:
        hub.feed(CancelRequested(run.id, redact(params.reason)))
        return {"version": run.constellation.version}
    edit = CancelTask(params.task, redact(params.reason), params.subtree)
    return _apply(hub, peer, run, Batch((edit,), author=peer.name))


def _retry(hub: Hub, peer: PeerPort, params: RetryParams) -> Result | Awaitable[Result]:
    def change(run: Run) -> Result:
        tasks = _unsuccessful(run) if params.task is None else [params.task]
        batch = Batch(tuple(RetryTask(task) for task in tasks), author=peer.name)
        return {**_apply(hub, peer, run, batch), "tasks": tasks}

    return _with_run(hub, params.constellation, change)


def _unsuccessful(run: Run) -> list[str]:
    """What can be retried; tasks that were skipped, and elements of maps, go with what they follow.

    Raises:
        EditConflictError: there is nothing.
    """
    found = [
        node.id
        for node in run.constellation.nodes.values()
        if node.ended
        and node.state is not TaskState.COMPLETED
        and not node.skipped
        and node.member_of is None
    ]
    if not found:
        raise EditConflictError(
            f"No task of {run.id} ended without success.",
            remedy="There is nothing to retry.",
            constellation=run.id,
        )
    return found


def _pause(hub: Hub, peer: PeerPort, params: ConstellationParams) -> Result:
    hub.feed(Paused(_open_run(hub, params.constellation).id))
    return {}


def _resume(hub: Hub, peer: PeerPort, params: ConstellationParams) -> Result:
    hub.feed(Resumed(_open_run(hub, params.constellation).id))
    return {}


def _answer(hub: Hub, peer: PeerPort, params: AnswerParams) -> Result:
    run = _open_run(hub, params.constellation)
    node = run.constellation.nodes.get(params.task)
    if node is None or node.question is None:
        raise UnknownTaskError(
            f"Task {params.task!r} of {run.id} asks nothing.",
            remedy=f"See `constellation show {run.id}`.",
            task=params.task,
        )
    question = params.question or str(node.question["id"])
    hub.feed(InputAnswered(run.id, params.task, question, params.answer, by=_who(peer)))
    return {}


def _who(peer: PeerPort) -> str:
    """Whose credential it is; beside it what the session calls itself, which may be anything."""
    name = peer.identity.name
    return name if peer.name == name else f"{name} ({peer.name})"


VERBS = {
    "edit": Verb(EditParams, "operate", _edit),
    "cancel": Verb(CancelParams, "operate", _cancel),
    "retry": Verb(RetryParams, "operate", _retry),
    "pause": Verb(ConstellationParams, "operate", _pause),
    "resume": Verb(ConstellationParams, "operate", _resume),
    "answer": Verb(AnswerParams, "operate", _answer),
}
