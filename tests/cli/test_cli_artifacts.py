"""Artifacts by hand: a file given to the hub, and one taken from it."""

from __future__ import annotations

import hashlib

from cli_terminal import Terminal


def test_a_file_goes_to_the_hub_and_comes_back(fabric: Terminal) -> None:
    data = bytes(range(256)) * 1000
    (fabric.folder / "photo.raw").write_bytes(data)
    put = fabric.json("artifact", "put", str(fabric.folder / "photo.raw"))
    digest = hashlib.sha256(data).hexdigest()
    assert put == {"hash": digest, "size_bytes": len(data), "name": "photo.raw"}
    copy = fabric.folder / "copy.raw"
    copy.write_bytes(b"what was there before")
    assert "250.0 KiB" in fabric.run("artifact", "get", digest, str(copy)).stdout
    assert copy.read_bytes() == data


def test_what_is_not_there_is_refused_and_replaces_nothing(fabric: Terminal) -> None:
    copy = fabric.folder / "kept.raw"
    copy.write_bytes(b"kept")
    assert "0000" in fabric.run("artifact", "get", "0" * 64, str(copy), exits=4).stderr
    assert copy.read_bytes() == b"kept"
    assert not list(fabric.folder.glob(".artifact-*"))
    assert "64 hexadecimal" in fabric.run("artifact", "get", "f00", str(copy), exits=2).stderr
    assert "folder" in fabric.run("artifact", "get", "0" * 64, str(fabric.folder), exits=2).stderr
    nowhere = str(fabric.folder / "no" / "such" / "file")
    assert "cannot be written" in fabric.run("artifact", "get", "0" * 64, nowhere, exits=2).stderr
    assert "does not exist" in fabric.run("artifact", "put", nowhere, exits=2).stderr
