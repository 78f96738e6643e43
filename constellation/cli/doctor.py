"""`doctor`: what could keep Constellation from working on this machine, and what to do about it."""

from __future__ import annotations

import os
import platform
import sqlite3
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, entry_points, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import typer
from rich.text import Text

from constellation.client import open_hub
from constellation.config import (
    DISCOVERY_FILE,
    ENV_PREFIX,
    Settings,
    config_file,
    load_settings,
    variables,
)
from constellation.errors import ConstellationError, HubUnreachable
from constellation.telling.text import clean, duration

from .connection import run_async
from .exits import ExitCode
from .output import Json, emit

DISTRIBUTION = "constellation-fabric"
LIBRARIES = ("websockets", "msgpack", "pydantic", "anyio", "typer", "rich")
OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 35, 0)
CLOCK_TOLERANCE_S = 1.0

Status = Literal["ok", "note", "problem"]
STYLES = {"ok": "green", "note": "yellow", "problem": "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        subject: what was looked at.
        status: ``problem`` makes the command exit with 1; ``note`` is worth knowing.
        detail: a sentence or a figure.
        remedy: what to do, unless ``ok``.
    """

    subject: str
    status: Status
    detail: str
    remedy: str = ""


def check_python() -> Iterator[Finding]:
    text = f"{platform.python_version()} on {platform.platform(terse=True)}"
    if sys.version_info < OLDEST_PYTHON:
        yield Finding("Python", "problem", text, "Install Python 3.11 or newer.")
    else:
        yield Finding("Python", "ok", text)


def check_libraries() -> Iterator[Finding]:
    found, missing = [], []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield Finding("Libraries", "ok", ", ".join(found))
    if missing:
        yield Finding(
            "Libraries",
            "problem",
            f"Missing: {', '.join(missing)}.",
            f"Install {DISTRIBUTION} again with pip.",
        )


def check_agents_package() -> Iterator[Finding]:
    """Find out who provides the top-level package `agents`, without importing it."""
    subject = "Package agents"
    remedy = f"Uninstall the other distribution, then install {DISTRIBUTION} again."
    spec = find_spec("agents")
    if spec is None or not spec.submodule_search_locations:
        yield Finding(
            subject, "problem", "It is not installed.", f"Install {DISTRIBUTION} again with pip."
        )
        return
    place = Path(next(iter(spec.submodule_search_locations)))
    owners = set(packages_distributions().get("agents", ()))
    others = sorted(owners - {DISTRIBUTION})
    if others:
        yield Finding(subject, "problem", f"{', '.join(others)} also owns {place}.", remedy)
    elif not (place / "runtime.py").is_file():
        yield Finding(subject, "problem", f"{place} is not ours.", remedy)
    else:
        yield Finding(subject, "ok", f"{place} is ours.")


def check_commands() -> Iterator[Finding]:
    names = sorted(found.name for found in entry_points(group="constellation.commands"))
    if "agent" in names:
        yield Finding("Commands of packages", "ok", ", ".join(names))
    else:
        yield Finding(
            "Commands of packages",
            "problem",
            "The command `constellation agent` is missing.",
            f"Install {DISTRIBUTION} again with pip.",
        )


def check_sqlite() -> Iterator[Finding]:
    text = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        yield Finding("SQLite", "problem", text, "Use a Python with SQLite 3.35 or newer.")
    else:
        yield Finding("SQLite", "ok", text)


def check_terminal() -> Iterator[Finding]:
    encoding = sys.stdout.encoding or "unknown"
    if not sys.stdout.isatty():
        yield Finding("Terminal", "ok", f"Output goes elsewhere: plain lines in {encoding}.")
        return
    size = os.get_terminal_size(sys.stdout.fileno())
    text = f"{os.environ.get('TERM', 'unknown')}, {size.columns}×{size.lines}, {encoding}"
    if encoding.lower().replace("-", "") != "utf8":
        yield Finding("Terminal", "note", text, "Use a UTF-8 locale, such as LANG=C.UTF-8.")
    else:
        yield Finding("Terminal", "ok", text)


def check_environment() -> Iterator[Finding]:
    """Point at variables that look like settings and are none."""
    known = variables()
    for name in sorted(os.environ):
        if name.startswith(ENV_PREFIX) and name not in known:
            yield Finding(
                "Environment", "note", f"{name} is not a setting.", f"Known: {', '.join(known)}."
            )


def check_state_dir(settings: Settings) -> Iterator[Finding]:
    path = settings.state_dir
    if not path.exists():
        yield Finding("State directory", "ok", f"{path} will be made when it is needed.")
        return
    if not path.is_dir() or not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            "State directory",
            "problem",
            f"{path} cannot be read and written.",
            "Give it to yourself, or set CONSTELLATION_STATE_DIR.",
        )
        return
    yield Finding("State directory", "ok", str(path))
    for private in (path, path / DISCOVERY_FILE):
        if private.exists() and stat.S_IMODE(private.stat().st_mode) & 0o077:
            yield Finding(
                "State directory",
                "problem",
                f"Others may read {private}.",
                f"chmod {'700' if private.is_dir() else '600'} {private}",
            )


def check_authority(settings: Settings) -> Iterator[Finding]:
    """Look at the hub's own authority, if there is one."""
    folder = settings.state_dir / "authority"
    if not folder.exists():
        return
    from constellation.aip.authority import Authority

    try:
        authority = Authority(folder, time.time())
    except ConstellationError as error:
        yield Finding("Authority", "problem", error.message, error.remedy)
        return
    days = (authority.expires_at - time.time()) / 86_400
    text = f"Fingerprint {authority.fingerprint}, good for {days:.0f} days."
    if days < 365:
        remedy = f"Remove {folder} and pair every device again before it ends."
        yield Finding("Authority", "note", text, remedy)
    else:
        yield Finding("Authority", "ok", text)


def check_hub(settings: Settings) -> Iterator[Finding]:
    """Ask the hub for its status, and compare its clock with ours."""

    async def ask() -> tuple[str, dict[str, object], float]:
        async with open_hub(settings) as hub:
            status = await hub.ask("status")
            return hub.url, status, hub.clock_offset_s

    try:
        url, status, offset_s = run_async(ask)
    except HubUnreachable as error:
        yield Finding("Hub", "note", error.message, error.remedy)
        return
    except ConstellationError as error:
        yield Finding("Hub", "problem", error.message, error.remedy)
        return
    yield Finding("Hub", "ok", clean(f"{url}, version {status['version']}"))
    text = f"{duration(abs(offset_s))} from the hub's."
    if abs(offset_s) > CLOCK_TOLERANCE_S:
        yield Finding("Clock", "note", text, "Synchronise both clocks, with NTP for example.")
    else:
        yield Finding("Clock", "ok", text)


MACHINE_CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_python,
    check_libraries,
    check_agents_package,
    check_commands,
    check_sqlite,
    check_terminal,
    check_environment,
)


