"""`artifacts.*`: moving files to and from the fabric."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ..context import Context
from ..skills import skill

FilePath = Annotated[str, Field(min_length=1, max_length=4096)]


class Stored(TypedDict):
    hash: Annotated[str, Field(description="SHA-256 in hexadecimal: the artifact's name.")]
    size_bytes: int
    name: Annotated[str, Field(description="The name of the file.")]


class Fetched(TypedDict):
    path: Annotated[str, Field(description="Where it was written.")]
    size_bytes: int


@skill(
    "artifacts.put",
    effect="read",
    examples=("put video.mp4 into the fabric", "upload results.csv", "share the file photo.jpg"),
)
async def put(context: Context, path: FilePath) -> Stored:
    """Hand a file to the fabric as an artifact, so that other devices can get it.

    Args:
        path: the file.
    """
    digest, size = await context.put_artifact(path)
    return Stored(hash=digest, size_bytes=size, name=PurePath(path).name)


@skill(
    "artifacts.get",
    effect="write",
    idempotent=True,
    examples=("get the artifact into video.mp4", "download the artifact to results.csv"),
)
async def get(
    context: Context,
    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")],
    path: FilePath,
) -> Fetched:
    """Write an artifact of the fabric to a file.

    Args:
        hash: the artifact, as artifacts.put names it.
        path: the file; one that is there is replaced.
    """
    size = await context.get_artifact(hash, path)
    return Fetched(path=str(context.roots.resolve(path).path), size_bytes=size)
