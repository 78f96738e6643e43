"""Golden frames: other implementations may rely on exactly these bytes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest

from constellation.aip.codec import JSON, MSGPACK
from constellation.aip.limits import Limits
from constellation.aip.messages import TYPES

ROOT = Path(__file__).parents[2]
ROWS: list[dict[str, Any]] = json.loads((ROOT / "tests/vectors/frames.json").read_text())


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_documents_are_current(generator: ModuleType) -> None:
    assert generator.stale() == []


def test_there_is_a_vector_for_each_type() -> None:
    assert [row["type"] for row in ROWS] == list(TYPES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["type"])
def test_both_codecs_read_and_write_exactly_these_bytes(row: dict[str, Any]) -> None:
    ack, messages = MSGPACK.decode(bytes.fromhex(row["msgpack"]), Limits())
    assert (ack, messages) == JSON.decode(row["json"], Limits())
    message = messages[0]
    assert message.type == row["type"]
    assert TYPES[message.type].check(message.body) is None
    assert MSGPACK.join(ack, [MSGPACK.encode(*message)]).hex() == row["msgpack"]
    assert JSON.join(ack, [JSON.encode(*message)]) == row["json"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["type"])
def test_the_schema_accepts_them_and_refuses_them_without_a_required_field(
    row: dict[str, Any],
) -> None:
    schema = json.loads((ROOT / "docs/aip-v1.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    frame = json.loads(row["json"])
    validator.validate(frame)
    for name in TYPES[row["type"]].required:
        broken = json.loads(row["json"])
        del broken[1][2][name]
        assert not validator.is_valid(broken), name
        assert TYPES[row["type"]].check(broken[1][2]) is not None


def test_every_message_is_described_in_the_specification() -> None:
    text = (ROOT / "docs/protocol.md").read_text()
    for name, kind in TYPES.items():
        assert f"`{name}`" in text, name
        for field in (*kind.required, *kind.optional):
            assert f"`{field}`" in text, (name, field)
