from __future__ import annotations

import math
from typing import Any

import pytest

from constellation.aip.limits import Limits
from constellation.aip.messages import TYPES, Hello, schema
from constellation.errors import RemoteProtocolError


def test_each_side_has_its_messages() -> None:
    senders = {name: kind.senders for name, kind in TYPES.items()}
    assert senders["assign"] == {"hub"}
    assert senders["result"] == {"device"}
    assert senders["request"] == {"client"}
    assert senders["open"] == {"hub", "device", "client"}


def test_only_what_may_be_lost_or_repeated_is_unnumbered() -> None:
    unnumbered = {name for name, kind in TYPES.items() if not kind.numbered}
    assert unnumbered == {"hello", "welcome", "error", "ping", "pong", "bye", "data", "window"}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("assign", {"attempt": "c/t/1", "skill": "s", "arguments": {}}),
        ("assign", {"attempt": "c/t/1", "skill": "s", "arguments": {}, "timeout_s": None}),
        ("assign", {"attempt": "c/t/1", "skill": "s", "arguments": {}, "from the future": [1]}),
        ("result", {"attempt": "c/t/1", "state": "failed", "error": {"code": "task.failed"}}),
        ("result", {"attempt": "c/t/1", "state": "completed", "output": None, "duration_s": 1}),
        ("drain", {}),
        ("close", {"stream": 1, "error": None}),
        ("answer", {"attempt": "c/t/1", "question": "q", "answer": None}),
    ],
)
def test_bodies_that_fit(name: str, body: Any) -> None:
    assert TYPES[name].check(body) is None


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("drain", [], "the body is no object"),
        ("assign", {"attempt": "c/t/1", "skill": "s"}, "arguments is missing"),
        ("assign", {"attempt": 1, "skill": "s", "arguments": {}}, "attempt is not text"),
        ("assign", {"attempt": None, "skill": "s", "arguments": {}}, "attempt is not text"),
        (
            "assign",
            {"attempt": "a", "skill": "s", "arguments": {}, "idempotent": 1},
            "idempotent is not true or false",
        ),
        (
            "assign",
            {"attempt": "a", "skill": "s", "arguments": {}, "timeout_s": math.nan},
            "timeout_s is not a number",
        ),
        ("ping", {"t0": True}, "t0 is not a number"),
        ("ping", {"t0": math.inf}, "t0 is not a number"),
        ("accept", {"attempts": ["a", 1]}, "attempts is not a list of texts"),
        ("output", {"attempt": "a", "index": -1, "data": 1}, "index is not an integer of 0 or"),
        ("output", {"attempt": "a", "index": True, "data": 1}, "index is not an integer of 0 or"),
        ("result", {"attempt": "a", "state": "done"}, "state is not completed, failed or"),
        ("result", {"attempt": "a", "state": []}, "state is not completed, failed or"),
        ("result", {"attempt": "a", "state": "failed", "error": "x"}, "error is not an error"),
        ("reject", {"attempt": "a", "error": {}}, "error is not an error"),
        ("open", {"stream": 1, "qos": "best"}, "qos is not reliable, latest or deadline"),
        ("data", {"stream": 1, "payload": "text"}, "payload is not bytes"),
        (
            "input_required",
            {"attempt": "a", "question": {"id": "q", "kind": "riddle", "prompt": "?"}},
            "question is not a question",
        ),
        (
            "input_required",
            {"attempt": "a", "question": {"id": "q", "kind": [], "prompt": "?"}},
            "question is not a question",
        ),
    ],
)
def test_bodies_that_do_not_fit_are_told_apart(name: str, body: Any, problem: str) -> None:
    assert str(TYPES[name].check(body)).startswith(problem)


def test_the_schema_defines_every_type() -> None:
    assert set(schema()["$defs"]) == set(TYPES)


HELLO = {"version": [1], "role": "device", "name": "desk"}


def test_a_hello_is_read() -> None:
    hello = Hello.read({**HELLO, "session": {"id": "s", "token": "t"}, "running": ["c/t/1"]})
    assert (hello.version, hello.role, hello.received) == ((1,), "device", 0)
    assert hello.session is not None
    assert hello.session.token.get_secret_value() == "t"
    assert hello.running == ("c/t/1",)


def test_a_single_version_is_a_list_of_one() -> None:
    assert Hello.read({**HELLO, "version": 1}).version == (1,)


def test_secrets_of_a_hello_are_not_printed() -> None:
    hello = Hello.read({**HELLO, "credential": "hush", "session": {"id": "s", "token": "hush"}})
    assert "hush" not in repr(hello)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"version": None}, "version"),
        ({"version": "1"}, "version"),
        ({"role": "king"}, "role"),
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "../up"}, "name"),
        ({"card": {"no": "name"}}, "card"),
        ({"session": {"id": "s"}}, "session"),
        ({"pair": {"code": ""}}, "pair"),
        ({"received": -1}, "received"),
        ({"running": [1]}, "running"),
        ({"held": "c/t/1"}, "held"),
    ],
)
def test_a_wrong_hello_names_its_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(RemoteProtocolError, match=f"hello: {field}") as caught:
        Hello.read({**HELLO, **wrong})
    assert caught.value.details["field"].startswith(field)


def test_limits_go_over_the_wire_and_defaults_fill_them_up() -> None:
    assert Limits.from_wire(Limits(max_batch=7).to_wire()) == Limits(max_batch=7)
    assert Limits.from_wire({"max_batch": 7, "unknown": 1}) == Limits(max_batch=7)
    assert Limits.from_wire(None) == Limits()


@pytest.mark.parametrize(
    "data",
    [[], "all", {"max_batch": 0}, {"max_batch": "many"}, {"max_frame": 100}, {"max_body": 10}],
    ids=repr,
)
def test_limits_that_are_none_are_refused(data: Any) -> None:
    with pytest.raises(RemoteProtocolError, match="limits"):
        Limits.from_wire(data)
