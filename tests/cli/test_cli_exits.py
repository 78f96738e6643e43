"""Exit codes: each kind of error has its own, and the help says which."""

from __future__ import annotations

import subprocess
import sys

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


def test_ctrl_c_while_the_program_is_loaded_says_nothing() -> None:
    script = (
        "import sys\n"
        "class Impatient:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'constellation.cli.app':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Impatient())\n"
        "from constellation.cli import main\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (ExitCode.INTERRUPTED, "", "")
