"""Which artifacts an output names, and what they are called."""

from __future__ import annotations

from typing import Any

import pytest

from constellation.telling.artifacts import Artifact, artifacts_in

HASH, OTHER = "a" * 64, "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (None, []),
        ("a" * 64, []),
        ({"hash": "short"}, []),
        ({"hash": "A" * 64}, []),
        ({"hash": HASH}, [Artifact(HASH)]),
        ({"hash": HASH, "size_bytes": 7, "name": "a.csv"}, [Artifact(HASH, "a.csv", 7)]),
        ({"hash": HASH, "path": "/x/a.csv", "size_bytes": "7"}, [Artifact(HASH, "/x/a.csv")]),
        ([{"hash": HASH}, {"more": [{"hash": OTHER}]}], [Artifact(HASH), Artifact(OTHER)]),
        ([{"hash": HASH}, {"hash": HASH}], [Artifact(HASH)]),
    ],
)
def test_what_an_output_names(output: Any, found: list[Artifact]) -> None:
    assert artifacts_in(output) == found


@pytest.mark.parametrize(
    ("path", "file_name", "name"),
    [
        ("", HASH[:12], HASH),
        ("../../etc/passwd", "passwd", "passwd"),
        ("C:\\photos\\a.jpg", "a.jpg", "a.jpg"),
        ("..", HASH[:12], HASH[:12]),
        ("folder/", HASH[:12], HASH[:12]),
    ],
)
def test_a_file_of_it_lies_in_no_folder_of_its_own(path: str, file_name: str, name: str) -> None:
    artifact = Artifact(HASH, path)
    assert (artifact.file_name, artifact.name) == (file_name, name)
