"""`files.*`: reading, writing, listing, searching, patching and deleting within the roots."""

from __future__ import annotations

import base64
import binascii
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

from constellation.errors import PermissionDenied, SkillError, TaskFailed

from ..context import Context
from ..roots import Roots
from ..skills import skill
from .content import Content, as_text

MAX_READ = 4 * 1024**2
MAX_SEARCHED = 16 * 1024**2

FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
Encoding = Literal["text", "base64"]


class FileContent(TypedDict):
    path: str
    content: Annotated[str, Field(description="The text, or the bytes in base64.")]
    size_bytes: Annotated[int, Field(description="Size of the whole file.")]
    truncated: Annotated[bool, Field(description="True if the file holds more.")]


class Written(TypedDict):
    path: Annotated[str, Field(description="Where it was written.")]
    size_bytes: int


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


class Patched(TypedDict):
    path: str
    replaced: Annotated[int, Field(description="How many places were changed.")]


class Deleted(TypedDict):
    path: str
    deleted: Annotated[int, Field(description="How many files and folders are gone.")]


@skill(
    "files.read",
    effect="read",
    examples=("read notes.txt", "show me the contents of config.toml", "open the file todo.md"),
)
def read(
    context: Context,
    path: FilePath,
    encoding: Encoding = "text",
    offset: Annotated[int, Field(ge=0)] = 0,
    max_bytes: Annotated[int, Field(gt=0, le=MAX_READ)] = 1024**2,
) -> FileContent:
    """Read a file and return its content.

    Args:
        path: the file.
        encoding: text (UTF-8), or base64 for any bytes.
        offset: the byte to start at.
        max_bytes: the most to read.
    """
    with context.roots.open_file(path) as file:
        size = os.fstat(file).st_size
        data = _read(file, offset, max_bytes)
    content = base64.b64encode(data).decode() if encoding == "base64" else _decode(data, path)
    return FileContent(
        path=path, content=content, size_bytes=size, truncated=offset + len(data) < size
    )


@skill(
    "files.write",
    effect="write",
    idempotent=False,
    examples=(
        "write 'hello' to notes.txt",
        "save the result as out.txt",
        "create a file todo.md with the text 'buy milk'",
    ),
)
def write(
    context: Context,
    path: FilePath,
    content: Content,
    encoding: Encoding = "text",
    append: bool = False,
) -> Written:
    """Write text to a file, replacing what it held or appending to it.

    Args:
        path: the file; its folders are made if missing.
        content: the text; data is written as JSON.
        encoding: text (UTF-8), or base64 for any bytes.
        append: whether to write at the end instead of replacing.
    """
    data = _encode(as_text(content), encoding)
    with context.open(path, "ab" if append else "wb") as file:
        file.write(data)
        size = file.tell()
    return Written(path=str(context.roots.resolve(path).path), size_bytes=size)


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
    max_entries: Annotated[int, Field(gt=0, le=10_000)] = 1000,
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
    max_matches: Annotated[int, Field(gt=0, le=10_000)] = 200,
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


@skill(
    "files.patch",
    effect="write",
    examples=("replace 'foo' by 'bar' in config.ini", "change 'debug' to 'info' in app.toml"),
)
def patch(
    context: Context,
    path: FilePath,
    old: Annotated[str, Field(min_length=1)],
    new: str,
    all: bool = False,
) -> Patched:
    """Replace a text by another in a file.

    Args:
        path: the file.
        old: the text to replace; it must be there, and only once unless all is set.
        new: what stands there afterwards.
        all: whether to replace it everywhere.
    """
    with context.roots.open_file(path) as file:
        size = os.fstat(file).st_size
        if size > MAX_READ:
            raise TaskFailed(f"{path!r} is too large to patch: {size:,} bytes.", path=path)
        text = _decode(_read(file, 0, size), path)
    count = text.count(old)
    if count == 0 or (count > 1 and not all):
        found = "is not in" if count == 0 else f"is {count} times in"
        raise TaskFailed(
            f"The text to replace {found} {path!r}; nothing was changed.",
            remedy="Give more of the text around it, or set all to true.",
            path=path,
            count=count,
        )
    with context.open(path, "wb") as file:
        file.write(text.replace(old, new).encode())
    return Patched(path=path, replaced=count)


@skill(
    "files.delete",
    effect="dangerous",
    idempotent=True,
    examples=("delete old.log", "remove the folder cache"),
)
def delete(context: Context, path: FilePath, recursive: bool = False) -> Deleted:
    """Delete a file or a folder; one that is not there is no failure.

    Args:
        path: the file or folder.
        recursive: whether to delete a folder with what it holds.
    """
    with context.roots.open_parent(path) as (folder, name):
        try:
            is_folder = stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode)
        except FileNotFoundError:
            return Deleted(path=path, deleted=0)
        if not is_folder:
            os.unlink(name, dir_fd=folder)
            return Deleted(path=path, deleted=1)
        count = _empty(folder, name) if recursive else 0
        try:
            os.rmdir(name, dir_fd=folder)
        except OSError as error:
            raise TaskFailed(
                f"The folder {path!r} is not deleted: {error.strerror}.",
                remedy="Set recursive to true to delete what it holds.",
                path=path,
            ) from None
    return Deleted(path=path, deleted=count + 1)


# ── helpers ─────────────────────────────────────────────────────────────────────────────────────


def _read(file: int, offset: int, count: int) -> bytes:
    parts = []
    while count > 0 and (part := os.pread(file, min(count, 1024**2), offset)):
        parts.append(part)
        offset += len(part)
        count -= len(part)
    return b"".join(parts)


def _decode(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        # A piece of a longer text may end within a character.
        if error.start >= len(data) - 3 and error.reason == "unexpected end of data":
            return data[: error.start].decode()
        raise TaskFailed(
            f"{path!r} is not text in UTF-8.",
            remedy="Read it with the encoding base64.",
            path=path,
        ) from None


def _encode(text: str, encoding: Encoding) -> bytes:
    if encoding == "text":
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise SkillError(
            "The content is not base64.", remedy="Encode it, or use text.", field="content"
        ) from None


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
        data = _read(file, 0, MAX_SEARCHED)
    if b"\0" in data[:1024]:
        return []
    lines = enumerate(data.decode(errors="replace").splitlines(), 1)
    found = (
        Match(path=path, line=number, text=line[:500])
        for number, line in lines
        if wanted in (line.lower() if ignore_case else line)
    )
    return list(islice(found, most))


def _empty(parent: int, name: str) -> int:
    """Delete what a folder holds, without following links; return how much it was."""
    count = 0
    for _, folders, files, folder in os.fwalk(
        name, dir_fd=parent, topdown=False, follow_symlinks=False
    ):
        for file in files:
            os.unlink(file, dir_fd=folder)
        for inner in folders:
            if stat.S_ISLNK(os.lstat(inner, dir_fd=folder).st_mode):
                os.unlink(inner, dir_fd=folder)
            else:
                os.rmdir(inner, dir_fd=folder)
        count += len(files) + len(folders)
    return count
