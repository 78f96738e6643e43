"""Three connected computers, with the skills that a computer agent publishes."""

from __future__ import annotations

from typing import Any

import pytest

from constellation.aip.cards import DeviceCard, Effect, SkillCard


def _skill(
    name: str,
    description: str,
    *examples: str,
    needs: dict[str, Any] | None = None,
    takes: dict[str, Any] | None = None,
    gives: dict[str, Any] | None = None,
    effect: Effect = "read",
) -> SkillCard:
    needs = needs or {}
    return SkillCard(
        name=name,
        description=description,
        examples=examples,
        input={
            "type": "object",
            "properties": {**needs, **(takes or {})},
            "required": list(needs),
            "additionalProperties": False,
        },
        output={"type": "object", "properties": gives or {}},
        effect=effect,
        idempotent=effect == "read",
    )


TEXT = {"type": "string"}
NUMBER = {"type": "number"}
WHOLE = {"type": "integer"}
FOLDER = {"type": "string", "default": "."}
DATA = {"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "array"}, {"type": "null"}]}
LIST: dict[str, Any] = {"type": "array", "items": TEXT}

COMPUTER = (
    _skill(
        "shell.run",
        "Run a command in a shell, or an argument vector without one.",
        "run `make test`",
        "execute the command `uname -a`",
        takes={"command": TEXT, "argv": LIST, "cwd": TEXT, "timeout_s": NUMBER},
        gives={"exit_code": WHOLE, "stdout": TEXT, "stderr": TEXT},
        effect="dangerous",
    ),
    _skill(
        "files.read",
        "Read a text file.",
        "read notes.txt",
        "show me the contents of config.toml",
        needs={"path": TEXT},
        gives={"content": TEXT, "size": WHOLE},
    ),
    _skill(
        "files.write",
        "Write text to a file, replacing what it held.",
        "write 'hello' to notes.txt",
        "save the result as out.txt",
        needs={"path": TEXT, "content": DATA},
        gives={"path": TEXT, "size": WHOLE},
        effect="write",
    ),
    _skill(
        "files.list",
        "List the files in a directory.",
        "list the files in /var/log",
        "what is in the folder photos",
        takes={"path": FOLDER, "pattern": TEXT},
        gives={"entries": LIST, "count": WHOLE},
    ),
    _skill(
        "files.search",
        "Search files for a text.",
        "search the logs folder for 'timeout'",
        "find 'TODO' in /src",
        needs={"text": TEXT},
        takes={"path": FOLDER},
        gives={"matches": LIST, "count": WHOLE},
    ),
    _skill(
        "files.patch",
        "Replace one text by another in a file.",
        "replace 'foo' by 'bar' in config.ini",
        needs={"path": TEXT, "old": TEXT, "new": TEXT},
        effect="write",
    ),
    _skill(
        "files.delete",
        "Delete a file or a directory.",
        "delete old.log",
        "remove the folder cache",
        needs={"path": TEXT},
        effect="dangerous",
    ),
    _skill(
        "http.get",
        "Fetch a web page or an API address with GET.",
        "fetch https://example.org/status.json",
        "download the page https://example.org",
        needs={"url": TEXT},
        gives={"status": WHOLE, "body": TEXT, "headers": {"type": "object"}},
    ),
    _skill(
        "http.request",
        "Send an HTTP request with any method.",
        "send a POST request to https://example.org/api with the body 'x=1'",
        needs={"url": TEXT, "method": {"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]}},
        takes={"body": DATA},
        gives={"status": WHOLE, "body": TEXT},
        effect="write",
    ),
    _skill(
        "system.info",
        "Tell the platform, the hostname, the CPU and its load, and the uptime.",
        "what system is this",
        "how long has it been up",
        gives={"hostname": TEXT, "load_percent": NUMBER, "memory_percent": NUMBER},
    ),
    _skill(
        "system.disks",
        "Tell how full the disks are.",
        "check the disk",
        "how much disk space is free",
        gives={"disks": {"type": "array"}, "percent": NUMBER, "free_bytes": WHOLE},
    ),
    _skill(
        "system.memory",
        "Tell how much memory is used.",
        "check the memory",
        "how much RAM is free",
        gives={"percent": NUMBER, "available_bytes": WHOLE, "swap_percent": NUMBER},
    ),
    _skill(
        "system.processes",
        "List the running processes, the busiest first.",
        "which processes are running",
        "show the top 5 processes",
        takes={"top": {"type": "integer", "description": "how many to list."}},
        gives={"processes": {"type": "array"}, "count": WHOLE},
    ),
    _skill(
        "system.network",
        "List the network interfaces with their addresses and traffic.",
        "show the network interfaces",
        "what is the IP address",
        gives={"interfaces": {"type": "array"}},
    ),
    _skill(
        "system.battery",
        "Tell the charge of the battery.",
        "check the battery",
        "how much battery is left",
        gives={"percent": NUMBER, "charging": {"type": "boolean"}},
    ),
    _skill(
        "python.run",
        "Run Python code in a process of its own.",
        "run the python code `print(2 + 2)`",
        needs={"code": TEXT},
        gives={"exit_code": WHOLE, "stdout": TEXT},
        effect="dangerous",
    ),
    _skill(
        "report.write",
        "Write a report with a title and sections as a Markdown file.",
        "write a report of the results to report.md",
        takes={
            "path": {"type": "string", "default": "report.md"},
            "title": TEXT,
            "body": DATA,
            "sections": {
                "type": "array",
                "items": {"type": "object", "properties": {"title": TEXT, "body": DATA}},
            },
        },
        gives={"path": TEXT},
        effect="write",
    ),
    _skill(
        "notify.send",
        "Show a notification to the person at the device.",
        "notify me that the backup is done",
        "send a notification saying 'lunch'",
        needs={"message": TEXT},
        takes={"title": TEXT},
        effect="write",
    ),
    _skill(
        "wait.seconds",
        "Wait for some seconds.",
        "wait 5 seconds",
        needs={"seconds": NUMBER},
    ),
    _skill(
        "wait.file",
        "Wait until a file appears.",
        "wait for the file done.flag",
        needs={"path": TEXT},
        takes={"timeout_s": NUMBER},
        gives={"path": TEXT, "size": WHOLE},
    ),
    _skill(
        "artifacts.put",
        "Hand a file to the fabric as an artifact.",
        "put video.mp4 into the fabric",
        "upload results.csv",
        "share the file photo.jpg",
        needs={"path": TEXT},
        gives={"hash": TEXT, "size": WHOLE},
    ),
    _skill(
        "artifacts.get",
        "Write an artifact of the fabric to a file.",
        "get the artifact into video.mp4",
        needs={"hash": TEXT, "path": TEXT},
        gives={"path": TEXT, "size": WHOLE},
        effect="write",
    ),
)


@pytest.fixture(scope="session")
def cards() -> tuple[DeviceCard, ...]:
    """desk and server on Linux, laptop on macOS."""
    return tuple(
        DeviceCard(name=name, platform=platform, labels=labels, skills=COMPUTER)
        for name, platform, labels in (
            ("desk", "linux", {"role": "desk"}),
            ("server", "linux", {"role": "server", "tier": "db"}),
            ("laptop", "darwin", {"role": "laptop"}),
        )
    )
