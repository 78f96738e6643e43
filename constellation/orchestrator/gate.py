"""What credentials permit, asked before anything is done: of clients, of devices, and of planners.

Permissions are looked up at each use, so that a change holds at once, for open sessions too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from constellation.aip.identity import Identity
from constellation.aip.scope import IN_WORDS, NOTHING, UNLIMITED, Scope
from constellation.errors import GraphError, PermissionDenied
from constellation.graph.edits import AddTask, Edit, RetryTask, UpdateTask, taken_apart
from constellation.graph.plain import task_from_plain, task_to_plain
from constellation.graph.task import Task

from .verbs.common import unknown

if TYPE_CHECKING:
    from constellation.aip.credentials import CredentialStore

    from .hub import Hub
    from .run import Run
    from .verbs.common import Verb
    from .verbs.params import Params


# How a live stream is named where permissions are given.
LIVE = "live.{}"


class Gate:
    """Asks what credentials permit.

    Args:
        hub: whose constellations they are about.
        credentials: where permissions are kept.
    """

    def __init__(self, hub: Hub, credentials: CredentialStore) -> None:
        self._hub = hub
        self._credentials = credentials

    # ── whose permissions ───────────────────────────────────────────────────────────────────────

    def scope(self, identity: Identity) -> Scope:
        """What the one at the other end may do now."""
        if identity.kind == "admin":
            return UNLIMITED
        return self._credentials.scope(identity.name) or NOTHING

    def owner_scope(self, run: Run) -> Scope:
        """What whoever submitted a constellation may do now: that holds for its planner as well."""
        return self._credentials.scope(run.owner) or NOTHING

    def device_scope(self, device: str) -> Scope:
        """What a device may be given. Devices without a credential of their own are an admin's."""
        found = self._credentials.find(device)
        return found.scope if found is not None and found.kind == "device" else UNLIMITED

    # ── requests ────────────────────────────────────────────────────────────────────────────────

    def check_request(self, identity: Identity, name: str, verb: Verb, params: Params) -> None:
        """Check that a client may make that request at all.

        Raises:
            PermissionDenied: it may only look.
            UnknownConstellationError: it may not even know of that constellation.
        """
        scope = self.scope(identity)
        if scope is UNLIMITED:
            return
        if scope.read_only and verb.permission != "observe":
            raise PermissionDenied(
                f"{identity.name} may only look, and not use {name}.",
                remedy=_ask_for(identity.name, "--read-write"),
            )
        constellation = getattr(params, "constellation", None)
        if constellation is not None and not self.sees(identity, constellation):
            raise unknown(constellation)

    def sees(self, identity: Identity, constellation: str) -> bool:
        """True if a client may know of a constellation; there need not be one."""
        if self.scope(identity).constellations == "all":
            return True
        return not constellation or self._hub.owner_of(constellation) == identity.name

    def may_watch(self, identity: Identity, stream: str) -> bool:
        """True if a client may look at live streams of that name: to look is a skill as well."""
        return self.scope(identity).permits(LIVE.format(stream))

    def check_watch(self, identity: Identity, stream: str) -> None:
        """Check that a client may look at a live stream.

        Raises:
            PermissionDenied: it may not.
        """
        if not self.may_watch(identity, stream):
            raise PermissionDenied(
                f"{identity.name} may not watch {stream}.",
                remedy=_ask_for(identity.name, f"--skill {LIVE.format(stream)}"),
            )

    # ── edits ───────────────────────────────────────────────────────────────────────────────────

    def check_edits(
        self, scope: Scope, name: str, edits: Sequence[Edit], run: Run | None = None
    ) -> None:
        """Check the skills that edits would have run.

        Args:
            scope: of whoever wants the edits.
            name: of their credential.
            edits: to be applied as one batch.
            run: what they change; None for a new constellation.

        Raises:
            PermissionDenied: the scope lacks one of them, or a device that a task names may not be
                given its skill.
        """
        for task in _wanted(edits, run):
            skill = skill_of(task)
            if skill and not scope.permits(skill):
                raise PermissionDenied(
                    f"{name} may not use the skill {skill} of task {task.id}: it is allowed "
                    f"{scope.in_words()}.",
                    remedy=_ask_for(name, f"--skill {skill}"),
                    task=task.id,
                    skill=skill,
                )
            device = task.requirement.device
            if skill and device is not None and not self.device_scope(device).permits(skill):
                raise PermissionDenied(
                    f"The device {device} may not be given the skill {skill} of task {task.id}.",
                    remedy=_ask_for(device, f"--skill {skill}"),
                    task=task.id,
                    skill=skill,
                )

    def refusal(self, device: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """The error with which a device would refuse an ``assign`` that it may not be given."""
        skill = body["skill"] or (IN_WORDS if body.get("instruction") else "")
        if not skill or self.device_scope(device).permits(skill):
            return None
        return PermissionDenied(f"{device} may not be given the skill {skill}.").to_wire()


def skill_of(task: Task) -> str:
    """The skill that a task needs; empty if it needs none."""
    return task.skill or (IN_WORDS if task.instruction else "")


def _wanted(edits: Sequence[Edit], run: Run | None) -> Iterator[Task]:
    """The tasks that edits would have run; what makes no sense is left to the graph to refuse."""
    nodes = {} if run is None else run.constellation.nodes
    made: dict[str, Task] = {}
    for edit in taken_apart(edits):
        match edit:
            case AddTask(task):
                made[task.id] = task
            case UpdateTask(name, changes) if name in made or name in nodes:
                before = made[name] if name in made else nodes[name].task
                with suppress(GraphError):
                    made[name] = task_from_plain({**task_to_plain(before, full=True), **changes})
            case RetryTask(name) if name not in made and name in nodes:
                made[name] = nodes[name].task
            case _:
                continue
        name = edit.task.id if isinstance(edit, AddTask) else edit.id
        if name in made:
            yield made[name]


def _ask_for(name: str, what: str) -> str:
    return f"Have an admin allow it: `constellation allow {name} {what}`."
