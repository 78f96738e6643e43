"""The public names: locked, importable, and cheap to import."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import constellation

PUBLIC = [
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

HEAVY = ("pydantic", "websockets", "networkx", "anyio", "asyncio", "msgpack", "typer", "rich")


def test_exported_names_are_these() -> None:
    assert constellation.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_can_be_used(name: str) -> None:
    assert getattr(constellation, name) is not None
    assert name in dir(constellation)


def test_unknown_names_are_unknown() -> None:
    with pytest.raises(AttributeError, match="Galaxy"):
        _ = constellation.Galaxy


def test_importing_the_package_brings_no_library_with_it() -> None:
    code = f"import sys, constellation; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_error_is_public() -> None:
    def names(root: type) -> set[str]:
        return {root.__name__}.union(*(names(child) for child in root.__subclasses__()))

    ours = {
        name
        for name in names(constellation.ConstellationError)
        if hasattr(constellation.errors, name)
    }
    assert ours <= set(constellation.__all__)


def test_the_version_is_that_of_the_distribution() -> None:
    project = Path(__file__).parent.parent / "pyproject.toml"
    declared = tomllib.loads(project.read_text())["project"]["version"]
    assert constellation.__version__ == declared
