"""`files.read`, `files.write`, `files.patch`, `files.delete`: one file within the roots."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from constellation.errors import SkillError, TaskFailed

from ..context import Context
from ..policy import Intent
from ..skills import skill
from .content import Content, as_text

# A result has to fit into one message of the protocol; what is larger goes as an artifact.
MAX_READ = 512 * 1024
MAX_PATCHED = 16 * 1024**2

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
    max_bytes: Annotated[int, Field(gt=0, le=MAX_READ)] = MAX_READ // 2,
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
        data = read_part(file, offset, max_bytes)
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
        if size > MAX_PATCHED:
            raise TaskFailed(f"{path!r} is too large to patch: {size:,} bytes.", path=path)
        text = _decode(read_part(file, 0, size), path)
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


def _delete_intent(path: str, recursive: bool) -> Intent:
    whole = " with everything in it" if recursive else ""
    return Intent(f"Delete {path!r}{whole}.")


@skill(
    "files.delete",
    effect="dangerous",
    intent=_delete_intent,
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


def read_part(file: int, offset: int, count: int) -> bytes:
    """Up to so many bytes of an open file, from an offset on."""
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
