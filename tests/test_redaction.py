from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from constellation.logs import JsonLines, PlainLines
from constellation.redaction import HIDDEN, redact, secrets_in, without_credentials
from constellation.telling.text import clean
from constellation.telling.values import one_line

SEAL = "[sealed:v1:QUJDREVGRw==]"
CREDENTIALS = [
    "cst_0123456789ab_" + "x" * 43,
    "sk-proj-" + "a1" * 20,
    "ghp_" + "A1" * 18,
    "github_pat_" + "a" * 30,
    "glpat-" + "a" * 20,
    "xoxb-1234567890-abcdef",
    "AKIA" + "ABCD1234" * 2,
    "AIza" + "x" * 35,
    "hf_" + "a" * 34,
    "npm_" + "a" * 36,
    "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE-not-a-real-one\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("secret", CREDENTIALS)
def test_what_looks_like_a_credential_is_hidden(secret: str) -> None:
    assert redact(f"token {secret} it is") == f"token {HIDDEN} it is"


def test_credentials_in_headers_and_addresses_are_hidden() -> None:
    assert redact("Authorization: Bearer abcdefgh12345678==") == f"Authorization: Bearer {HIDDEN}"
    assert redact("see https://me:pass@host/x") == f"see https://{HIDDEN}@host/x"


@pytest.mark.parametrize(
    "text",
    ["", "a task-list", "sk-short", "ask-me-anything", "http://host:80/x@y", "the bearer of news"],
)
def test_what_is_none_is_left(text: str) -> None:
    assert redact(text) is text or redact(text) == text


@given(st.lists(st.sampled_from([*CREDENTIALS, SEAL, "://a:b@", "Bearer ", "[sealed:v1:", " x "])))
def test_nothing_is_left_of_them_in_any_company(parts: list[str]) -> None:
    text = " ".join(parts)
    told = redact(text)
    assert not any(secret in told for secret in CREDENTIALS)
    assert SEAL not in told
    assert redact(told) == told
    assert without_credentials(text, lambda found: found) == text


def test_logs_and_listings_hide_them() -> None:
    secret = CREDENTIALS[1]
    for formatter in (JsonLines(), PlainLines("%(message)s")):
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        try:
            raise ValueError(f"bad {secret}")
        except ValueError:
            record = logging.LogRecord("x", 30, "f", 1, "with %s", (secret,), None)
            record.exc_info = __import__("sys").exc_info()
        handler.emit(record)
        assert secret not in stream.getvalue()
        assert HIDDEN in stream.getvalue()
    assert secret not in one_line({"stdout": f"export KEY={secret}"})
    assert clean(f"pass {SEAL}") == f"pass {HIDDEN}"


class Inner(BaseModel):
    pin: SecretStr
    room: str


class Call(BaseModel):
    password: SecretStr
    user: str
    maybe: SecretStr | None = None
    locks: list[Inner] = []
    named: dict[str, SecretStr] = {}
    inner: Inner | None = None


def test_the_schemas_of_pydantic_mark_their_secrets() -> None:
    value = {
        "password": "p1",
        "user": "ada",
        "maybe": "p2",
        "locks": [{"pin": "p3", "room": "attic"}],
        "named": {"x": "p4"},
        "inner": {"pin": "p5", "room": "cellar"},
    }
    assert sorted(secrets_in(value, Call.model_json_schema())) == ["p1", "p2", "p3", "p4", "p5"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"properties": {"a": {"writeOnly": True}}}, [{"b": 1}]),
        ({"properties": {"a": {"properties": {"b": {"format": "password"}}}}}, [1]),
        ({"additionalProperties": {"writeOnly": True}}, [{"b": 1}]),
        ({"allOf": [{"properties": {"a": {"anyOf": [{"writeOnly": True}]}}}]}, [{"b": 1}]),
        (
            {"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"writeOnly": True}}},
            [{"b": 1}],
        ),
        ({"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}, []),
        ({"properties": {"a": {"$ref": "#/nowhere"}}}, []),
        ({"properties": {"a": True}}, []),
        ({"properties": 7, "anyOf": 3}, []),
        ({}, []),
    ],
)
def test_marks_are_found_where_schemas_have_them(schema: Any, expected: list[Any]) -> None:
    assert list(secrets_in({"a": {"b": 1}}, schema)) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["properties", "anyOf", "$ref", "items", "a"]), inner)
    ),
    max_leaves=12,
)


@given(JSON, st.dictionaries(st.sampled_from(["properties", "items", "a", "anyOf"]), JSON))
def test_no_schema_stumbles(value: Any, schema: dict[str, Any]) -> None:
    json.dumps(list(secrets_in(value, schema)))
