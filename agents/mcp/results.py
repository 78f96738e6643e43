"""What a tool returned, as plain data; bytes become artifacts of the fabric."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from mimetypes import guess_extension
from typing import Any

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)

from ..context import Context
from ..errors import ToolFailed

MAX_REASON = 4000

OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "All text that the tool returned."},
        "items": {
            "type": "array",
            "description": "What is no text: artifacts of the fabric, and links.",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"type": "string"},
                    "mime_type": {"type": "string"},
                    "artifact": {"type": "string", "description": "SHA-256 of its bytes."},
                    "size_bytes": {"type": "integer"},
                    "uri": {"type": "string"},
                },
                "required": ["type"],
            },
        },
    },
    "required": ["text", "items"],
}
"""The result of a tool that declares none."""


async def read_result(name: str, result: CallToolResult, context: Context) -> Any:
    """The result of a task: the tool's structured content, else its text and `OUTPUT`'s items.

    Items beside structured content have no place in the result that the tool declares: they are
    sent as partial output in the channel ``items``.

    Raises:
        ToolFailed: the tool says that it failed, or sent bytes that cannot be read.
    """
    if result.is_error:
        raise ToolFailed(
            f"{name} failed: {_text(result.content)[:MAX_REASON] or 'it does not say why'}",
            remedy="Read what it says, and give it other arguments.",
            skill=name,
        )
    items = [item for block in result.content if (item := await _item(name, block, context))]
    if result.structured_content is None:
        return {"text": _text(result.content), "items": items}
    for item in items:
        context.output(item, "items")
    return result.structured_content


def _text(content: Sequence[ContentBlock]) -> str:
    return "\n".join(filter(None, map(_text_of, content)))


def _text_of(block: ContentBlock) -> str:
    if isinstance(block, TextContent):
        return block.text
    if isinstance(block, EmbeddedResource) and not isinstance(block.resource, BlobResourceContents):
        return block.resource.text
    return ""


async def _item(name: str, block: ContentBlock, context: Context) -> dict[str, Any] | None:
    match block:
        case ImageContent() | AudioContent():
            return await _artifact(name, block.type, block.data, block.mime_type, context)
        case EmbeddedResource(resource=BlobResourceContents() as blob):
            item = await _artifact(name, "resource", blob.blob, blob.mime_type or "", context)
            return {**item, "uri": str(blob.uri)}
        case ResourceLink():
            return {"type": "link", "mime_type": block.mime_type or "", "uri": str(block.uri)}
    return None


async def _artifact(
    name: str, type: str, encoded: str, mime_type: str, context: Context
) -> dict[str, Any]:
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ToolFailed(
            f"{name} returned an {type} that is no base64: {error}.",
            remedy="Its server is wrong: update it.",
            skill=name,
        ) from None
    digest, size = await context.put_bytes(data, f"{type}{guess_extension(mime_type) or ''}")
    return {"type": type, "mime_type": mime_type, "artifact": digest, "size_bytes": size}
