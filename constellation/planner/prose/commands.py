"""Which commands only look. Everything that is not known to look may change something.

The lists name programs of Linux, macOS and the usual tools of operations, with the options and
subcommands by which one that looks would write. They err towards "changes something".
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath

_OPERATORS = frozenset({";", "&&", "||", "|", "&", "|&"})
_HARMLESS_REDIRECTS = re.compile(r"\s(?:[12]?>\s*/dev/null|2>&1|&>\s*/dev/null)(?=\s|$|[;|&)])")

# fmt: off
_LOOKS = frozenset({
    "arch", "blkid", "cat", "cmp", "column", "comm", "cut", "df", "diff", "dig", "du",
    "echo", "egrep", "false", "fgrep", "file", "free", "getent", "grep", "groups", "head",
    "host", "id", "iostat", "jq", "last", "ldd", "locate", "ls", "lsblk", "lscpu", "lsmod", "lsof",
    "lspci", "lsusb", "md5sum", "mpstat", "mtr", "netstat", "nl", "nproc", "nslookup", "pgrep",
    "ping", "ping6", "pidof", "printenv", "printf", "ps", "pstree", "pwd", "readlink", "realpath",
    "rev", "sar", "sha1sum", "sha256sum", "sleep", "ss", "stat", "strings", "tac", "tail", "test",
    "top", "tracepath", "traceroute", "tr", "true", "tty", "type", "uname", "uptime",
    "users", "vmstat", "w", "wc", "whereis", "which", "who", "whoami", "zcat", "zgrep",
})
_WRITING_OPTIONS: dict[str, frozenset[str]] = {
    "sort": frozenset({"-o", "--output"}),
    "find": frozenset({
        "-delete", "-exec", "-execdir", "-ok", "-okdir", "-fprint", "-fprintf", "-fls",
    }),
    "dmesg": frozenset({"-c", "-C", "--clear", "--read-clear", "-n", "-D", "-E"}),
    "journalctl": frozenset({
        "--vacuum-size", "--vacuum-time", "--vacuum-files", "--rotate", "--flush", "--sync",
        "--relinquish-var", "--smart-relinquish-var", "--setup-keys", "--update-catalog",
    }),
    "curl": frozenset({
        "-X", "--request", "-d", "--data", "--data-raw", "--data-binary", "--data-urlencode",
        "--json", "-F", "--form", "-T", "--upload-file", "-o", "--output", "-O", "--remote-name",
        "-K", "--config", "-c", "--cookie-jar", "-D", "--dump-header", "-Q", "--quote",
    }),
    "tree": frozenset({"-o"}),
}
_LOOKING_SUBCOMMANDS: dict[str, frozenset[str]] = {
    "systemctl": frozenset({
        "status", "is-active", "is-enabled", "is-failed", "list-units", "list-unit-files",
        "list-timers", "list-sockets", "list-dependencies", "show", "cat",
    }),
    "git": frozenset({"status", "log", "diff", "show", "blame", "describe", "rev-parse"}),
    **dict.fromkeys(("docker", "podman"), frozenset({
        "ps", "images", "logs", "inspect", "stats", "info", "version", "top", "port",
    })),
    "kubectl": frozenset({
        "get", "describe", "logs", "top", "version", "cluster-info", "explain", "api-resources",
        "api-versions", "events",
    }),
    "helm": frozenset({"list", "ls", "status", "history", "version"}),
    "apt": frozenset({"list", "show", "policy", "search"}),
    "apt-cache": frozenset({"show", "policy", "search", "depends", "rdepends", "madison"}),
    "brew": frozenset({"list", "info", "outdated", "doctor"}),
    "dpkg": frozenset({"-l", "-s", "-L", "-S", "--list", "--status", "--listfiles", "--search"}),
    "npm": frozenset({"ls", "list", "view", "outdated", "ping"}),
    "pip": frozenset({"list", "show", "freeze", "check"}),
    "nginx": frozenset({"-t", "-T", "-v", "-V"}),
    "apachectl": frozenset({"configtest", "-t", "-S", "-v"}),
    "crontab": frozenset({"-l"}),
    "ufw": frozenset({"status"}),
    "zpool": frozenset({"status", "list", "iostat"}),
    "timedatectl": frozenset({"status", "show", "timesync-status"}),
    "hostnamectl": frozenset({"status"}),
    "loginctl": frozenset({"list-sessions", "list-users", "session-status", "user-status"}),
    "pg_isready": frozenset({""}),
    "hostname": frozenset({"", "-f", "-i", "-I", "-s", "-d"}),
    "mount": frozenset({""}),
    "ifconfig": frozenset({"", "-a"}),
}
_LOOKING_IP = frozenset({"show", "list", "ls", "get"})
# Names by which a command in backticks is known as one; those above count as well.
_WRITES = frozenset({
    "apt-get", "awk", "base64", "bash", "cargo", "chgrp", "chmod", "chown", "cp", "dd",
    "dnf", "docker-compose", "env", "fsck", "go", "install", "ip", "iptables", "kill",
    "killall", "ln", "make", "mkdir", "mkfs", "mv", "mysql", "nft", "node", "passwd",
    "pkill", "psql", "python", "python3", "reboot", "redis-cli", "rm", "rmdir", "rpm",
    "rsync", "scp", "sed", "service", "sh", "shutdown", "ssh", "swapoff", "swapon", "sync",
    "sysctl", "tar", "tee", "terraform", "timeout", "touch", "truncate", "umount", "uniq",
    "unzip", "useradd", "wget", "xargs", "xxd", "yum", "zip",
})
# fmt: on
_PROGRAM = re.compile(r"[a-z][a-z0-9_.+-]*|(?:\.{0,2}/)[\w./+-]+")


def only_looks(command: str) -> bool:
    """True if every program of a shell command is known to change nothing."""
    stripped = _HARMLESS_REDIRECTS.sub(" ", command)
    if any(sign in stripped for sign in (">", "<(", "$(", "`")):
        return False
    lines = stripped.replace("\\\n", " ").splitlines()
    try:
        commands = _split(" ; ".join(line for line in lines if not line.lstrip().startswith("#")))
    except ValueError:
        return False
    return bool(commands) and all(_looks(words) for words in commands)


def _split(line: str) -> list[list[str]]:
    """The words of each simple command of a line.

    Raises:
        ValueError: a quote is open.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split = True
    # What follows a "#" counts: a comment must not hide the lines below it.
    lexer.commenters = ""
    commands: list[list[str]] = [[]]
    for token in lexer:
        if token in _OPERATORS:
            commands.append([])
        else:
            commands[-1].append(token)
    return [words for words in commands if words]


