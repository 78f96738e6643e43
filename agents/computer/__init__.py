"""The skills of a computer: programs, files, HTTP, system information, reports, waiting."""

from __future__ import annotations

from ..skills import AnySkill


def skills() -> list[AnySkill]:
    """All of them, in the order in which they are published."""
    from . import artifacts, files, finding, http, notify, report, shell, system, wait

    return [
        shell.run_command,
        shell.run_python,
        files.read,
        files.write,
        finding.list_files,
        finding.search,
        files.patch,
        files.delete,
        http.get,
        http.request,
        system.info,
        system.disks,
        system.memory,
        system.processes,
        system.network,
        system.battery,
        report.write,
        notify.send,
        wait.wait_seconds,
        wait.wait_file,
        wait.watch_process,
        artifacts.put,
        artifacts.get,
    ]
