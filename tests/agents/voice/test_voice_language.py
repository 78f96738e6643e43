"""A language model as the mind, against a real server with a script."""

from __future__ import annotations

import base64
import io
import json
import wave
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
import pytest
from voices import Voice

from agents.voice.dialogue import Dialogue
from agents.voice.hands import Asked, Outcome
from agents.voice.language import LanguageMind
from agents.voice.models.loading import feelings_of
from agents.voice.pipelines import Pipeline
from agents.voice.ports import Said, Working
from agents.voice.sound import RATE_HZ, Samples
from constellation.errors import AudioError, ConfigError
from constellation.llm.chat import ModelUnavailable
from constellation.testing.chat_server import Reply, ScriptedServer, fails, says, scripted_server

pytest.importorskip("openai")


class Disk:
    """Hands that know how full the disk is, and ask before they clean it."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.replies: list[bool | str] = []

    def submit(self, request: str, within_s: float) -> tuple[str, str | None]:
        self.requests.append(request)
        return f"c-{len(self.requests)}", request

    def outcome(self, work: str, within_s: float) -> Outcome | Asked | None:
        if "clean" in self.requests[-1] and not self.replies:
            return Asked(work, "t", "q", "May it clean the disk?", approval=True)
        return Outcome("completed", {"percent": 51})

    def amend(self, work: str, request: str, within_s: float) -> str | None:
        return None

    def reply(self, asked: Asked, answer: bool | str) -> None:
        self.replies.append(answer)

    def cancel(self, work: str) -> None:
        pass

    def devices(self) -> Sequence[str]:
        return ["server"]


def calls(tool: str = "do", **arguments: str) -> Reply:
    """Stream a call of a tool, its arguments in two parts."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        text = json.dumps(arguments)
        first = {"index": 0, "id": "call-1", "function": {"name": tool, "arguments": text[:5]}}
        second = {"index": 0, "function": {"arguments": text[5:]}}
        for part in (first, second):
            choice = {"index": 0, "delta": {"tool_calls": [part]}, "finish_reason": None}
            head = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
            event = json.dumps({**head, "choices": [choice]})
            handler.wfile.write(f"data: {event}\n\n".encode())
        handler.wfile.write(b"data: [DONE]\n\n")

    return reply


def mind(server: ScriptedServer, disk: Disk) -> LanguageMind:
    return LanguageMind(Dialogue(disk), "m", base_url=server.url, api_key="none")


def test_answer_comes_in_pieces_and_knows_what_was_heard() -> None:
    context = [Said("person", "Hello."), Said("agent", "Good")]
    with scripted_server(says("It is half full. Anything else?")) as server:
        pieces = list(mind(server, Disk()).answer("How full is it?", context))
    assert len(pieces) > 3
    assert "".join(map(str, pieces)) == "It is half full. Anything else?"
    roles = [(each["role"], each["content"]) for each in server.asked[0]["messages"][1:]]
    assert roles == [("user", "Hello."), ("assistant", "Good"), ("user", "How full is it?")]


def test_devices_are_its_hands() -> None:
    disk = Disk()
    with scripted_server(calls(request="check the disk"), says("Half full.")) as server:
        pieces = list(mind(server, disk).answer("How full is it?", ()))
    assert pieces[:2] == [Working(True), Working(False)]
    assert "".join(map(str, pieces[2:])) == "Half full."
    assert disk.requests == ["check the disk"]
    call, result = server.asked[1]["messages"][-2:]
    assert json.loads(call["tool_calls"][0]["function"]["arguments"]) == {
        "request": "check the disk"
    }
    assert result == {"role": "tool", "tool_call_id": "call-1", "content": "51 percent."}


def test_nothing_is_done_before_it_says_that_it_works() -> None:
    disk = Disk()
    with scripted_server(calls(request="check the disk"), says("Half full.")) as server:
        answer = mind(server, disk).answer("How full is it?", ())
        assert next(answer) == Working(True)
        assert disk.requests == []


def test_approval_never_passes_through_the_model() -> None:
    disk = Disk()
    with scripted_server(calls(request="clean it"), says("May I?")) as server:
        of_model = mind(server, disk)
        list(of_model.answer("Clean it.", ()))
        pieces = list(of_model.answer("Yes.", ()))
        assert len(server.asked) == 2
    assert disk.replies == [True]
    assert pieces[-1] == "51 percent."


def test_stop_needs_no_model() -> None:
    with scripted_server() as server:
        assert list(mind(server, Disk()).answer("Stop!", ())) == ["Okay."]
        assert server.asked == []


def test_results_cannot_talk_it_into_another_request() -> None:
    disk = Disk()
    again = calls(request="clean the disk")
    with scripted_server(calls(request="check the disk"), again) as server:
        list(mind(server, disk).answer("How full is it?", ()))
    assert disk.requests == ["check the disk"]
    assert "tools" in server.asked[0]
    assert "tools" not in server.asked[1]


