"""An MCP server of 2025 in plain JSON-RPC: it knows the handshake alone, and tells changes unasked.

The SDK's server speaks the newer protocol to whoever asks for it, so this one is written by hand.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

TOOLS = ["pid"]


def say(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def listing(cursor: str | None) -> dict[str, Any]:
    """One tool on each page."""
    page = int(cursor or 0)
    tools = [{"name": TOOLS[page], "inputSchema": {"type": "object"}}]
    more = {"nextCursor": str(page + 1)} if page + 1 < len(TOOLS) else {}
    return {"tools": tools, **more}


for line in sys.stdin:
    asked = json.loads(line)
    params = asked.get("params") or {}
    match asked["method"]:
        case "initialize":
            about = {"name": "old", "version": "1"}
            capabilities = {"tools": {"listChanged": True}}
            result = {"protocolVersion": "2025-06-18", "capabilities": capabilities}
            say(id=asked["id"], result={**result, "serverInfo": about})
        case "tools/list":
            say(id=asked["id"], result=listing(params.get("cursor")))
        case "tools/call":
            TOOLS.append("second")
            say(method="notifications/tools/list_changed")
            content = [{"type": "text", "text": str(os.getpid())}]
            say(id=asked["id"], result={"content": content})
        case _ if "id" in asked:
            say(id=asked["id"], error={"code": -32601, "message": "Method not found"})
