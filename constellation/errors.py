"""Every error that Constellation raises on purpose.

::

    ConstellationError
    ├ GraphError
    │ ├ CycleError            a dependency would close a cycle
    │ ├ UnknownTaskError      the task or dependency named does not exist
    │ ├ EditConflictError     the edit contradicts the graph or was made against an older version
    │ └ ImmutableTaskError    the task has started and can only be canceled
    ├ ProtocolError
    │ ├ LocalProtocolError    we broke the protocol
    │ ├ RemoteProtocolError   the peer broke it
    │ ├ VersionError          no common protocol version
    │ └ LimitExceeded         a negotiated limit would be passed
    ├ SessionError
    │ ├ AuthenticationError   missing, unknown, expired or revoked credential
    │ ├ PermissionDenied      known, but not allowed
    │ ├ SessionLost           the session cannot be resumed
    │ └ HubUnreachable        no hub is up, or it cannot be reached
    ├ SchedulingError
    │ ├ InvalidTransition     (subject, state, event) is not in the table
    │ └ NoCapableDevice       no device could run the task
    ├ TaskError               (travels from device to hub to person)
    │ ├ TaskFailed
    │ │ └ UpstreamFailed      what a task reads from failed, was canceled or begins anew
    │ ├ TaskTimedOut
    │ ├ TaskCanceled
    │ └ TaskRejected
    ├ AgentError
    │ ├ SkillError            a skill is declared wrongly or got bad input
    │ ├ AudioError
    │ ├ PolicyUnavailable
    │ └ SafetyStop
    ├ PlanError               what in the request or runbook, where, and how to mend it
    ├ JournalError            the journal cannot be read or written
    │ ├ Unanswered            no server of the cluster answered; what was asked may have happened
    │ └ Deposed               another orchestrator of the cluster owns what is to be written
    ├ Moved                   the orchestrator that was asked does not own the constellation
    ├ UnknownConstellationError, UnknownArtifactError, UnknownDeviceError
    │                         the hub knows nothing of that name
    └ ConfigError

Each class has a stable wire ``code``. Match on the class or the code, never on the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class ConstellationError(Exception):
    """Base of every error raised on purpose.

    Args:
        message: one sentence for a person.
        remedy: what the person can do about it, as an imperative; may be empty.
        details: plain data that identifies the subject (task, rule, line, …).
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, remedy: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()

    def to_wire(self) -> dict[str, Any]:
        """The error as plain data: ``code``, ``message``, and ``remedy``, ``details`` if any."""
        wire: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.remedy:
            wire["remedy"] = self.remedy
        if self.details:
            wire["details"] = self.details
        return wire


class GraphError(ConstellationError):
    code = "graph"


class CycleError(GraphError):
    code = "graph.cycle"


class UnknownTaskError(GraphError):
    code = "graph.unknown_task"


class EditConflictError(GraphError):
    code = "graph.conflict"


class ImmutableTaskError(GraphError):
    code = "graph.immutable"


class ProtocolError(ConstellationError):
    code = "protocol"


class LocalProtocolError(ProtocolError):
    code = "protocol.local"


class RemoteProtocolError(ProtocolError):
    code = "protocol.remote"


class VersionError(ProtocolError):
    code = "protocol.version"


class LimitExceeded(ProtocolError):
    code = "protocol.limit"


class SessionError(ConstellationError):
    code = "session"


class AuthenticationError(SessionError):
    code = "session.authentication"


class PermissionDenied(SessionError):
    code = "session.permission"


class SessionLost(SessionError):
    code = "session.lost"


class HubUnreachable(SessionError):
    code = "session.unreachable"


class SchedulingError(ConstellationError):
    code = "scheduling"


class InvalidTransition(SchedulingError):
    """An event arrived for which the transition table has no entry.

    Args:
        subject: what the event is about, such as ``"task build"``.
        state: the state it is in.
        event: the event that has no entry there.
    """

    code = "scheduling.transition"

    def __init__(self, subject: str, state: str, event: str, *, remedy: str = "") -> None:
        super().__init__(
            f"{subject} is {state}: {event} is not possible there.",
            remedy=remedy,
            subject=subject,
            state=state,
            event=event,
        )
        self.subject = subject
        self.state = state
        self.event = event


class NoCapableDevice(SchedulingError):
    code = "scheduling.no_device"


class TaskError(ConstellationError):
    code = "task"


class TaskFailed(TaskError):
    code = "task.failed"


class UpstreamFailed(TaskFailed):
    code = "task.failed.upstream"


class TaskTimedOut(TaskError):
    code = "task.timeout"


class TaskCanceled(TaskError):
    code = "task.canceled"


class TaskRejected(TaskError):
    code = "task.rejected"


class AgentError(ConstellationError):
    code = "agent"


class SkillError(AgentError):
    code = "agent.skill"


class AudioError(AgentError):
    code = "agent.audio"


class PolicyUnavailable(AgentError):
    code = "agent.policy"


class SafetyStop(AgentError):
    code = "agent.safety_stop"


class PlanError(ConstellationError):
    code = "plan"


class JournalError(ConstellationError):
    code = "journal"


class Unanswered(JournalError):
    code = "journal.unanswered"


class Deposed(JournalError):
    code = "journal.deposed"


class Moved(ConstellationError):
    code = "cluster.moved"


class UnknownConstellationError(ConstellationError):
    code = "unknown.constellation"


class UnknownArtifactError(ConstellationError):
    code = "unknown.artifact"


class UnknownDeviceError(ConstellationError):
    code = "unknown.device"


class ConfigError(ConstellationError):
    code = "config"


def _tree(root: type[ConstellationError]) -> dict[str, type[ConstellationError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found.update(_tree(child))
    return found


def error_from_wire(wire: Mapping[str, Any]) -> ConstellationError:
    """Rebuild an error from plain data.

    An unknown code keeps its nearest known ancestor (``task.failed.exit`` → `TaskFailed`), so that
    newer peers may send finer codes.
    """
    code = str(wire.get("code", "error"))
    classes = _tree(ConstellationError)
    found: type[ConstellationError] | None = None
    name = code
    while name and found is None:
        found = classes.get(name)
        name = name.rpartition(".")[0]
    kind = found or ConstellationError
    details = wire.get("details")
    error = kind.__new__(kind)
    ConstellationError.__init__(
        error,
        str(wire.get("message", code)),
        remedy=str(wire.get("remedy", "")),
        **({str(k): v for k, v in details.items()} if isinstance(details, Mapping) else {}),
    )
    if code != kind.code:
        error.details["code"] = code
    return error
