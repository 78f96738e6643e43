"""What others' protocols bring in, for the fuzzer: their frames, read by our readers."""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import json
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_mutation import BYTES, TEXTS, Corpus, documents
from fuzz_target import Hit, Target

from agents.robot.policies import messages as openpi
from agents.robot.policies.questions import Question
from agents.robot.policies.wire import packed, unpacked
from agents.robot.ports import Observation, PolicySpec, Semantics
from agents.ufo3.device import ToolDevice
from agents.ufo3.messages import ClientMessage, ServerMessage, read, read_tools
from agents.ufo3.tools import make_skill
from agents.voice.ports import Models, Said, Speech, Working
from agents.voice.sound import Samples
from constellation.bridges.chat import Asked
from constellation.errors import ProtocolError, SkillError

TESTS = Path(__file__).parents[1]


def _module(path: str) -> Any:
    """A module of the tests that is on no path."""
    file = TESTS / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ── UFO³ ────────────────────────────────────────────────────────────────────────────────────────


def ufo3_gateway() -> Hit:
    """A device client's frames at the server that it dialed."""
    device = ToolDevice("ufo_dev_1", {}, None)  # type: ignore[arg-type]

    def hit(data: bytes) -> bool:
        answer = device.received(data.decode("utf-8", "replace"))
        return answer is None or answer.type != "error"

    return hit


def ufo3_server() -> Hit:
    """A server's frames at our client, and the tools that they list."""

    async def call(*_: Any) -> None: ...

    def hit(data: bytes) -> bool:
        text = data.decode("utf-8", "replace")
        try:
            message = read(ServerMessage, text)
            read(ClientMessage, message.model_dump_json().replace('"command"', '"task"'))
            for tool in read_tools(message.result):
                make_skill("dev", tool, call)
        except (ProtocolError, SkillError):
            return False
        return True

    return hit


def _ufo3_seeds() -> list[bytes]:
    frames = _module("agents/ufo3/ufo3_frames.py")
    seeds = [text.encode() for text in vars(frames).values() if str(text).startswith('{"')]
    tool = {
        "tool_name": "click",
        "tool_type": "action",
        "description": "Click.",
        "input_schema": {"type": "object", "properties": {"x": {"type": "integer"}}},
        "annotations": {"readOnlyHint": True},
    }
    listed = {
        "type": "task_end",
        "status": "completed",
        "result": [tool, tool | {"tool_name": "b"}],
    }
    return [*seeds, json.dumps(listed).encode()]


# ── policies of robots ──────────────────────────────────────────────────────────────────────────


def openpi_messages() -> Hit:
    """Both directions of openpi's protocol."""

    def hit(data: bytes) -> bool:
        try:
            message = unpacked(data)
        except ProtocolError:
            return False
        good = False
        for reader in (openpi.question_of, openpi.spec_of, partial(openpi.actions_of, request=7)):
            try:
                reader(message)
                good = True
            except ProtocolError:
                continue
        openpi.within_of(message, 1.0)
        return good

    return hit


def _openpi_seeds() -> list[bytes]:
    state = np.arange(3, dtype=np.float32)
    image = np.zeros((2, 2, 3), np.uint8)
    observation = Observation(1.5, state, {"observation/image": image}, "pick")
    question = Question(observation, state, 3, np.zeros((2, 3), np.float32))
    spec = PolicySpec("arm", 50.0, 24, 3, Semantics.VELOCITY, takes_delay=True)
    answer = {openpi.ACTIONS: np.zeros((4, 3)), openpi.REQUEST: 7, "policy_timing": {"s": 0.5}}
    told = (openpi.question_message(question, 7, 0.5), openpi.spec_message(spec), answer)
    return [packed(each) for each in told]


def lerobot_messages() -> Hit:
    """LeRobot's pickles, which are read and never loaded."""
    from agents.robot.policies.lerobot.messages import chunk_of, seen_of, wanted_of

    def hit(data: bytes) -> bool:
        good = False
        for reader in (seen_of, chunk_of, wanted_of):
            try:
                reader(data)
                good = True
            except ProtocolError:
                continue
        return good

    return hit


# ── Wyoming ─────────────────────────────────────────────────────────────────────────────────────


class _Words:
    """Models and a mind that cost nothing."""

    def transcribe(self, sound: Samples) -> str:
        return f"{len(sound)} samples"

    def complete(self, sound: Samples) -> float:
        return 1.0

    def say(self, text: str) -> Speech:
        return Speech(np.zeros(min(len(text), 100), np.float32), ())

    def answer(
        self, prompt: str, context: Sequence[Said], sound: Samples | None = None
    ) -> Iterator[str | Working]:
        yield prompt[:20]


