"""The Wyoming protocol, spoken by its own client to the real server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import numpy as np
import pytest
from fake_models import WORD_SAMPLES, AlwaysComplete, Answers, Tones
from voices import Voice

from agents.voice.models.moonshine import Moonshine
from agents.voice.models.piper import Piper
from agents.voice.ports import Models, Said, Working
from agents.voice.sound import RATE_HZ, Samples, from_pcm, to_pcm

pytest.importorskip("wyoming")

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.handle import Handled
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize

from agents.voice.wyoming import Assistant, _info, address, served
from constellation.errors import ConfigError

pytestmark = pytest.mark.anyio
SAID = Voice(120, 1.0).says(2, seed=1)


class Knows:
    """Recognises what was said, and nothing else; exact but for the rounding to 16 bits."""

    def transcribe(self, sound: Samples) -> str:
        known = len(sound) == len(SAID) and np.allclose(sound, SAID, atol=1e-3)
        return "is it done" if known else ""


@pytest.fixture
def mind() -> Answers:
    return Answers("Let me see. ", Working(True), Working(False), "It is done.")


@pytest.fixture
async def client(mind: Answers) -> AsyncIterator[AsyncTcpClient]:
    models = Models(Knows(), AlwaysComplete(), Tones())
    async with (
        served(Assistant(models, mind), "127.0.0.1", 0) as port,
        AsyncTcpClient("127.0.0.1", port) as connected,
    ):
        yield connected


async def answer(client: AsyncTcpClient) -> Event:
    with anyio.fail_after(100):
        event = await client.read_event()
    assert event is not None
    return event


async def speak(client: AsyncTcpClient, data: bytes, **form: int) -> Event:
    await client.write_event(Transcribe().event())
    await client.write_event(AudioStart(**form).event())
    half = len(data) // 8 * 4
    for piece in (data[:half], data[half:]):
        await client.write_event(AudioChunk(**form, audio=piece).event())
    await client.write_event(AudioStop().event())
    return await answer(client)


async def test_it_says_what_it_can_do(client: AsyncTcpClient) -> None:
    await client.write_event(Describe().event())
    info = Info.from_event(await answer(client))
    assert [info.asr[0].name, info.tts[0].name, info.handle[0].name] == [
        "Knows",
        "Tones",
        "constellation",
    ]


@pytest.mark.full
async def test_models_that_ship_go_by_their_names(mind: Answers) -> None:
    pytest.importorskip("moonshine_voice")
    speaker = Piper(seed=0)
    try:
        info = _info(Models(Moonshine(), AlwaysComplete(), speaker))
    finally:
        speaker.close()
    (asr,), (tts,) = info.asr, info.tts
    assert [asr.name, asr.models[0].name, tts.name] == ["moonshine", "tiny", "piper"]
    assert asr.attribution.name == "Useful Sensors"


async def test_speech_becomes_text(client: AsyncTcpClient) -> None:
    event = await speak(client, to_pcm(SAID), rate=RATE_HZ, width=2, channels=1)
    assert Transcript.from_event(event).text == "is it done"
    # And the next utterance does not have this one's sound in it.
    silent = await speak(client, bytes(RATE_HZ), rate=RATE_HZ, width=2, channels=1)
    assert Transcript.from_event(silent).text == ""


async def test_two_channels_are_mixed(client: AsyncTcpClient) -> None:
    half = np.frombuffer(to_pcm(SAID), "<i2") // 2
    # The library adds the channels up.
    both = np.repeat(half, 2).tobytes()
    event = await speak(client, both, rate=RATE_HZ, width=2, channels=2)
    assert Transcript.from_event(event).text == "is it done"


async def test_text_becomes_speech(client: AsyncTcpClient) -> None:
    await client.write_event(Synthesize("three words long").event())
    start = AudioStart.from_event(await answer(client))
    assert (start.rate, start.width, start.channels) == (RATE_HZ, 2, 1)
    heard = b""
    while AudioChunk.is_type((event := await answer(client)).type):
        heard += AudioChunk.from_event(event).audio
    assert AudioStop.is_type(event.type)
    assert np.allclose(from_pcm(heard), Tones().say("three words long").samples, atol=1e-4)
    assert len(from_pcm(heard)) == 3 * WORD_SAMPLES


async def test_requests_are_done_and_remembered(client: AsyncTcpClient, mind: Answers) -> None:
    for text in ("Send the report.", "Is it done?"):
        await client.write_event(Transcript(text).event())
        handled = Handled.from_event(await answer(client))
        assert handled.text == "Let me see. It is done."
    assert mind.done == ["Send the report.", "Is it done?"]
    assert mind.asked[1][1] == (
        Said("person", "Send the report."),
        Said("agent", "Let me see. It is done."),
    )


async def test_what_cannot_be_spoken_is_an_error_and_not_the_end(client: AsyncTcpClient) -> None:
    await client.write_event(Synthesize("unspeakable").event())
    error = Error.from_event(await answer(client))
    assert "cannot be spoken" in error.text
    await client.write_event(Describe().event())
    assert Info.is_type((await answer(client)).type)


async def test_too_much_sound_is_refused(client: AsyncTcpClient) -> None:
    second = AudioChunk(RATE_HZ, 2, 1, bytes(2 * RATE_HZ)).event()
    for _ in range(61):
        await client.write_event(second)
    error = Error.from_event(await answer(client))
    assert error.code == "protocol.limit"


@pytest.mark.parametrize(
    "event", [Event("synthesize", {}), Event("audio-chunk", {"rate": 1}), Event("transcript", {})]
)
async def test_malformed_event_ends_its_connection_alone(
    client: AsyncTcpClient, event: Event
) -> None:
    await client.write_event(event)
    assert Error.from_event(await answer(client)).code == "protocol"
    assert await client.read_event() is None


async def test_nonsense_hurts_nobody_else(mind: Answers) -> None:
    models = Models(Knows(), AlwaysComplete(), Tones())
    async with served(Assistant(models, mind), "127.0.0.1", 0) as port:
        for nonsense in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"[]\n",
            b'{"type": 5, "data": 3}\n',
            b"\x00",
            b"[" * 60_000 + b"\n",
        ):
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(nonsense)
                await stream.send_eof()
                with anyio.fail_after(100):
                    async for _ in stream:
                        pass
        async with AsyncTcpClient("127.0.0.1", port) as other:
            await other.write_event(Describe().event())
            assert Info.is_type((await answer(other)).type)


@pytest.mark.parametrize("length", ["data_length", "payload_length"])
async def test_more_than_an_event_may_hold_ends_the_connection_at_once(
    mind: Answers, length: str
) -> None:
    models = Models(Knows(), AlwaysComplete(), Tones())
    event = b'{"type": "describe", "%s": 1000000000000}\n' % length.encode()
    async with (
        served(Assistant(models, mind), "127.0.0.1", 0) as port,
        await anyio.connect_tcp("127.0.0.1", port) as stream,
    ):
        await stream.send(event)
        # Nothing of it is awaited: the other end hangs up though ours stays open.
        with anyio.fail_after(10), pytest.raises(anyio.EndOfStream):
            await stream.receive()


async def test_address_that_cannot_be_had_is_told(mind: Answers) -> None:
    assistant = Assistant(Models(Knows(), AlwaysComplete(), Tones()), mind)
    async with served(assistant, "127.0.0.1", 0) as port:
        with pytest.raises(ConfigError, match=rf"cannot be served at 127\.0\.0\.1:{port}: "):
            async with served(assistant, "127.0.0.1", port):
                pass
    assert address("::1", 10400) == "[::1]:10400"