def examine() -> Iterator[Finding]:
    """Run every check."""
    for check in MACHINE_CHECKS:
        yield from check()
    try:
        settings = load_settings()
    except ConstellationError as error:
        yield Finding("Settings", "problem", error.message, error.remedy)
        return
    file = config_file()
    yield Finding("Settings", "ok", str(file) if file.is_file() else f"Defaults; no {file}.")
    yield from check_state_dir(settings)
    yield from check_authority(settings)
    yield from check_hub(settings)


def doctor(as_json: Json = False) -> None:
    """Check this machine: versions, settings, permissions, the hub, the clock, the terminal.

    \b
    Examples:
      constellation doctor
      constellation doctor --json
    """
    findings = list(examine())
    emit(
        {"findings": [asdict(finding) for finding in findings]},
        *(_line(finding) for finding in findings),
        as_json=as_json,
    )
    if any(finding.status == "problem" for finding in findings):
        raise typer.Exit(ExitCode.FAILED)


def _line(finding: Finding) -> Text:
    line = Text.assemble(
        (f"{finding.status:<8}", STYLES[finding.status]),
        (f"{finding.subject}: ", "bold"),
        finding.detail,
    )
    if finding.remedy:
        line.append(f"\n{'':<8}{finding.remedy}")
    return line


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="This machine")(doctor)
