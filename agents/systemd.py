"""The agent as a systemd service: telling systemd how it is, and the unit that starts it."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from constellation.errors import ConfigError

_USER_HARDENING = (
    "NoNewPrivileges=yes",
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
)
# These need a mount namespace, which a user's own service manager may not make everywhere.
_SYSTEM_HARDENING = (
    "ProtectSystem=strict",
    "PrivateTmp=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
)


# What the command line exits with where the hub refuses the credential.
_FORBIDDEN = 5


def notify(state: str) -> bool:
    """Tell systemd something (sd_notify(3)), such as ``READY=1``; False where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    # A name that begins with "@" stands in the abstract namespace.
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        try:
            listener.connect(name)
            listener.sendall(state.encode())
        except OSError:
            return False
    return True


def watchdog_s() -> float | None:
    """Within which time systemd wants to hear that this process lives (sd_watchdog_enabled(3)).

    None where it does not want to.
    """
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    meant = os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or meant not in ("", str(os.getpid())):
        return None
    return int(microseconds) / 1e6


def unit_name(device: str) -> str:
    """The unit's file name."""
    return f"constellation-agent-{device}.service"


def unit_text(
    command: Sequence[str],
    *,
    device: str,
    writable: Sequence[Path] = (),
    stop_timeout_s: float = 45.0,
    user: str | None = None,
) -> str:
    """A unit that keeps an agent running.

    Args:
        command: the program and its arguments, the program with its full path.
        device: the device's name.
        writable: folders that the agent may write to, its state directory among them.
        stop_timeout_s: how long it may take to drain.
        user: for a unit of the system: the user to run as. None makes one for a user's own
            service manager.
    """
    service = [
        "Type=notify",
        f"ExecStart={' '.join(_quoted(each) for each in command)}",
        "Restart=always",
        "RestartSec=2",
        # A hub that does not know the credential any more will not know it in two seconds either.
        f"RestartPreventExitStatus={_FORBIDDEN}",
        # An event loop that a skill blocks for so long serves nobody.
        "WatchdogSec=120",
        # The agent stops its own children when it drains; whatever is left then is killed.
        "KillMode=mixed",
        f"TimeoutStopSec={stop_timeout_s:g}",
        "UMask=0077",
        *_USER_HARDENING,
    ]
    if user is not None:
        service += [f"User={user}", *_SYSTEM_HARDENING]
        service += [f"ReadWritePaths={_quoted(str(path))}" for path in writable]
    wanted_by = "default.target" if user is None else "multi-user.target"
    sections = {
        "Unit": [
            f"Description=Constellation agent {device}",
            "Wants=network-online.target",
            "After=network-online.target",
            "StartLimitIntervalSec=0",
        ],
        "Service": service,
        "Install": [f"WantedBy={wanted_by}"],
    }
    return "\n".join("\n".join([f"[{name}]", *lines, ""]) for name, lines in sections.items())


def install(device: str, text: str, *, system: bool, folder: Path | None = None) -> Path:
    """Write a unit and start it, now and at every boot (for a user: at every login).

    Args:
        device: the device's name.
        text: the unit.
        system: whether it belongs to the system's service manager or to the user's.
        folder: where units lie; None for the usual place.

    Returns:
        the unit's file.

    Raises:
        ConfigError: there is no systemd, or it refused.
    """
    if shutil.which("systemctl") is None:
        raise ConfigError(
            "There is no systemd on this machine.",
            remedy="Have the command of `constellation agent … unit` started in another way.",
        )
    folder = folder or _folder(system)
    file = folder / unit_name(device)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    except OSError as error:
        raise ConfigError(
            f"The unit {file} cannot be written: {error.strerror}.",
            remedy="Use sudo for a unit of the system, or leave --system out.",
            file=str(file),
        ) from None
    manager = ["systemctl"] if system else ["systemctl", "--user"]
    _call([*manager, "daemon-reload"])
    _call([*manager, "enable", "--now", file.name])
    return file


def _folder(system: bool) -> Path:
    if system:
        return Path("/etc/systemd/system")
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "systemd/user"


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ConfigError(
            f"`{shlex.join(command)}` failed: {done.stderr.strip() or done.returncode}.",
            remedy="The unit is written; start it by hand, and see `systemctl status`.",
        )


def _quoted(word: str) -> str:
    """A word of a unit's command line (systemd.service(5), "Command lines")."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    plain = escaped and not set(escaped) & set(" \t\n'\";")
    return escaped if plain and escaped == word else f'"{escaped}"'
