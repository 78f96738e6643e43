"""The folders that a device may use, and files opened inside them without a way out.

A path is resolved first, symbolic links included, and must then lie in a root. It is opened
component by component from the root, refusing symbolic links, so that what was checked is what is
opened: a link put in between makes the call fail instead of leading out.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from constellation.errors import PermissionDenied, TaskFailed

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO must not block us, and a terminal not become ours, before we have seen what it is.
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


@dataclass(frozen=True, slots=True)
class Place:
    """A path inside a root, without symbolic links.

    Attributes:
        root: the root.
        parts: the components below it; empty for the root itself.
    """

    root: Path
    parts: tuple[str, ...]

    @property
    def path(self) -> Path:
        return self.root.joinpath(*self.parts)


class Roots:
    """The folders that a device may use; relative paths start at the first one.

    Args:
        roots: folders that exist.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self.paths = tuple(Path(os.path.realpath(root.expanduser())) for root in roots)

    def resolve(self, path: str) -> Place:
        """Find where a path leads.

        Raises:
            PermissionDenied: outside every root, or written with ``..``.
        """
        if not self.paths:
            raise PermissionDenied(
                "This device has no folder that tasks may use.",
                remedy="Start its agent with --root FOLDER.",
                path=path,
            )
        if ".." in Path(path).parts or "\0" in path:
            raise PermissionDenied(
                f"The path {path!r} is refused: it must not hold '..' or a zero byte.",
                remedy="Write the path without going up.",
                path=path,
            )
        given = Path.home() / path[2:] if path == "~" or path.startswith("~/") else Path(path)
        real = Path(os.path.realpath(self.paths[0] / given))
        for root in self.paths:
            if real.is_relative_to(root):
                return Place(root, real.relative_to(root).parts)
        raise PermissionDenied(
            f"The path {path!r} leads outside the folders that tasks may use.",
            remedy=f"Use a path below {' or '.join(map(str, self.paths))}, or restart the agent "
            "with one more --root.",
            path=path,
        )

    def folder(self, path: str = ".") -> Path:
        """The real path of an existing folder, to work in.

        Raises:
            PermissionDenied: outside every root.
            TaskFailed: it is no folder.
        """
        with self.open_folder(path):
            return self.resolve(path).path

    @contextmanager
    def open_folder(self, path: str) -> Iterator[int]:
        """A file descriptor of a folder.

        Raises:
            PermissionDenied: outside every root.
            TaskFailed: it does not exist or is no folder.
        """
        place = self.resolve(path)
        with _explained(path):
            folder = _descend(place.root, place.parts)
        with _closing(folder):
            yield folder

    @contextmanager
    def open_parent(self, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
        """A file descriptor of the folder that holds a path, and the path's own name there.

        Raises:
            PermissionDenied: outside every root, or a root itself.
            TaskFailed: the folder does not exist.
        """
        place = self.resolve(path)
        if not place.parts:
            raise PermissionDenied(
                f"The folder {path!r} itself cannot be replaced or deleted.",
                remedy="Name something inside it.",
                path=path,
            )
        with _explained(path):
            folder = _descend(place.root, place.parts[:-1], create=create)
        with _closing(folder):
            yield folder, place.parts[-1]

    @contextmanager
    def open_file(self, path: str, flags: int = os.O_RDONLY) -> Iterator[int]:
        """A file descriptor of a regular file; with ``O_CREAT`` it, and its folders, may be new.

        Raises:
            PermissionDenied: outside every root, or a device, socket or pipe.
            TaskFailed: it does not exist, or is a folder.
        """
        create = bool(flags & os.O_CREAT)
        with self.open_parent(path, create=create) as (folder, name):
            with _explained(path):
                file = os.open(name, flags | _FILE, 0o666, dir_fd=folder)
            with _closing(file):
                _require_regular(os.fstat(file).st_mode, path)
                yield file

    @contextmanager
    def replace_file(self, path: str) -> Iterator[int]:
        """A file descriptor for new content; it takes the path's place if all goes well.

        Folders are made if missing.

        A reader sees the old content or the new, never a part. An old file's mode is kept.

        Raises:
            PermissionDenied: outside every root, or there is a device, socket or pipe.
            TaskFailed: there is a folder of that name.
        """
        with self.open_parent(path, create=True) as (folder, name):
            part = f".{uuid4().hex}.part"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE
            with _explained(path):
                mode = _mode_of(folder, name, path)
                file = os.open(part, flags, 0o666, dir_fd=folder)
            try:
                with _closing(file):
                    yield file
                    if mode is not None:
                        os.fchmod(file, mode)
                with _explained(path):
                    os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=folder)


def _descend(root: Path, parts: Sequence[str], *, create: bool = False) -> int:
    """Open a folder by going down from its root, through no symbolic link."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in parts:
        with _closing(folder):
            if create:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder)
            folder = os.open(part, _DIRECTORY, dir_fd=folder)
    return folder


@contextmanager
def _closing(file: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(file)


def _mode_of(folder: int, name: str, path: str) -> int | None:
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    _require_regular(mode, path)
    return stat.S_IMODE(mode)


def _require_regular(mode: int, path: str) -> None:
    if stat.S_ISDIR(mode):
        raise _explain(IsADirectoryError(errno.EISDIR, ""), path)
    if not stat.S_ISREG(mode):
        raise PermissionDenied(
            f"{path!r} is a device, a socket or a pipe; tasks may use plain files only.",
            remedy="Name a plain file.",
            path=path,
        )


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """Turn what the system says into an error that a person understands."""
    try:
        yield
    except OSError as error:
        raise _explain(error, path) from None


def _explain(error: OSError, path: str) -> PermissionDenied | TaskFailed:
    match error.errno:
        case errno.ELOOP | errno.EACCES | errno.EPERM | errno.EROFS:
            reason = "a symbolic link is in the way" if error.errno == errno.ELOOP else "no access"
            return PermissionDenied(
                f"The path {path!r} is refused: {reason}.",
                remedy="Give the agent's user access to it, or name another path.",
                path=path,
            )
        case errno.ENOENT:
            return TaskFailed(f"There is no {path!r}.", remedy="Check the path.", path=path)
        case errno.EISDIR:
            return TaskFailed(f"{path!r} is a folder.", remedy="Name a file.", path=path)
        case errno.ENOTDIR:
            return TaskFailed(f"{path!r} is no folder.", remedy="Name a folder.", path=path)
        case _:
            return TaskFailed(f"{path!r} cannot be used: {error.strerror}.", path=path)
