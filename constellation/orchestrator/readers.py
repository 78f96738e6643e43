"""Streaming dependencies in the scheduler: what a stream's beginning and end mean for its readers.

An attempt reads from exactly one attempt of each task that it reads from. When that one is followed
by another, what was read is void: a reader that may be repeated begins anew as well, and waits for
the first item of the new attempt. Any other reader runs on, its stream breaks, and how it ends is
its own affair. What travels on the streams is the hub's (`streaming.py`), and no fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constellation.errors import UpstreamFailed
from constellation.graph.node import Node
from constellation.graph.streams import reads_stream
from constellation.graph.task import Outcome, TaskState

from .attempts import Attempt, Life
from .events import StreamBegan
from .requirements import Need, need_of
from .run import Run
from .state import State


class Readers:
    """Takes in that streams have begun."""

    def __init__(self, state: State) -> None:
        self._state = state

    def began(self, event: StreamBegan, now: float) -> None:
        """The first item of an attempt is kept: whoever reads it may begin.

        A device that says it again, or late, has done nothing wrong.
        """
        state = self._state
        device = state.devices.get(event.device)
        attempt = None if device is None else device.running.get(event.attempt)
        if attempt is None or attempt.life not in (Life.RUNNING, Life.ASKING):
            return
        run = state.runs[attempt.constellation]
        node = run.constellation.nodes[attempt.task]
        if node.flowing or attempt.rival is not None:
            return
        run.constellation.flow(attempt.task, now)
        state.fact(run, "flowing", {"task": attempt.task, "attempt": attempt.number}, now)
        state.changed[run.id] = run


def need_in(state: State, run: Run, node: Node) -> Need:
    """The need of a task of a run as it stands."""
    streams = bool(node.incoming) and reads_stream(run.constellation.nodes, node)
    need = need_of(node.task, run.trouble.get(node.id) if run.trouble else None, streams)
    if need.exclusive and state.settings.shared_resources:
        return need._replace(asker=run.id)
    return need


def streams_of(run: Run, node: Node, lag: int) -> dict[str, Any]:
    """What an assignment says of streams: how far it may be ahead of readers, and what it reads.

    Args:
        lag: items; 0 where nothing flows.
    """
    about: dict[str, Any] = {}
    if lag and node.outgoing and node.feeds:
        about["emit"] = {"lag": lag}
    if node.incoming:
        nodes = run.constellation.nodes
        inputs = [
            source
            for source, dependency in node.incoming.items()
            if dependency.condition == "stream" and nodes[source].flowing
        ]
        if inputs:
            about["inputs"] = inputs
    return about


def begin_anew(run: Run, task: str) -> list[Attempt]:
    """The attempts that must begin anew because that of ``task``, which they read, does."""
    nodes = run.constellation.nodes
    node = nodes[task]
    if not node.flowing:
        return []
    return [
        attempt
        for target, dependency in node.outgoing.items()
        if dependency.condition == "stream"
        for attempt in run.attempts(target)
        if attempt.idempotent
    ]


def dead_source(run: Run, task: str) -> Mapping[str, Any] | None:
    """Why a task that reads streams cannot be tried again; None if it can.

    Its dependencies are not looked at again by others once it was started.
    """
    nodes = run.constellation.nodes
    for name, dependency in nodes[task].incoming.items():
        source = nodes[name]
        if dependency.condition == "stream" and source.ended and not ended_whole(source):
            return {
                "code": UpstreamFailed.code,
                "message": f"Task {task} cannot read {name} again, which is {source.state}.",
                "remedy": f"Retry {name}, and {task} after it.",
            }
    return None


def ended_whole(node: Node) -> bool:
    """Whether the stream of a task that has ended is whole, or counts as if it were."""
    failed = node.state in (TaskState.FAILED, TaskState.REJECTED)
    return node.state is TaskState.COMPLETED or (failed and node.task.optional)


def failed_upstream(error: Mapping[str, Any]) -> Outcome:
    """The outcome of a task that cannot read what it reads from."""
    return Outcome(TaskState.FAILED, None, error)
