"""The frames of UFO³, by golden ones."""

from __future__ import annotations

import json

import pytest
from ufo3_frames import (
    COMMAND,
    GALAXY_HEARTBEAT,
    GALAXY_REGISTER,
    GALAXY_TASK,
    INFO_REQUEST,
    INFO_RESPONSE,
    REGISTER,
    RESULTS,
    TASK_ACCEPTED,
    TASK_END,
    TOOLS,
)

from agents.ufo3.messages import ClientMessage, ServerMessage, read, read_tools
from agents.ufo3.tools import effect_of
from constellation.errors import RemoteProtocolError


@pytest.mark.parametrize(
    ("kind", "frame"),
    [
        (ClientMessage, REGISTER),
        (ClientMessage, RESULTS),
        (ClientMessage, GALAXY_REGISTER),
        (ClientMessage, GALAXY_HEARTBEAT),
        (ClientMessage, GALAXY_TASK),
        (ClientMessage, INFO_REQUEST),
        (ServerMessage, COMMAND),
        (ServerMessage, TASK_ACCEPTED),
        (ServerMessage, INFO_RESPONSE),
        (ServerMessage, TASK_END),
    ],
)
def test_a_real_frame_is_read_and_written_unchanged(
    kind: type[ClientMessage] | type[ServerMessage], frame: str
) -> None:
    assert json.loads(read(kind, frame).model_dump_json()) == json.loads(frame)


def test_two_fields_are_enough_and_unknown_ones_are_ignored() -> None:
    message = read(ClientMessage, '{"type": "heartbeat", "status": "ok", "mood": "sunny"}')
    assert message.client_type == "device"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("{junk", "Invalid JSON"),
        ('{"type": "bogus", "status": "ok"}', "type: Input should be"),
        ('{"type": "heartbeat"}', "status: Field required"),
        ('{"type": "error", "status": "ok", "metadata": 1}', "metadata"),
        (b"\x00", "binary"),
    ],
)
def test_what_is_no_message_is_refused_with_a_reason(frame: str | bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason):
        read(ClientMessage, frame)


def test_the_tools_of_a_device_are_read_and_count_as_dangerous_unless_they_say_else() -> None:
    echo, boom = read_tools(TOOLS)
    assert (echo.tool_name, boom.tool_name) == ("echo", "boom")
    assert effect_of(echo) == "dangerous"
    assert effect_of(echo.model_copy(update={"tool_type": "data_collection"})) == "read"
    assert effect_of(echo.model_copy(update={"annotations": {"readOnlyHint": True}})) == "read"
    mild = echo.model_copy(update={"annotations": {"destructiveHint": False}})
    assert effect_of(mild) == "write"


@pytest.mark.parametrize("result", ["none", None, [{"tool_type": "action"}], [1]])
def test_a_listing_that_is_none_is_refused(result: object) -> None:
    with pytest.raises(RemoteProtocolError):
        read_tools(result)
