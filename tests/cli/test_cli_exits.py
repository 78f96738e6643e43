"""Exit codes: each kind of error has its own, and the help says which."""

from __future__ import annotations

import pytest

from constellation import errors
from constellation.cli.exits import ExitCode, exit_code


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.ConfigError, 2),
        (errors.HubUnreachable, 3),
        (errors.SessionLost, 3),
        (errors.NoCapableDevice, 3),
        (errors.PlanError, 4),
        (errors.CycleError, 4),
        (errors.ImmutableTaskError, 4),
        (errors.EditConflictError, 4),
        (errors.UnknownTaskError, 4),
        (errors.UnknownConstellationError, 4),
        (errors.UnknownDeviceError, 4),
        (errors.AuthenticationError, 5),
        (errors.PermissionDenied, 5),
        (errors.TaskFailed, 1),
        (errors.JournalError, 1),
    ],
)
def test_the_code_of_an_error(kind: type[errors.ConstellationError], code: int) -> None:
    assert exit_code(kind("It broke.")) == code


def test_codes_are_distinct() -> None:
    assert len({int(code) for code in ExitCode}) == len(ExitCode)
