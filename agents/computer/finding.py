"""`files.list` and `files.search`: finding one's way within the roots."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from constellation.errors import PermissionDenied, TaskFailed

from ..context import Context
from ..roots import Roots
from ..skills import skill
from .files import FilePath, read_part

MAX_SEARCHED = 16 * 1024**2


class Entry(TypedDict):
    path: Annotated[str, Field(description="Path below the folder.")]
    kind: Literal["file", "folder", "link", "other"]
    size_bytes: int
    modified_s: Annotated[float, Field(description="Unix time.")]


class Listing(TypedDict):
    path: str
    entries: list[Entry]
    names: Annotated[list[str], Field(description="The paths alone.")]
    count: int
    total_bytes: Annotated[int, Field(description="Size of the files listed.")]
    truncated: Annotated[bool, Field(description="True if there are more.")]


class Match(TypedDict):
    path: Annotated[str, Field(description="The file.")]
    line: Annotated[int, Field(description="Line number, from 1.")]
    text: Annotated[str, Field(description="The line.")]


class Matches(TypedDict):
    matches: list[Match]
    count: int
    files: Annotated[list[str], Field(description="Files with a match.")]
    searched: Annotated[int, Field(description="How many files were searched.")]
    truncated: Annotated[bool, Field(description="True if there are more.")]


@skill(
    "files.list",
    effect="read",
    examples=("list the files in /var/log", "what is in the folder photos", "show all files"),
)
def list_files(
    context: Context,
    path: FilePath = ".",
    pattern: str = "*",
    recursive: bool = False,
    max_entries: Annotated[int, Field(gt=0, le=2000)] = 500,
) -> Listing:
    """List the files and folders in a folder.

    Args:
        path: the folder.
        pattern: only names that match it, such as *.log.
        recursive: whether to go into folders.
        max_entries: the most to list.
    """
    entries: list[Entry] = []
    truncated = False
    for entry in _walk(context.roots, path, recursive=recursive):
        if context.canceled:
            break
        if not fnmatchcase(PurePath(entry["path"]).name, pattern):
            continue
        if len(entries) == max_entries:
            truncated = True
            break
        entries.append(entry)
    return Listing(
        path=path,
        entries=entries,
        names=[entry["path"] for entry in entries],
        count=len(entries),
        total_bytes=sum(entry["size_bytes"] for entry in entries if entry["kind"] == "file"),
        truncated=truncated,
    )


@skill(
    "files.search",
    effect="read",
    examples=(
        "search the logs folder for 'timeout'",
        "find 'TODO' in /src",
        "which files contain the word invoice",
    ),
)
def search(
    context: Context,
    text: Annotated[str, Field(min_length=1)],
    path: FilePath = ".",
    pattern: str = "*",
    ignore_case: bool = False,
    max_matches: Annotated[int, Field(gt=0, le=1000)] = 200,
) -> Matches:
    """Search the files of a folder and its subfolders for a text.

    Args:
        text: what to look for.
        path: the folder, or one file.
        pattern: only files whose name matches it, such as *.log.
        ignore_case: whether capital letters are the same as small ones.
        max_matches: the most lines to return.
    """
    wanted = text.lower() if ignore_case else text
    matches: list[Match] = []
    searched = 0
    for name in _files(context.roots, path, pattern):
        if context.canceled or len(matches) > max_matches:
            break
        searched += 1
        with suppress(PermissionDenied, TaskFailed):  # what went away or is not ours to read
            most = max_matches + 1 - len(matches)
            matches += _lines(context.roots, name, wanted, ignore_case=ignore_case, most=most)
    truncated = len(matches) > max_matches
    matches = matches[:max_matches]
    return Matches(
        matches=matches,
        count=len(matches),
        files=list(dict.fromkeys(match["path"] for match in matches)),
        searched=searched,
        truncated=truncated,
    )


# ── helpers ─────────────────────────────────────────────────────────────────────────────────────


def _walk(roots: Roots, path: str, *, recursive: bool) -> Iterator[Entry]:
    """The entries of a folder, sorted; links are named and not followed."""
    with roots.open_folder(path) as top:
        for where, folders, files, folder in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            folders.sort()
            for name in sorted([*folders, *files]):
                with suppress(FileNotFoundError):  # it went away meanwhile
                    found = os.lstat(name, dir_fd=folder)
                    yield Entry(
                        path=str(PurePath(where, name)),
                        kind=_kind(found.st_mode),
                        size_bytes=found.st_size,
                        modified_s=found.st_mtime,
                    )
            if not recursive:
                return


def _kind(mode: int) -> Literal["file", "folder", "link", "other"]:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"


def _files(roots: Roots, path: str, pattern: str) -> Iterator[str]:
    if roots.resolve(path).path.is_file():
        yield path
        return
    for entry in _walk(roots, path, recursive=True):
        if entry["kind"] == "file" and fnmatchcase(PurePath(entry["path"]).name, pattern):
            yield str(PurePath(path, entry["path"]))


def _lines(roots: Roots, path: str, wanted: str, *, ignore_case: bool, most: int) -> list[Match]:
    """The matching lines of one file; one that is no text has none."""
    with roots.open_file(path) as file:
        data = read_part(file, 0, MAX_SEARCHED)
    if b"\0" in data[:1024]:
        return []
    lines = enumerate(data.decode(errors="replace").splitlines(), 1)
    found = (
        Match(path=path, line=number, text=line[:500])
        for number, line in lines
        if wanted in (line.lower() if ignore_case else line)
    )
    return list(islice(found, most))
