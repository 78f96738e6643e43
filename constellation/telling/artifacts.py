"""The artifacts that an output names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .text import clean, size

_HASH = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Artifact:
    """Bytes that the hub keeps.

    Attributes:
        hash: SHA-256 in hexadecimal.
        path: the file that it was made of, as its device knows it; empty if that is not said.
        size_bytes: None if that is not said.
    """

    hash: str
    path: str = ""
    size_bytes: int | None = None

    @property
    def file_name(self) -> str:
        """A name for a file of it, without any folder."""
        name = clean(self.path).replace("\\", "/").rpartition("/")[2]
        return name if name.strip(".") else self.hash[:12]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.file_name if self.path else self.hash

    @property
    def size(self) -> str:
        """Its size in words; empty if that is not said."""
        return "" if self.size_bytes is None else size(self.size_bytes)


def artifacts_in(output: Any) -> list[Artifact]:
    """What an output names: each object in it whose ``hash`` is one, once, in their order."""
    return list({artifact.hash: artifact for artifact in _found(output)}.values())


def _found(value: Any) -> Iterator[Artifact]:
    if isinstance(value, Mapping):
        digest = value.get("hash")
        if isinstance(digest, str) and _HASH.fullmatch(digest):
            path, length = value.get("name") or value.get("path"), value.get("size_bytes")
            yield Artifact(
                digest,
                path if isinstance(path, str) else "",
                length if isinstance(length, int) else None,
            )
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _found(each)