class Slow(Disk):
    """Its work does not end by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.canceled: list[str] = []

    def outcome(self, work: str, within_s: float) -> Outcome | Asked | None:
        return None

    def cancel(self, work: str) -> None:
        self.canceled.append(work)


def test_model_looks_stops_and_changes() -> None:
    slow = Slow()
    said = [
        calls(request="back up the photos"),
        calls(request="wait an hour"),
        calls("look"),
        calls("stop", work="wait"),
        calls("change", work="photos", request="back up the photos on server"),
        calls("change", work="films", request="nothing"),
        calls("reboot"),
    ]
    script = [reply for each in said for reply in (each, says("So it is."))]
    with scripted_server(*script) as server:
        of_model = mind(server, slow)
        for _ in said:
            list(of_model.answer("Do what you think is right.", ()))
        results = [each["messages"][-1]["content"] for each in server.asked[1::2]]
    assert results[2] == "Devices: server. I am still at it: back up the photos and wait an hour."
    assert results[3] == "I have stopped it: wait an hour."
    assert slow.canceled == ["c-2", "c-1"]
    assert slow.requests[-1] == "back up the photos on server"
    assert results[5].startswith("It is not clear which work is meant. I am still at it: back up")
    assert "There is no tool 'reboot'" in results[6]


@pytest.mark.parametrize("arguments", [{}, {"order": "check the disk"}])
def test_call_without_a_request_asks_for_nothing(arguments: dict[str, str]) -> None:
    disk = Disk()
    with scripted_server(calls(**arguments), says("What do you want?")) as server:
        list(mind(server, disk).answer("Do it.", ()))
    assert disk.requests == []


def test_model_that_fails() -> None:
    with (
        scripted_server(fails(400, "no such model")) as server,
        pytest.raises(ModelUnavailable, match="gave no answer"),
    ):
        list(mind(server, Disk()).answer("Hello", ()))


def test_key_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="cannot be used"):
        LanguageMind(Dialogue(), "m")


def last_content(server: ScriptedServer) -> Any:
    return server.asked[-1]["messages"][-1]["content"]


def test_model_is_told_how_it_was_said() -> None:
    voice = Voice(120, 1.0).says(2, seed=1)
    with scripted_server(says("Yes."), says("Yes."), says("Yes.")) as server:
        model = LanguageMind(
            Dialogue(Disk()), "m", pipeline=Pipeline.MANNER, base_url=server.url, api_key="none"
        )
        list(model.answer("Is it done already now?", [], voice))
        assert last_content(server) == "Is it done already now?"
        list(model.answer("Is it, um, done now?", [], voice / np.float32(4)))
        assert last_content(server) == "(softly, with hesitation) Is it, um, done now?"
        assert "In brackets" in server.asked[-1]["messages"][0]["content"]
        list(model.answer("Typed, not spoken.", []))
        assert last_content(server) == "Typed, not spoken."


class Mood:
    """Feels what it is told to."""

    def __init__(self, *moods: str | AudioError) -> None:
        self.moods = list(moods)

    def feeling(self, sound: Samples) -> str:
        mood = self.moods.pop(0)
        if isinstance(mood, AudioError):
            raise mood
        return mood


def test_model_is_told_what_is_felt_if_that_is_known() -> None:
    voice = Voice(120, 1.0).says(2, seed=1)
    mood = Mood("angry", "", AudioError("It is too short."))
    with scripted_server(says("Oh."), says("Oh."), says("Oh.")) as server:
        model = LanguageMind(
            Dialogue(Disk()),
            "m",
            pipeline=Pipeline.MANNER,
            feelings=mood,
            base_url=server.url,
            api_key="none",
        )
        for told in ("(angry) Is it done already now?", *2 * ("Is it done already now?",)):
            list(model.answer("Is it done already now?", [], voice))
            assert last_content(server) == told


def test_model_of_feelings_is_named() -> None:
    assert feelings_of("") is None
    assert isinstance(feelings_of(f"{__name__}:Mood"), Mood)
    for wrong in (
        "nonsense",
        "no.such.module:Mood",
        f"{__name__}:Temper",
        f"{__name__}:voice_rate",
    ):
        with pytest.raises(ConfigError, match="cannot be made"):
            feelings_of(wrong)


def test_model_that_hears_is_given_the_sound() -> None:
    voice = Voice(120, 1.0).says(1, seed=1)
    with scripted_server(says("Yes.")) as server:
        model = LanguageMind(
            Dialogue(Disk()), "m", pipeline=Pipeline.AUDIO, base_url=server.url, api_key="none"
        )
        list(model.answer("Is it done?", [Said("person", "Hello.")], voice))
    text, audio = last_content(server)
    assert text == {"type": "text", "text": "Is it done?"}
    assert audio["input_audio"]["format"] == "wav"
    with wave.open(io.BytesIO(base64.b64decode(audio["input_audio"]["data"]))) as file:
        assert (file.getframerate(), file.getnframes()) == (RATE_HZ, len(voice))
    # What was said before costs no second hearing.
    assert server.asked[0]["messages"][1]["content"] == "Hello."


def test_words_alone_are_the_default() -> None:
    voice = Voice(120, 1.0).says(1, seed=1)
    with scripted_server(says("Yes.")) as server:
        list(mind(server, Disk()).answer("Um, is it done?", [], voice))
    assert last_content(server) == "Um, is it done?"
    assert "brackets" not in server.asked[0]["messages"][0]["content"]


def test_long_conversation_is_summed_up() -> None:
    context = [Said("person", f"{n} " + "x" * 1_000) for n in range(8)]
    with scripted_server(says("One."), says("They spoke of x."), says("Two.")) as server:
        model = mind(server, Disk())
        list(model.answer("And now?", context))
        model.settle()
        list(model.answer("And now?", context))
    first, summary, second = (each["messages"] for each in server.asked)
    assert [each["content"][0] for each in first[1:-1]] == ["3", "4", "5", "6", "7"]
    assert "obey nothing" in summary[0]["content"]
    assert "person: 0 xxx" in summary[1]["content"]
    assert second[1]["role"] == "system"
    assert second[1]["content"].endswith("They spoke of x.")
    assert [each["content"][0] for each in second[2:-1]] == ["6", "7"]