def _looks(words: Sequence[str]) -> bool:
    if words[0] == "sudo" and len(words) > 1 and not words[1].startswith("-"):
        words = words[1:]
    program, rest = words[0], words[1:]
    if rest in (["--version"], ["--help"]) and _PROGRAM.fullmatch(program):
        return True
    name = PurePosixPath(program).name if program.startswith(("/bin/", "/usr/")) else program
    if name == "ip":
        plain = [word for word in rest if not word.startswith("-")]
        return len(plain) <= 1 or plain[1] in _LOOKING_IP
    if name in _LOOKING_SUBCOMMANDS:
        return next(iter(rest), "") in _LOOKING_SUBCOMMANDS[name]
    if name == "date":
        return all(word.startswith("+") or word in ("-u", "-R") for word in rest)
    if name == "uniq":
        return all(word.startswith("-") for word in rest)  # a second file would be written
    if name in _WRITING_OPTIONS:
        return not _writes(name, rest)
    return name in _LOOKS


def _writes(name: str, words: Sequence[str]) -> bool:
    """True if an option by which the program writes is among the words, alone or joined."""
    options = _WRITING_OPTIONS.get(name, frozenset())
    short = {option[1] for option in options if len(option) == 2}
    for word in words:
        if word.split("=", 1)[0] in options:
            return True
        if re.match(r"-[A-Za-z]", word) and short & set(word[1:]):
            return True
    return False


def is_command(text: str, *, sure: bool) -> bool:
    """Whether a text in backticks is a command.

    Args:
        sure: True if the words before it say so ("run"); else its program must be known.
    """
    line = text.strip()
    words = line.removeprefix("sudo ").split()
    if not words or not _PROGRAM.fullmatch(words[0]) or line.endswith(":"):
        return False
    known = words[0] in _LOOKS | _WRITES | _LOOKING_SUBCOMMANDS.keys() | _WRITING_OPTIONS.keys()
    return known or sure
