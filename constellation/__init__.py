"""Constellation: a fabric that turns a person's devices into one computer.

A `Constellation` is a durable, editable DAG of tasks; a hub runs it on the connected devices.
`connect` reaches a hub from a program, `constellation.sync.connect` from one without an event
loop; `constellation.aip.client.connect` is the session below them. The names in ``__all__`` are the
public ones; those that bring a library with them are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import (
    AgentError,
    AudioError,
    AuthenticationError,
    ConfigError,
    ConstellationError,
    CycleError,
    Deposed,
    EditConflictError,
    GraphError,
    HubUnreachable,
    ImmutableTaskError,
    InvalidTransition,
    JournalError,
    LimitExceeded,
    LocalProtocolError,
    Moved,
    NoCapableDevice,
    PermissionDenied,
    PlanError,
    PolicyUnavailable,
    ProtocolError,
    RemoteProtocolError,
    SafetyStop,
    SchedulingError,
    SessionError,
    SessionLost,
    SkillError,
    TaskCanceled,
    TaskError,
    TaskFailed,
    TaskRejected,
    TaskTimedOut,
    Unanswered,
    UnknownArtifactError,
    UnknownConstellationError,
    UnknownDeviceError,
    UnknownTaskError,
    UpstreamFailed,
    VersionError,
)

if TYPE_CHECKING:
    from .aip.cards import DeviceCard, SkillCard
    from .config import Settings, load_settings
    from .fabric import Device, Ended, Event, Fabric, Work, connect
    from .graph.constellation import Constellation
    from .graph.edits import (
        AddDependency,
        AddTask,
        Batch,
        CancelTask,
        Edit,
        RemoveDependency,
        RemoveTask,
        ReplaceSubgraph,
        RetryTask,
        UpdateDependency,
        UpdateTask,
    )
    from .graph.task import Dependency, Outcome, Requirement, RetryPolicy, Task, TaskState
    from .planner.ports import Plan

__version__ = "0.1.0"

_LAZY = {
    **dict.fromkeys(("DeviceCard", "SkillCard"), "aip.cards"),
    **dict.fromkeys(("Settings", "load_settings"), "config"),
    **dict.fromkeys(("Device", "Ended", "Event", "Fabric", "Work", "connect"), "fabric"),
    **dict.fromkeys(("Constellation",), "graph.constellation"),
    **dict.fromkeys(
        (
            "AddDependency",
            "AddTask",
            "Batch",
            "CancelTask",
            "Edit",
            "RemoveDependency",
            "RemoveTask",
            "ReplaceSubgraph",
            "RetryTask",
            "UpdateDependency",
            "UpdateTask",
        ),
        "graph.edits",
    ),
    **dict.fromkeys(
        ("Dependency", "Outcome", "Requirement", "RetryPolicy", "Task", "TaskState"), "graph.task"
    ),
    **dict.fromkeys(("Plan",), "planner.ports"),
}

__all__ = [
    "AddDependency",
    "AddTask",
    "AgentError",
    "AudioError",
    "AuthenticationError",
    "Batch",
    "CancelTask",
    "ConfigError",
    "Constellation",
    "ConstellationError",
    "CycleError",
    "Dependency",
    "Deposed",
    "Device",
    "DeviceCard",
    "Edit",
    "EditConflictError",
    "Ended",
    "Event",
    "Fabric",
    "GraphError",
    "HubUnreachable",
    "ImmutableTaskError",
    "InvalidTransition",
    "JournalError",
    "LimitExceeded",
    "LocalProtocolError",
    "Moved",
    "NoCapableDevice",
    "Outcome",
    "PermissionDenied",
    "Plan",
    "PlanError",
    "PolicyUnavailable",
    "ProtocolError",
    "RemoteProtocolError",
    "RemoveDependency",
    "RemoveTask",
    "ReplaceSubgraph",
    "Requirement",
    "RetryPolicy",
    "RetryTask",
    "SafetyStop",
    "SchedulingError",
    "SessionError",
    "SessionLost",
    "Settings",
    "SkillCard",
    "SkillError",
    "Task",
    "TaskCanceled",
    "TaskError",
    "TaskFailed",
    "TaskRejected",
    "TaskState",
    "TaskTimedOut",
    "Unanswered",
    "UnknownArtifactError",
    "UnknownConstellationError",
    "UnknownDeviceError",
    "UnknownTaskError",
    "UpdateDependency",
    "UpdateTask",
    "UpstreamFailed",
    "VersionError",
    "Work",
    "connect",
    "load_settings",
]


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
