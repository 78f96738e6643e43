"""What the exit code of a command means."""

from __future__ import annotations

from enum import IntEnum

from constellation.errors import (
    AuthenticationError,
    ConfigError,
    ConstellationError,
    GraphError,
    HubUnreachable,
    InvalidTransition,
    NoCapableDevice,
    PermissionDenied,
    PlanError,
    SessionLost,
    UnknownArtifactError,
    UnknownConstellationError,
    UnknownDeviceError,
)

from . import INTERRUPTED


class ExitCode(IntEnum):
    """Exit codes of ``constellation``; the same table stands in ``constellation --help``."""

    DONE = 0
    """It did what was asked."""
    FAILED = 1
    """The constellation failed or was canceled, or the command could not do its work."""
    USAGE = 2
    """Wrong arguments or a wrong configuration."""
    UNREACHABLE = 3
    """No hub could be reached, or no device could do the work."""
    REFUSED = 4
    """A request could not be planned, an edit was refused, or a name is unknown."""
    FORBIDDEN = 5
    """The credential is missing or wrong, or does not allow it."""
    INTERRUPTED = INTERRUPTED
    """Stopped by Ctrl-C; SIGTERM makes it 143."""


SIGNALED = 128
"""Added to the number of the signal that ended a command, as shells do."""


_CODES: tuple[tuple[type[ConstellationError], ExitCode], ...] = (
    (ConfigError, ExitCode.USAGE),
    (HubUnreachable, ExitCode.UNREACHABLE),
    (SessionLost, ExitCode.UNREACHABLE),
    (NoCapableDevice, ExitCode.UNREACHABLE),
    (PlanError, ExitCode.REFUSED),
    (GraphError, ExitCode.REFUSED),
    (InvalidTransition, ExitCode.REFUSED),
    (UnknownConstellationError, ExitCode.REFUSED),
    (UnknownArtifactError, ExitCode.REFUSED),
    (UnknownDeviceError, ExitCode.REFUSED),
    (AuthenticationError, ExitCode.FORBIDDEN),
    (PermissionDenied, ExitCode.FORBIDDEN),
)


def exit_code(error: ConstellationError) -> ExitCode:
    """The exit code for an error; `ExitCode.FAILED` if it has none of its own."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return ExitCode.FAILED