class _Line(asyncio.Transport):
    """Where a connection's answers go."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0
        self._closing = False

    def write(self, data: Any) -> None:
        self.written += len(data)

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.write(data)

    def close(self) -> None:
        self._closing = True

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@cache
def loop() -> asyncio.AbstractEventLoop:
    """The loop of all targets that need one; what it is told of is a defect."""
    made = asyncio.new_event_loop()
    atexit.register(made.close)

    def told(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        faults.append(context)

    made.set_exception_handler(told)
    return made


faults: list[dict[str, Any]] = []


def run(coroutine: Any) -> Any:
    """Run something to its end on `loop`.

    Raises:
        RuntimeError: the loop was told of a fault.
    """
    found = loop().run_until_complete(coroutine)
    if faults:
        context = faults.pop()
        raise RuntimeError(str(context)) from context.get("exception")
    return found


def wyoming_connection() -> Hit:
    """All that a connection says, from its first byte to its last."""
    from agents.voice.wyoming import READ_LIMIT, Assistant, serve_one

    words = _Words()
    assistant = Assistant(Models(words, words, words), words)

    async def talk(data: bytes) -> int:
        reader = asyncio.StreamReader(READ_LIMIT)
        protocol = asyncio.StreamReaderProtocol(reader)
        line = _Line()
        writer = asyncio.StreamWriter(line, protocol, reader, asyncio.get_running_loop())
        reader.set_transport(line)
        reader.feed_data(data)
        reader.feed_eof()
        await serve_one(assistant, reader, writer)
        assert line.is_closing(), "the connection is left open"
        return line.written

    def hit(data: bytes) -> bool:
        return bool(run(talk(data)))

    return hit


def _wyoming_seeds() -> list[bytes]:
    def event(kind: str, data: dict[str, Any], payload: bytes = b"", inline: bool = False) -> bytes:
        head: dict[str, Any] = {"type": kind}
        if payload:
            head["payload_length"] = len(payload)
        if inline:
            return json.dumps(head | {"data": data}).encode() + b"\n" + payload
        body = json.dumps(data).encode()
        return json.dumps(head | {"data_length": len(body)}).encode() + b"\n" + body + payload

    form = {"rate": 16_000, "width": 2, "channels": 1}
    start = event("audio-start", form)
    chunk = event("audio-chunk", form, b"\1\0" * 40)
    return [
        event("describe", {}),
        event("describe", {}, inline=True) * 3,
        start + chunk + chunk + event("audio-stop", {}),
        event("audio-start", form | {"rate": 8_000}, inline=True)
        + event("audio-chunk", form | {"rate": 8_000, "channels": 2}, b"\1\0" * 40, inline=True)
        + event("audio-stop", {"timestamp": 3}),
        event("synthesize", {"text": "hello", "voice": {"name": "joe"}}),
        event("transcript", {"text": "do it"}, inline=True),
        event("transcribe", {"language": "en"}),
    ]


# ── chats ───────────────────────────────────────────────────────────────────────────────────────


def chat_body() -> Hit:
    """A request of a chat frontend that shows no credential, whatever else it says."""
    from constellation.bridges.openai import chat_app

    app = chat_app("ws://127.0.0.1:9/aip")

    async def post(data: bytes) -> int:
        status = 0

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "headers": [(b"content-type", b"application/json")],
            "query_string": b"",
        }
        await app(scope, receive, send)
        return status

    def hit(data: bytes) -> bool:
        Asked.read(data.decode("utf-8", "replace"))
        status = run(post(data))
        assert status in (400, 401, 404, 413), f"it answers {status}"
        return status == 401

    return hit


def chat_seeds() -> list[bytes]:
    """Requests of chat frontends."""
    said = [
        {"role": "system", "content": "Be short."},
        {"role": "assistant", "content": "[answers c-1?task=a&question=q&after=3]"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "show"}, {"type": "text", "text": "x"}],
        },
    ]
    bodies = [
        {"model": "constellation", "messages": said, "stream": True, "temperature": 0.5},
        {"model": "constellation", "messages": [*said[:1], {"role": "user", "content": "read a"}]},
        {"model": "gpt", "messages": [{"role": "user", "content": None}]},
    ]
    return [json.dumps(body).encode() for body in bodies]


ASKED = (b"\n[answers c-1?task=a&question=q&after=3]", b"hello\n[answers c?task=a%20b&after=0]")


def targets() -> list[Target]:
    """All of them for which what they need is installed."""
    texts = (*TEXTS, *BYTES[:4])
    ufo3, chats = Corpus(_ufo3_seeds(), texts, untouched=3), chat_seeds()
    spoiled = partial(documents, ufo3.seeds, 128)
    found = [
        Target("bridge-ufo3-gateway", ufo3, ufo3_gateway, 2.0, fresh=spoiled),
        Target("bridge-ufo3-server", ufo3, ufo3_server, 2.0, fresh=spoiled),
        Target("bridge-openpi", Corpus(_openpi_seeds(), BYTES), openpi_messages, 4.0),
        Target(
            "bridge-chat",
            Corpus([*chats, *ASKED], texts, untouched=3),
            chat_body,
            0.5,
            500,
            partial(documents, chats, 64),
        ),
    ]
    pickles = sorted((TESTS / "vectors" / "lerobot").glob("*.pickle"))
    found.append(
        Target(
            "bridge-lerobot",
            Corpus([each.read_bytes() for each in pickles], BYTES),
            lerobot_messages,
            0.5,
        )
    )
    if importlib.util.find_spec("wyoming"):
        corpus = Corpus(_wyoming_seeds(), (*texts, b"\n", b"99999999999"))
        found.append(Target("bridge-wyoming", corpus, wyoming_connection, 0.5, 500))
    return found
