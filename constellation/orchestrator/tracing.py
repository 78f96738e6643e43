"""What a hub tells of its constellations as spans: request, plan, revisions, and each task.

Spans are made of what the hub does and of its facts, after they were committed. Only what a span
shall say of moments on the way is kept in memory, and lost if the hub is killed; places, times and
outcomes are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from constellation.errors import ConstellationError
from constellation.graph.node import Node
from constellation.tracing import Happening, Kind, Span, TraceContext, Tracer, read_traceparent

from .events import Assign, Fact, Instruction, Revise
from .run import Run
from .traces import Act, Notes, Publish

# Facts that are shown as moments of their task's span, and what of them.
_MOMENTS = frozenset({"requeued", "raced", "withdrawn", "asked", "answered"})
_TOLD = ("attempt", "device", "cause", "reason", "by")
# Facts with which tasks may end that have no fact of their own for it.
_SWEEPS = frozenset({"edited", "canceled", "ended"})


class OpenTask:
    """A task that was started and has not ended.

    Attributes:
        context: the place of its span.
        ready_at: since when it could have run.
        started_at: when its first attempt was sent.
        skill: what it calls; empty for an instruction.
        moments: what happened so far.
    """

    __slots__ = ("context", "moments", "ready_at", "skill", "started_at")

    def __init__(self, context: TraceContext, node: Node, now: float) -> None:
        self.context = context
        self.skill = node.task.skill
        self.started_at = now if node.started_at is None else node.started_at
        ready_at = self.started_at if node.ready_at is None else node.ready_at
        self.ready_at = min(ready_at, self.started_at)
        self.moments: list[Happening] = []


class OpenTrace:
    """A constellation that is traced.

    Attributes:
        run: the constellation.
        context: the place of its span.
        parent: the place of who asked for it, if that is traced.
        began: when it was asked for, or last reopened.
        reopened: True if it had ended before, so that its span was told.
        tasks: those that were started and have not ended.
    """

    __slots__ = ("began", "context", "parent", "reopened", "run", "tasks")

    def __init__(self, run: Run, context: TraceContext) -> None:
        self.run = run
        self.context = context
        self.parent = read_traceparent(run.trace["parent"])
        self.began: float = run.trace["began"]
        self.reopened = False
        self.tasks: dict[str, OpenTask] = {}

    def node(self, task: str) -> Node | None:
        """A task of the constellation as it stands."""
        return self.run.constellation.nodes.get(task)


class TracedHub:
    """The `Traces` of a hub that has a tracer.

    Args:
        tracer: where spans go.
        runs: the constellations of the hub, by id.
        now: the hub's clock, Unix seconds.
    """

    def __init__(self, tracer: Tracer, runs: Mapping[str, Run], now: Callable[[], float]) -> None:
        self._tracer = tracer
        self._runs = runs
        self._now = now
        self._open: dict[str, OpenTrace] = {}

    # ── planning ────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def request(self, given: str | None) -> Iterator[Mapping[str, Any]]:
        """See `Traces.request`."""
        parent, began = read_traceparent(given), self._now()
        root = self._tracer.begin("request")
        if parent is not None:
            root = parent._replace(span_id=root.span_id)
        try:
            yield {
                "traceparent": root.header,
                "parent": None if parent is None else parent.header,
                "began": began,
            }
        except ConstellationError as error:
            self._emit("request", root, parent, began, kind="server", error=error.to_wire())
            raise

    @contextmanager
    def planning(self, given: str | None) -> Iterator[Notes]:
        """See `Traces.planning`."""
        parent = read_traceparent(given)
        context = self._tracer.begin("plan") if parent is None else parent.child("plan")
        with self._while_open("plan", context, parent) as notes:
            yield notes

    @contextmanager
    def revising(self, asked: Revise) -> Iterator[Notes]:
        """See `Traces.revising`."""
        trace = self._trace(asked.constellation)
        if trace is None:
            yield {}
            return
        context = trace.context.child("revise", asked.task, asked.until)
        with self._while_open("revise", context, trace.context) as notes:
            notes["constellation.task"] = asked.task
            yield notes

    @contextmanager
    def _while_open(
        self, name: str, context: TraceContext, parent: TraceContext | None
    ) -> Iterator[Notes]:
        began, notes = self._now(), Notes()
        try:
            yield notes
        except ConstellationError as error:
            self._emit(name, context, parent, began, notes, error=error.to_wire())
            raise
        self._emit(name, context, parent, began, notes)

    def _emit(
        self,
        name: str,
        context: TraceContext,
        parent: TraceContext | None,
        began: float,
        notes: Notes | None = None,
        *,
        kind: Kind = "internal",
        error: Mapping[str, Any] | None = None,
        ended: float | None = None,
        moments: Sequence[Happening] = (),
    ) -> None:
        if context.sampled:
            ended = self._now() if ended is None else ended
            self._tracer.emit(
                Span(name, context, parent, began, ended, kind, notes or {}, tuple(moments), error)
            )

    # ── what runs ───────────────────────────────────────────────────────────────────────────────

    def acting(self, act: Act) -> Act:
        """See `Traces.acting`."""

        def traced(instruction: Instruction) -> None:
            act(self._assigned(instruction) if type(instruction) is Assign else instruction)

        return traced

    def publishing(self, publish: Publish) -> Publish:
        """See `Traces.publishing`."""

        def traced(facts: list[Fact], last_seq: int) -> None:
            for fact in facts:
                trace = self._trace(fact.constellation)
                if trace is not None:
                    self._happened(trace, fact)
            publish(facts, last_seq)

        return traced

    def _trace(self, constellation: str) -> OpenTrace | None:
        trace = self._open.get(constellation)
        if trace is not None:
            return trace
        run = self._runs.get(constellation)
        if run is None or not run.trace:
            return None
        context = read_traceparent(run.trace["traceparent"])
        if context is None or not context.sampled:
            return None
        trace = self._open[constellation] = OpenTrace(run, context)
        return trace

    def _task(self, trace: OpenTrace, name: str) -> OpenTask | None:
        """A task that was started; what was so before a restart is taken up as it stands."""
        task = trace.tasks.get(name)
        node = trace.node(name)
        if task is None and node is not None:
            # The version of its last edit tells lives apart: a retry is an edit.
            context = trace.context.child("task", name, node.changed)
            task = trace.tasks[name] = OpenTask(context, node, self._now())
        return task

    def _assigned(self, assign: Assign) -> Assign:
        body = assign.body
        trace = self._trace(body["context"]["constellation"])
        task = None if trace is None else self._task(trace, body["context"]["task"])
        if task is None:
            return assign
        moment = {"attempt": body["attempt"], "device": assign.device}
        task.moments.append(Happening(self._now(), "assigned", moment))
        return Assign(assign.device, {**body, "traceparent": task.context.header})

    def _happened(self, trace: OpenTrace, fact: Fact) -> None:
        kind, body = fact.kind, fact.body
        if kind == "finished":
            self._task(trace, body["task"])
            self._finished(trace, body["task"], fact.time, body["state"], body.get("error"))
        elif kind in _MOMENTS:
            task = self._task(trace, body["task"])
            if task is not None:
                told = {key: body[key] for key in _TOLD if key in body}
                task.moments.append(Happening(fact.time, kind, told))
        elif kind == "reopened":
            trace.began, trace.reopened = fact.time, True
        elif kind in _SWEEPS:
            for name in list(trace.tasks):
                node = trace.node(name)
                if node is not None and node.ended:
                    self._finished(trace, name, fact.time, node.state.value, node.error)
            if kind == "ended":
                self._ended(trace, fact)

    def _finished(
        self, trace: OpenTrace, name: str, now: float, state: str, error: Mapping[str, Any] | None
    ) -> None:
        task, node = trace.tasks.pop(name, None), trace.node(name)
        if task is None or node is None:
            return
        notes: Notes = {
            "constellation.id": trace.run.id,
            "constellation.task": name,
            "constellation.task.name": node.task.name or name,
            "constellation.skill": task.skill,
            "constellation.state": state,
            "constellation.attempts": node.attempt,
            "constellation.queue_s": task.started_at - task.ready_at,
        }
        if node.device is not None:
            notes["constellation.device"] = node.device
        self._emit(
            f"task {task.skill}".rstrip(),
            task.context,
            trace.context,
            task.ready_at,
            notes,
            kind="client",
            error=error or {} if state in ("failed", "rejected") else None,
            ended=now,
            moments=task.moments,
        )

    def _ended(self, trace: OpenTrace, fact: Fact) -> None:
        run, state, counts = trace.run, fact.body["state"], fact.body["counts"]
        del self._open[run.id]
        notes: Notes = {
            "constellation.id": run.id,
            "constellation.name": run.name,
            "constellation.owner": run.owner,
            "constellation.state": state,
            **{f"constellation.tasks.{each}": count for each, count in counts.items()},
        }
        failed = sum(counts.get(each, 0) for each in ("failed", "rejected"))
        error = {"code": "task.failed", "message": f"{failed} tasks failed."}
        name, context, parent = "request", trace.context, trace.parent
        if trace.reopened:
            name, context, parent = "reopened", context.child("reopened", trace.began), context
        self._emit(
            name,
            context,
            parent,
            trace.began,
            notes,
            kind="server",
            error=error if state == "failed" else None,
            ended=fact.time,
        )
