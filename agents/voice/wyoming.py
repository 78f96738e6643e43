"""The agent's models and hands for others over the Wyoming protocol, as Home Assistant speaks it.

Speech into text, text into speech, and requests in words ("handle"), which the fabric's devices do.
All connections talk to one mind, for Home Assistant opens one for each thing that it wants.

The protocol knows no credentials and no encryption: whoever reaches the port can have the devices
do things.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from threading import Lock
from typing import Any

import numpy as np
from anyio import to_thread
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioChunkConverter, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable
from wyoming.handle import Handled
from wyoming.info import (
    AsrModel,
    AsrProgram,
    Attribution,
    HandleModel,
    HandleProgram,
    Info,
    TtsProgram,
    TtsVoice,
)
from wyoming.server import AsyncEventHandler
from wyoming.tts import Synthesize

from constellation.errors import ConfigError, ConstellationError, LimitExceeded

from .models.moonshine import Moonshine
from .models.piper import Piper
from .ports import Mind, Models, Said, Working
from .sound import RATE_HZ, Samples, from_pcm, resampled, to_pcm

_LONGEST_S = 60.0
_REMEMBERED = 20
_CHUNK_BYTES = 4_096
# Bytes of a line, and of what follows one.
READ_LIMIT = 64 * 1024
_MOST_BYTES = 4 * 1024 * 1024
_FORMAT: dict[str, Any] = {"rate": RATE_HZ, "width": 2, "channels": 1}
_LANGUAGES = ["en"]


class Assistant:
    """What all connections share. Its calls block."""

    def __init__(self, models: Models, mind: Mind) -> None:
        self.models = models
        self._mind = mind
        self._context: list[Said] = []
        self._lock = Lock()

    def handle(self, text: str) -> str:
        """Answer what a person said, after whatever was said before."""
        with self._lock:
            pieces = self._mind.answer(text, self._context)
            answer = "".join(piece for piece in pieces if not isinstance(piece, Working))
            self._context += [Said("person", text), Said("agent", answer)]
            del self._context[:-_REMEMBERED]
        return answer


def address(host: str, port: int) -> str:
    """As it is written, in brackets if it is one of IPv6."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@asynccontextmanager
async def served(assistant: Assistant, host: str, port: int) -> AsyncIterator[int]:
    """Serve for as long as the context is open; give the port, which 0 leaves to the system.

    Raises:
        ConfigError: the address cannot be had.
    """

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve_one(assistant, reader, writer)

    try:
        server = await asyncio.start_server(talk, host, port, limit=READ_LIMIT)
    except OSError as error:
        raise ConfigError(
            f"The Wyoming protocol cannot be served at {address(host, port)}: "
            f"{error.strerror or error}.",
            remedy="Choose another address, or stop what holds it.",
        ) from error
    async with server:
        yield server.sockets[0].getsockname()[1]


async def serve_one(
    assistant: Assistant, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Serve one connection to its end, whatever comes over it."""
    try:
        await _Connection(assistant, reader, writer).run()
    except (OSError, EOFError, LookupError, TypeError, AttributeError, RecursionError):
        # It is gone, or speaks something else.
        writer.close()


class _Bounded:
    """A reader that takes no more for one event than it may hold."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def readline(self) -> bytes:
        return await self._reader.readline()

    async def readexactly(self, n: int) -> bytes:
        if n > _MOST_BYTES:
            raise EOFError(f"{n} bytes at once")
        return await self._reader.readexactly(n)


class _Connection(AsyncEventHandler):
    def __init__(
        self, assistant: Assistant, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__(_Bounded(reader), writer)  # type: ignore[arg-type]
        self._assistant = assistant
        self._parts: list[Samples] = []
        self._rate_hz = RATE_HZ
        self._converter = AudioChunkConverter(width=2, channels=1)

    async def handle_event(self, event: Event) -> bool:
        try:
            for answer in await self._answers(event):
                await self.write_event(answer.event())
        except (LookupError, ValueError, TypeError) as error:
            await self.write_event(Error(f"{event.type}: {error!r}", "protocol").event())
            return False
        except ConstellationError as error:
            await self.write_event(Error(str(error), error.code).event())
        return True

    async def _answers(self, event: Event) -> Sequence[Eventable]:
        assistant = self._assistant
        match event.type:
            case "describe":
                return [_info(assistant.models)]
            case "audio-start":
                self._rate_hz = AudioStart.from_event(event).rate
                self._parts.clear()
            case "audio-chunk":
                self._hear(AudioChunk.from_event(event))
            case "audio-stop":
                text = await to_thread.run_sync(
                    assistant.models.recogniser.transcribe, self._sound()
                )
                return [Transcript(text)]
            case "synthesize":
                speech = await to_thread.run_sync(
                    assistant.models.speaker.say, Synthesize.from_event(event).text
                )
                return _audio(speech.samples)
            case "transcript":
                said = Transcript.from_event(event).text
                return [Handled(await to_thread.run_sync(assistant.handle, said))]
        return []

    def _hear(self, chunk: AudioChunk) -> None:
        self._parts.append(from_pcm(self._converter.convert(chunk).audio))
        if sum(map(len, self._parts)) > _LONGEST_S * self._rate_hz:
            self._parts.clear()
            raise LimitExceeded(
                f"More than {_LONGEST_S:.0f} s of sound were sent at once.",
                remedy="Send audio-stop after each utterance.",
            )

    def _sound(self) -> Samples:
        sound = np.concatenate([np.zeros(0, np.float32), *self._parts])
        self._parts.clear()
        return resampled(sound, self._rate_hz, RATE_HZ)


def _audio(samples: Samples) -> list[Eventable]:
    data = to_pcm(samples)
    pieces = (data[at : at + _CHUNK_BYTES] for at in range(0, len(data), _CHUNK_BYTES))
    chunks = [AudioChunk(**_FORMAT, audio=piece) for piece in pieces]
    return [AudioStart(**_FORMAT), *chunks, AudioStop()]


def _about(by: str, url: str = "") -> dict[str, Any]:
    return {
        "attribution": Attribution(by, url),
        "installed": True,
        "description": None,
        "version": None,
    }


# Of the models that ship: their programs, what each is called there, and who made it.
_SHIPPED = {
    Moonshine: (
        "moonshine",
        "tiny",
        _about("Useful Sensors", "https://github.com/moonshine-ai/moonshine"),
    ),
    Piper: ("piper", "joe", _about("Piper", "https://github.com/OHF-Voice/piper1-gpl")),
}
_FABRIC = _about("Constellation")


def _names(model: object) -> tuple[str, str, dict[str, Any]]:
    """Of a model that does not ship, all that is known is its class."""
    name = type(model).__name__
    return _SHIPPED.get(type(model), (name, name, _about(type(model).__module__)))


def _info(models: Models) -> Info:
    """What the models are called in Home Assistant."""
    hears, ear, of_ear = _names(models.recogniser)
    speaks, voice, of_voice = _names(models.speaker)
    does = HandleModel("constellation", **_FABRIC, languages=_LANGUAGES)
    return Info(
        asr=[AsrProgram(hears, **of_ear, models=[AsrModel(ear, **of_ear, languages=_LANGUAGES)])],
        tts=[
            TtsProgram(
                speaks, **of_voice, voices=[TtsVoice(voice, **of_voice, languages=_LANGUAGES)]
            )
        ],
        handle=[HandleProgram("constellation", **_FABRIC, models=[does])],
    )
