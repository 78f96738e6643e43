"""Tools of MCP servers as skills of the device (extra ``mcp``, the SDK's own client).

`server` keeps one server running and its tools published, `tools` makes a skill of a tool, and
`results` plain data of what a tool returns.
"""

from .server import ToolServer

__all__ = ["ToolServer"]
