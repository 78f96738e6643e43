"""Write the generated parts of the documentation; ``--check`` says whether they are current.

- ``aip-v1.schema.json``: the JSON Schema of a frame, from the table of messages.
- ``states/*.md``: state diagrams, from the transition tables.
- ``../tests/vectors/frames.json``: golden frames, one for each type of message, in both codecs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.voice.phases import TRANSITIONS as CONVERSATION
from agents.voice.playback import TRANSITIONS as PLAYBACK
from constellation.aip.codec import JSON, MSGPACK
from constellation.aip.messages import TYPES, schema
from constellation.aip.session import TRANSITIONS as SESSION
from constellation.graph.states import TRANSITIONS as TASK
from constellation.orchestrator.device import TRANSITIONS as DEVICE

DOCS = Path(__file__).parent
VECTORS = DOCS.parent / "tests" / "vectors" / "frames.json"

BODIES: dict[str, dict[str, Any]] = {
    "hello": {
        "version": [1],
        "role": "device",
        "name": "desk",
        "card": {"name": "desk", "skills": [{"name": "echo", "effect": "read"}], "capacity": 4},
        "received": 0,
        "limits": {"max_frame": 65536},
        "running": ["c-1/a/1"],
        "held": [],
    },
    "welcome": {
        "version": 1,
        "session": {"id": "s1", "token": "secret"},
        "resumed": False,
        "received": 0,
        "heartbeat_s": 10.0,
        "grace_s": 60.0,
        "name": "desk",
        "hub": "hub",
    },
    "error": {"code": "protocol.remote", "message": "assign: attempt is missing."},
    "ping": {"t0": 1.5},
    "pong": {"t0": 1.5, "t1": 101.25, "t2": 101.25},
    "bye": {"reason": "the agent was stopped"},
    "assign": {
        "attempt": "c-1/a/1",
        "skill": "files.read",
        "arguments": {"path": "notes.txt"},
        "timeout_s": 30.0,
        "idempotent": True,
        "context": {"constellation": "c-1", "task": "a", "name": "read the notes"},
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    },
    "cancel": {"attempt": "c-1/a/1", "reason": "canceled on request"},
    "answer": {"attempt": "c-1/a/1", "question": "q1", "answer": True},
    "accept": {"attempts": ["c-1/a/1", "c-1/b/1"]},
    "reject": {
        "attempt": "c-1/a/1",
        "error": {"code": "task.rejected", "message": "There is no skill 'fly'."},
    },
    "progress": {"attempt": "c-1/a/1", "fraction": 0.25, "message": "one of four"},
    "output": {"attempt": "c-1/a/1", "index": 0, "channel": "stdout", "data": "grüße\n"},
    "read": {"attempt": "c-1/b/1", "task": "a", "index": 7, "source": "c-1/a/2"},
    "unread": {
        "attempt": "c-1/b/1",
        "task": "a",
        "error": {"code": "protocol.limit", "message": "Too many streams are open."},
    },
    "input_required": {
        "attempt": "c-1/a/1",
        "question": {"id": "q1", "kind": "approval", "prompt": "Run `rm x`?"},
    },
    "result": {
        "attempt": "c-1/a/1",
        "state": "completed",
        "output": {"text": "hello", "size": 5, "parts": [1, 2.5, None, True]},
        "duration_s": 0.125,
    },
    "card": {"card": {"name": "desk", "skills": [], "capacity": 0}},
    "have": {"hashes": ["0" * 64]},
    "drain": {},
    "request": {"id": "r1", "verb": "list", "params": {"all": True}},
    "response": {"id": "r1", "result": {"constellations": []}},
    "event": {
        "subscription": "s1",
        "seq": 7,
        "time": 1795424564.5,
        "constellation": "c-1",
        "kind": "started",
        "body": {"task": "a", "attempt": 1, "device": "desk"},
    },
    "artifact_put": {"hash": "0" * 64, "size": 11, "stream": 1, "name": "notes.txt"},
    "artifact_get": {"id": "g1", "hash": "0" * 64},
    "artifact": {"id": "g1", "hash": "0" * 64, "size": 11, "stream": 2},
    "open": {"stream": 1, "qos": "deadline", "deadline_ms": 80.0, "label": "camera"},
    "close": {"stream": 1},
    "data": {"stream": 1, "offset": 0, "payload": b"\x00bytes\xff", "last": True},
    "window": {"stream": 1, "offset": 7, "limit": 1048576},
}


def vectors() -> str:
    """Golden frames: the acknowledgement 5 and one message each."""
    rows = []
    for name, body in BODIES.items():
        seq = 9 if TYPES[name].numbered else 0
        packed = MSGPACK.join(5, [MSGPACK.encode(name, seq, body)])
        text = JSON.join(5, [JSON.encode(name, seq, body)])
        rows.append({"type": name, "json": text, "msgpack": packed.hex()})
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def diagram(title: str, table: Mapping[Any, Mapping[str, Any]], first: str) -> str:
    """A state diagram in Mermaid."""
    lines = [f"# {title}", "", "Generated from the transition table by `docs/generate.py`.", ""]
    lines += ["```mermaid", "stateDiagram-v2", f"    [*] --> {_id(first)}"]
    for state, arrows in table.items():
        together: dict[str, list[str]] = {}
        for event, following in arrows.items():
            together.setdefault(str(following), []).append(event)
        lines += [
            f"    {_id(state)} --> {_id(following)}: {', '.join(events)}"
            for following, events in together.items()
        ]
    return "\n".join([*lines, "```", ""])


def _id(state: Any) -> str:
    return str(state).replace("-", "_")


def generated() -> dict[Path, str]:
    """Every generated file with its content."""
    return {
        DOCS / "aip-v1.schema.json": json.dumps(schema(), indent=1) + "\n",
        DOCS / "states" / "session.md": diagram("An AIP session", SESSION, "idle"),
        DOCS / "states" / "task.md": diagram("A task", TASK, "submitted"),
        DOCS / "states" / "device.md": diagram("A device on the hub", DEVICE, "connected"),
        DOCS / "states" / "conversation.md": diagram(
            "A spoken conversation", CONVERSATION, "listening"
        ),
        DOCS / "states" / "playback.md": diagram("The playback of an answer", PLAYBACK, "waiting"),
        VECTORS: vectors(),
    }


def stale() -> list[Path]:
    """Generated files that are not what they should be."""
    return [
        path
        for path, content in generated().items()
        if not path.is_file() or path.read_text() != content
    ]


def main() -> int:
    if "--check" in sys.argv[1:]:
        found = stale()
        for path in found:
            sys.stderr.write(f"{path} is not current: run `python docs/generate.py`.\n")
        return 1 if found else 0
    for path, content in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
