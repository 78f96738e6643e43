"""The frames of UFO³'s protocol: JSON text, one kind from clients and one from servers.

Only ``type`` and ``status`` must be there; real peers send every field, with nulls, and unknown
fields are ignored. What is written here has every field too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from constellation.errors import RemoteProtocolError

Status = Literal["continue", "completed", "failed", "ok", "error"]
ClientRole = Literal["device", "constellation"]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Result(_Wire):
    """What a device says of one command."""

    status: Literal["success", "failure", "skipped", "none"]
    error: str | None = None
    result: Any = None
    namespace: str | None = None
    call_id: str | None = None


class Command(_Wire):
    """A call of one of a device's tools."""

    tool_name: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    tool_type: Literal["data_collection", "action"]
    call_id: str


class ClientMessage(_Wire):
    """From a device or a constellation client to a server."""

    type: Literal[
        "task",
        "heartbeat",
        "command_results",
        "error",
        "register",
        "task_end",
        "device_info_request",
        "device_info_response",
    ]
    status: Status
    client_type: ClientRole = "device"
    session_id: str | None = None
    task_name: str | None = None
    client_id: str | None = None
    target_id: str | None = None
    request: str | None = None
    action_results: tuple[Result, ...] | None = None
    timestamp: str | None = None
    request_id: str | None = None
    prev_response_id: str | None = None
    error: str | None = None
    metadata: dict[str, Any] | None = None


class ServerMessage(_Wire):
    """From a server to its clients."""

    type: Literal[
        "task",
        "heartbeat",
        "task_end",
        "command",
        "error",
        "device_info_request",
        "device_info_response",
    ]
    status: Status
    user_request: str | None = None
    agent_name: str | None = None
    process_name: str | None = None
    root_name: str | None = None
    actions: tuple[Command, ...] | None = None
    messages: tuple[Any, ...] | None = None
    error: str | None = None
    session_id: str | None = None
    task_name: str | None = None
    timestamp: str | None = None
    response_id: str | None = None
    result: Any = None


class ToolInfo(_Wire):
    """A tool, as a device's ``list_tools`` tells it."""

    tool_name: str
    tool_type: Literal["data_collection", "action"] = "action"
    description: str | None = None
    input_schema: dict[str, Any] = Field(default_factory=lambda: {"type": "object"})
    output_schema: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None


M = TypeVar("M", bound=BaseModel)


def read(kind: type[M], frame: str | bytes) -> M:
    """A frame of a peer as a message.

    Raises:
        RemoteProtocolError: it is binary, no JSON or no such message.
    """
    if isinstance(frame, bytes):
        raise RemoteProtocolError("A UFO³ peer sent a binary frame; its frames are text.")
    try:
        return kind.model_validate_json(frame)
    except ValidationError as error:
        raise _wrong(kind, error) from None


def read_tools(result: Any) -> list[ToolInfo]:
    """The tools that a ``list_tools`` command returned.

    Raises:
        RemoteProtocolError: it returned something else.
    """
    if not isinstance(result, list):
        raise RemoteProtocolError("A UFO³ device listed its tools in something that is no list.")
    try:
        return [ToolInfo.model_validate(each) for each in result]
    except ValidationError as error:
        raise _wrong(ToolInfo, error) from None


def stamp(unix_s: float) -> str:
    """A time as the frames tell it."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat()


def _wrong(kind: type[BaseModel], error: ValidationError) -> RemoteProtocolError:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"])) or "frame"
    return RemoteProtocolError(
        f"A UFO³ peer sent no {kind.__name__}: {where}: {first['msg']}.",
        remedy="Check that it is a peer of UFO³, of a version that is supported.",
    )
