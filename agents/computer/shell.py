"""`shell.run` and `python.run`: programs on the device."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from constellation.errors import SkillError

from ..context import Context
from ..errors import CommandFailed
from ..policy import Intent
from ..skills import skill
from .processes import Ended, Limits, run_program
from .shellwords import read_line, read_words

Positive = Annotated[float, Field(gt=0)]


class ProcessLimits(BaseModel):
    """What a program may use; null for no bound."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpu_s: Annotated[int, Field(gt=0, description="Processor seconds of each process.")] | None = (
        None
    )
    memory_bytes: (
        Annotated[int, Field(gt=0, description="Address space of each process.")] | None
    ) = None
    file_bytes: Annotated[int, Field(gt=0, description="Size of each file it writes.")] | None = (
        None
    )
    output_bytes: Annotated[
        int,
        Field(gt=0, le=256 * 1024, description="How much of stdout and of stderr is kept."),
    ] = 128 * 1024


class Completed(TypedDict):
    """How a program ended."""

    exit_code: Annotated[
        int, Field(description="What it returned; minus the signal's number if one ended it.")
    ]
    stdout: Annotated[str, Field(description="What it printed.")]
    stderr: Annotated[str, Field(description="What it printed as errors.")]
    duration_s: Annotated[float, Field(description="How many seconds it ran.")]
    truncated: Annotated[bool, Field(description="True if the middle of the output was left out.")]


def _where(cwd: str, env: Mapping[str, str], stdin: str) -> str:
    parts = [f" in {cwd}" if cwd not in ("", ".") else ""]
    if env:
        pairs = " ".join(f"{name}={shlex.quote(value)}" for name, value in env.items())
        parts.append(f"\nwith the variables {pairs}")
    if stdin:
        parts.append(f"\nwith the input\n{stdin}")
    return "".join(parts)


def _run_intent(
    command: str,
    argv: Sequence[str],
    cwd: str,
    env: Mapping[str, str],
    stdin: str,
    **_others: object,
) -> Intent:
    line = shlex.join(argv) if argv else command
    commands, opaque = read_words(tuple(argv)) if argv else read_line(command)
    return Intent(
        prompt=f"Run this command{_where(cwd, env, stdin)}:\n{line}",
        commands=commands,
        opaque=opaque,
        altered=bool(env),
    )


@skill(
    "shell.run",
    effect="dangerous",
    one_of=("command", "argv"),
    intent=_run_intent,
    examples=(
        "run `make test`",
        "run the command `df -h`",
        "execute `uname -a` in the shell",
        "start the script backup.sh",
    ),
)
async def run_command(
    context: Context,
    command: str = "",
    argv: Sequence[str] = (),
    cwd: str = ".",
    env: Mapping[str, str] = {},
    stdin: str = "",
    timeout_s: Positive | None = None,
    limits: ProcessLimits | None = None,
    check: bool = True,
) -> Completed:
    """Run a command on this device, either a line for the shell or a program with arguments.

    Args:
        command: a line for the shell (sh).
        argv: a program and its arguments, run without a shell.
        cwd: the folder to run it in, below the device's folders.
        env: environment variables to add.
        stdin: text for its standard input.
        timeout_s: end it after so many seconds.
        limits: what it may use.
        check: whether an exit code other than 0 is a failure.
    """
    program = list(argv) or ["/bin/sh", "-c", command]
    return await _run(
        context,
        program,
        said=command or shlex.join(argv),
        cwd=cwd,
        env=env,
        stdin=stdin,
        timeout_s=timeout_s,
        limits=limits,
        check=check,
    )


def _python_intent(
    code: str, args: Sequence[str], cwd: str, stdin: str, **_others: object
) -> Intent:
    where = _where(cwd, {}, stdin)
    with_args = f" with the arguments {shlex.join(args)}" if args else ""
    return Intent(prompt=f"Run this Python code{with_args}{where}:\n{code}")


@skill(
    "python.run",
    effect="dangerous",
    intent=_python_intent,
    examples=(
        "run the python code `print(2 + 2)`",
        "execute this python script: `import sys; print(sys.version)`",
    ),
)
async def run_python(
    context: Context,
    code: Annotated[str, Field(min_length=1)],
    args: Sequence[str] = (),
    cwd: str = ".",
    stdin: str = "",
    timeout_s: Positive | None = None,
    limits: ProcessLimits | None = None,
    check: bool = True,
) -> Completed:
    """Run Python code in a process of its own; what it prints is the result.

    Args:
        code: the program.
        args: its arguments, as sys.argv[1:].
        cwd: the folder to run it in, below the device's folders.
        stdin: text for its standard input.
        timeout_s: end it after so many seconds.
        limits: what it may use.
        check: whether an exit code other than 0 is a failure.
    """
    return await _run(
        context,
        [sys.executable, "-c", code, *args],
        said="The Python code",
        cwd=cwd,
        env={},
        stdin=stdin,
        timeout_s=timeout_s,
        limits=limits,
        check=check,
    )


async def _run(
    context: Context,
    program: Sequence[str],
    *,
    said: str,
    cwd: str,
    env: Mapping[str, str],
    stdin: str,
    timeout_s: float | None,
    limits: ProcessLimits | None,
    check: bool,
) -> Completed:
    if any("\0" in word for word in program):
        raise SkillError("A command cannot hold a zero byte.", field="command")
    if context.traceparent is not None:
        env = {"TRACEPARENT": context.traceparent, **env}
    ended = await run_program(
        program,
        cwd=str(_folder(context, cwd)),
        env=env,
        stdin=stdin,
        timeout_s=timeout_s,
        limits=Limits(**limits.model_dump()) if limits is not None else None,
        on_output=lambda channel, text: context.output(text, channel),
    )
    if check and ended.exit_code != 0:
        raise CommandFailed(
            f"{said!r} {_end_of(ended)}{_last_words(ended)}.",
            remedy="Read its output; set check to false if that code is no failure.",
            **_completed(ended),
        )
    return _completed(ended)


def _completed(ended: Ended) -> Completed:
    return Completed(
        exit_code=ended.exit_code,
        stdout=ended.stdout,
        stderr=ended.stderr,
        duration_s=ended.duration_s,
        truncated=ended.truncated,
    )


def _end_of(ended: Ended) -> str:
    if ended.exit_code >= 0:
        return f"ended with the exit code {ended.exit_code}"
    return f"was ended by the signal {-ended.exit_code} ({signal.strsignal(-ended.exit_code)})"


def _last_words(ended: Ended) -> str:
    lines = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
    return f": {lines[-1][:200].rstrip('.')}" if lines else ""


def _folder(context: Context, cwd: str) -> Path:
    """Where a program starts; without roots it may start anywhere, for nothing holds it there."""
    if not context.roots.paths and cwd == ".":
        return Path.home()
    return context.roots.folder(cwd)
