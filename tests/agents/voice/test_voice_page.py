"""The agent's page, spoken to as a browser would, with a loudspeaker of ours."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from threading import Event, current_thread, main_thread
from time import time
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from anyio.abc import TaskGroup
from fake_models import AlwaysComplete, Answers, KnownUtterances, Tones
from voices import Voice, silence
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from agents.voice.audience import Audience, KeptVoice
from agents.voice.dialogue import Dialogue
from agents.voice.events import Duck, Pause, Play, Restore, Resume, StopPlayback
from agents.voice.features import BLOCK
from agents.voice.live import Talk
from agents.voice.page import Page
from agents.voice.player import Player
from agents.voice.ports import Loudspeaker, Mind, Models, Said, Screen, Working
from agents.voice.pvad import Model, enrol
from agents.voice.sound import Samples, from_pcm, to_pcm
from constellation.aip.codec import CODECS, MSGPACK
from constellation.aip.limits import Limits
from constellation.aip.messages import SUBPROTOCOLS
from constellation.aip.session import (
    CloseCode,
    Deliver,
    FrameReceived,
    Instruction,
    Session,
    State,
    StreamClosed,
    StreamData,
    StreamOpened,
    TransportClosed,
    TransportOpened,
)
from constellation.errors import AudioError, ConfigError, PermissionDenied

pytestmark = pytest.mark.anyio

ME = Voice(pitch_hz=110, tract=0.92)
QUESTION = ME.says(1.0, seed=1)
LATER = ME.says(1.0, seed=2)
ONLY_ME = ME.says(1.0, seed=4)
EVERYONE = ME.says(1.0, seed=5)
# As they are after the way through 16 bits.
KNOWN = {
    text: from_pcm(to_pcm(sound))
    for text, sound in {
        "How full is the disk?": QUESTION,
        "No, of the desk": LATER,
        "Only I may interrupt you.": ONLY_ME,
        "Everyone may interrupt.": EVERYONE,
    }.items()
}
ANSWER = "the disk of the server is half full and forty gigabytes are left for you"
MICROPHONE = 1  # the number of the first stream of whoever dials
MSGPACK_ONLY = [Subprotocol(MSGPACK.subprotocol)]
ORDERS = {"play": Play, "duck": Duck, "restore": Restore, "pause": Pause, "stop": StopPlayback}


class CountingModel(Model):
    """Counts the blocks that it heard: by them, time goes on as fast as sound comes.

    Enrolment, in another thread, hears what was heard already.
    """

    heard = 0

    def step(self, inputs: dict[str, Any]) -> dict[str, Any]:
        self.heard += current_thread() is main_thread()
        return super().step(inputs)


class Obliging:
    """Has one answer to everything, but for who may interrupt."""

    def __init__(self, audience: Audience) -> None:
        self._dialogue = Dialogue(audience=audience)
        self._other = Answers(ANSWER)

    def answer(
        self, prompt: str, context: Sequence[Said], sound: Samples | None = None
    ) -> Iterator[str | Working]:
        mind: Mind = self._dialogue if self._dialogue.owns(prompt) else self._other
        return mind.answer(prompt, context, sound)


class Browser:
    """A page, as far as the agent can tell: a session that outlives its connections.

    Attributes:
        events: what the agent told, by kind and fields.
        responses: to requests, by their id.
        levels: of voices, from 0 to 1, as shown.
        refused: streams, by number, and the code of the reason.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.origin = f"http://{parts.netloc}"
        self.address = f"ws://{parts.netloc}/aip"
        self.secret = parts.fragment
        self.session = Session("dialer", {"role": "client", "name": "page"})
        self.events: list[dict[str, Any]] = []
        self.responses: dict[str, dict[str, Any]] = {}
        self.levels: list[tuple[float, ...]] = []
        self.refused: dict[int, str] = {}
        self.player = Player()
        self.told = anyio.Event()
        self._streams: dict[int, Mapping[str, Any]] = {}
        self._microphone = self._played = 0
        self._asked = count()

    @asynccontextmanager
    async def linked(
        self, subprotocol: str = MSGPACK.subprotocol
    ) -> AsyncIterator[ClientConnection]:
        opened = connect(
            self.address,
            origin=Origin(self.origin),
            subprotocols=[Subprotocol(subprotocol)],
            compression=None,
        )
        async with opened as link, anyio.create_task_group() as tasks:
            hello = {"credential": self.secret}
            self.session.handle(TransportOpened(CODECS[subprotocol], hello), time())
            await self._flush(link)
            tasks.start_soon(self._read, link)
            while self.session.state is State.GREETING:
                await self.news()
            if self.session.state is State.OPEN and not self._microphone:
                self._microphone = self.session.open_stream(
                    "deadline", deadline_s=1.0, label="microphone"
                )
                self._played = self.session.open_stream("reliable", label="played")
            yield link
            tasks.cancel_scope.cancel()
        if self.session.state is State.OPEN:
            self.session.handle(TransportClosed(), time())

    async def _read(self, link: ClientConnection) -> None:
        try:
            async for frame in link:
                for instruction in self.session.handle(FrameReceived(frame), time()):
                    self._obey(instruction)
                self.session.acknowledge(self.session.received, time())
                await self._flush(link)
                self._happened()
        except ConnectionClosed:
            self._happened()

    def _happened(self) -> None:
        self.told.set()
        self.told = anyio.Event()

    async def news(self) -> None:
        await self.told.wait()

    async def _flush(self, link: ClientConnection) -> None:
        while frame := self.session.next_frame(time()):
            await link.send(frame)

    def _obey(self, instruction: Instruction) -> None:
        match instruction:
            case Deliver(messages):
                for message in messages:
                    if message.type == "response":
                        self.responses[message.body["id"]] = message.body
                    else:
                        self._take(message.body["kind"], message.body["body"])
            case StreamClosed(stream, error):
                if error is not None:
                    self.refused[stream] = error["code"]
            case StreamOpened(stream, body):
                self._streams[stream] = body
            case StreamData(stream, payload):
                opened = self._streams[stream]
                if opened["label"] == "levels":
                    self.levels.append(tuple(level / 255 for level in payload))
                else:
                    self.player.add(opened["meta"]["answer"], from_pcm(payload))
                    self.session.consume(stream, len(payload))

    def _take(self, kind: str, body: dict[str, Any]) -> None:
        self.events.append({"kind": kind, **body})
        if kind == "resume":
            self.player.do(Resume(body["answer"], body["sample"]))
        elif kind == "forget":
            self.player.forget(body["answer"])
        elif kind in ORDERS:
            self.player.do(ORDERS[kind](body["answer"]))

    async def ask(self, link: ClientConnection, verb: str, **params: Any) -> dict[str, Any]:
        number = str(next(self._asked))
        self.session.send("request", {"id": number, "verb": verb, "params": params})
        await self._flush(link)
        while number not in self.responses:
            await self.news()
        return self.responses[number]

    async def speak(self, link: ClientConnection, sound: Samples) -> None:
        for block in sound.reshape(-1, BLOCK):
            self.session.write(self._microphone, to_pcm(block), time())
            _, played = self.player.render(BLOCK)
            if played is not None:
                record = struct.pack("<II", played.answer, played.samples)
                self.session.write(self._played, record, time())
            await self._flush(link)
            # As fast as the other side keeps up.
            await (await link.ping())

    async def quiet_until(self, link: ClientConnection, kind: str, **fields: Any) -> None:
        while not self.has(kind, **fields):
            await self.speak(link, silence(0.1))

    async def wait_for(self, kind: str) -> None:
        while not self.has(kind):
            await self.news()

    def has(self, kind: str, **fields: Any) -> bool:
        wanted = {"kind": kind, **fields}
        return any(wanted.items() <= event.items() for event in self.events)

    def said(self) -> list[tuple[str, str]]:
        return [(each["who"], each["text"]) for each in self.events if each["kind"] == "said"]


class Waiting:
    """Waits for a device as long as the answer is wanted, unless it is asked for the desk's."""

    def __init__(self) -> None:
        self._ended = Event()

    def answer(
        self, prompt: str, context: Sequence[Said], sound: Samples | None = None
    ) -> Iterator[str | Working]:
        yield Working(True)
        while "desk" not in prompt and not self._ended.wait(0.05):
            yield Working(True)
        yield Working(False)
        yield ANSWER


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with served(tmp_path, Obliging) as browser:
        yield browser


@asynccontextmanager
async def served(tmp_path: Path, mind: Callable[[Audience], Mind]) -> AsyncIterator[Browser]:
    model = CountingModel()
    models = Models(KnownUtterances(KNOWN), AlwaysComplete(), Tones())
    voice = KeptVoice(tmp_path / "state" / "voiceprint.npy")

    def make(tasks: TaskGroup, screen: Screen, speaker: Loudspeaker) -> Talk:
        audience = Audience()
        return Talk(
            model,
            models,
            mind(audience),
            tasks,
            screen,
            speaker,
            audience=audience,
            voice=voice,
            clock=lambda: model.heard * 0.02,
        )

    with anyio.fail_after(100):
        async with anyio.create_task_group() as tasks:
            page = Page(make, tasks)
            async with page.served("127.0.0.1", 0):
                yield Browser(page.url)
                tasks.cancel_scope.cancel()


@pytest.mark.parametrize("subprotocol", SUBPROTOCOLS)
async def test_conversation(browser: Browser, subprotocol: str) -> None:
    async with browser.linked(subprotocol) as link:
        await browser.speak(link, silence(0.5))
        await browser.speak(link, QUESTION)
        await browser.quiet_until(link, "said", who="agent")
    assert browser.said() == [("person", "How full is the disk?"), ("agent", ANSWER)]
    assert browser.has("phase", phase="speaking")
    assert browser.has("saying", text=ANSWER)
    assert browser.has("happened", what="first audio")
    assert max(browser.levels) > (0.5, 0.5)


async def test_interruption(browser: Browser) -> None:
    async with browser.linked() as link:
        await browser.speak(link, silence(0.5))
        await browser.speak(link, QUESTION)
        await browser.quiet_until(link, "phase", phase="speaking")
        await browser.speak(link, silence(1.0))
        await browser.speak(link, LATER)
        await browser.quiet_until(link, "said", text="No, of the desk")
    (_, heard), *_ = [each for each in browser.said() if each[0] == "agent"]
    assert ANSWER.startswith(heard)
    assert 2 <= len(heard.split()) < len(ANSWER.split())
    assert browser.has("said", who="agent", cut=True)
    assert browser.has("stop", answer=1)


async def test_wait_for_a_device_is_interrupted(tmp_path: Path) -> None:
    async with served(tmp_path, lambda audience: Waiting()) as browser, browser.linked() as link:
        await browser.speak(link, silence(0.5))
        await browser.speak(link, QUESTION)
        await browser.quiet_until(link, "phase", phase="working")
        await browser.speak(link, silence(0.5))
        await browser.speak(link, LATER)
        await browser.quiet_until(link, "said", who="agent")
    assert [text for who, text in browser.said() if who == "agent"] == [ANSWER]


async def test_lost_link_is_taken_up_again(browser: Browser) -> None:
    async with browser.linked() as link:
        await browser.speak(link, silence(0.5))
        await browser.speak(link, QUESTION)
        await browser.quiet_until(link, "phase", phase="speaking")
        link.transport.abort()
    first = browser.session.id
    async with browser.linked() as link:
        await browser.quiet_until(link, "said", who="agent")
    assert browser.session.id == first
    assert browser.said() == [("person", "How full is the disk?"), ("agent", ANSWER)]


async def test_conversation_moves_to_the_connection_that_was_opened_last(browser: Browser) -> None:
    async with browser.linked() as older:
        await browser.speak(older, silence(0.5))
        browser.session.handle(TransportClosed(), time())
        async with browser.linked() as link:
            await older.wait_closed()
            assert older.close_code == CloseCode.REPLACED
            await browser.speak(link, QUESTION)
            await browser.quiet_until(link, "said", who="person")


async def test_only_a_few_can_talk_at_once(browser: Browser) -> None:
    pages = [Browser(f"{browser.origin}/#{browser.secret}") for _ in range(6)]
    async with AsyncExitStack() as stack:
        for page in pages[:4]:
            last = await stack.enter_async_context(page.linked())
        async with pages[4].linked() as refused:
            await refused.wait_closed()
        assert refused.close_code == CloseCode.BYE
        # Where a page is gone there is room, though it might have come back.
        last.transport.abort()
        await last.wait_closed()
        async with pages[5].linked() as link:
            await pages[5].speak(link, QUESTION)
            await pages[5].quiet_until(link, "said", who="person")


async def test_page_that_says_goodbye_is_not_waited_for(browser: Browser) -> None:
    for _ in range(6):
        page = Browser(f"{browser.origin}/#{browser.secret}")
        async with page.linked() as link:
            page.session.end("the page was closed")
            await page._flush(link)
            await link.wait_closed()


async def test_enrolment_by_the_page(browser: Browser) -> None:
    async with browser.linked() as link:
        await browser.ask(link, "enrol")
        await browser.speak(link, ME.says(6.0, seed=3))
        await browser.quiet_until(link, "enrolled")
        shares = [each["share"] for each in browser.events if each["kind"] == "learning"]
        assert shares == sorted(shares)
        assert 0.3 < shares[-1] < 0.5
        await browser.ask(link, "everyone")
        assert browser.has("everyone")


async def test_enrolment_by_words(browser: Browser, tmp_path: Path) -> None:
    kept = KeptVoice(tmp_path / "state" / "voiceprint.npy")
    async with browser.linked() as link:
        await browser.speak(link, silence(0.5))
        await browser.speak(link, ONLY_ME)
        # Not before the agent has asked for it.
        await browser.quiet_until(link, "enrolling")
        assert browser.said()[-1][0] == "agent"
        await browser.speak(link, ME.says(6.0, seed=3))
        await browser.quiet_until(link, "enrolled")
        assert kept.load() is not None
        await browser.speak(link, silence(0.5))
        await browser.speak(link, EVERYONE)
        await browser.quiet_until(link, "everyone")
    assert kept.load() is None


async def test_enrolment_is_given_up_when_everyone_may(browser: Browser) -> None:
    async with browser.linked() as link:
        await browser.ask(link, "enrol")
        await browser.speak(link, ME.says(2.0, seed=3))
        await browser.ask(link, "everyone")
        assert browser.has("everyone")
        # What is said then is no enrolment, and is heard.
        await browser.speak(link, QUESTION)
        await browser.quiet_until(link, "said")
        assert browser.said()[0][0] == "person"
        assert not browser.has("enrolled")


async def test_kept_voice_is_known_to_the_next_page(browser: Browser, tmp_path: Path) -> None:
    KeptVoice(tmp_path / "state" / "voiceprint.npy").keep(enrol(Model(), ME.says(5, seed=3)))
    async with browser.linked() as link:
        await browser.quiet_until(link, "enrolled")


async def test_enrolment_of_silence_is_refused(browser: Browser) -> None:
    async with browser.linked() as link:
        await browser.ask(link, "enrol")
        await browser.speak(link, 0 * silence(10.5))
        await browser.wait_for("not enrolled")


async def test_microphone_that_is_late_is_not_heard(browser: Browser) -> None:
    async with browser.linked() as link:
        # As if it had waited on the way.
        for block in QUESTION.reshape(-1, BLOCK):
            browser.session.write(MICROPHONE, to_pcm(block), time() - 2.0)
            while frame := browser.session.next_frame(time() - 2.0):
                await link.send(frame)
        await browser.speak(link, silence(2.0))
        assert not browser.has("phase", phase="hearing")


@pytest.mark.parametrize("origin", ["http://example.org", "null"])
async def test_other_pages_are_refused(browser: Browser, origin: str) -> None:
    browser.origin = origin
    with pytest.raises(InvalidStatus, match="403"):
        async with browser.linked():
            pass


async def test_strangers_are_refused(browser: Browser) -> None:
    browser.secret = "http://example.org"
    opened = connect(browser.address, origin=Origin(browser.origin), subprotocols=MSGPACK_ONLY)
    async with opened as link:
        hello = {"version": [1], "role": "client", "name": "page", "credential": browser.secret}
        await link.send(MSGPACK.join(0, [MSGPACK.encode("hello", 0, hello)]))
        _, [refusal] = MSGPACK.decode(await link.recv(), Limits())
        assert refusal.body["code"] == "session.authentication"
        await link.wait_closed()
    assert link.close_code == CloseCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("verb", "params"), [("quit", {}), ("mute", {}), ("mute", {"on": 1}), ("enrol", {"who": "me"})]
)
async def test_request_that_is_none_is_refused(
    browser: Browser, verb: str, params: dict[str, Any]
) -> None:
    async with browser.linked() as link:
        response = await browser.ask(link, verb, **params)
        assert response["error"]["code"] == "protocol.remote"
        assert "result" in await browser.ask(link, "mute", on=True)


async def test_streams_that_are_none_of_a_page_are_refused(browser: Browser) -> None:
    async with browser.linked() as link:
        other = browser.session.open_stream("reliable", label="music")
        browser.session.write(MICROPHONE, b"odd", time())
        await browser.ask(link, "mute", on=True)
        assert browser.refused == {
            MICROPHONE: AudioError.code,
            other: PermissionDenied.code,
        }


async def test_files_are_served_and_nothing_else(browser: Browser) -> None:
    async with httpx.AsyncClient(base_url=browser.origin) as client:
        for path in ("/", "/voice.js", "/aip.js", "/audio.js", "/voice.css"):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert (await client.get("/page.py")).status_code == 404
        rebound = await client.get("/", headers={"Host": "example.org"})
        assert rebound.status_code == 403


async def test_page_tells_what_is_loaded_and_nobody_talks_before() -> None:
    async with anyio.create_task_group() as tasks:
        page = Page(None, tasks, ("an ear", "a mouth"))
        async with page.served("127.0.0.1", 0):
            early = Browser(page.url)
            async with httpx.AsyncClient(base_url=early.origin) as client:
                page.loaded("an ear")
                found = (await client.get("/loading")).json()
                assert found == {"ready": False, "parts": {"an ear": True, "a mouth": False}}
                async with early.linked() as link:
                    await link.wait_closed()
                assert link.close_code == CloseCode.BYE
                page.ready(_nobody)
                assert (await client.get("/loading")).json()["ready"]


async def test_port_that_is_taken_is_told(browser: Browser) -> None:
    port = urlsplit(browser.origin).port
    assert port is not None
    async with anyio.create_task_group() as tasks:
        with pytest.raises(ConfigError, match="The voice agent cannot listen on"):
            async with Page(_nobody, tasks).served("127.0.0.1", port):
                pass


def _nobody(*_: object) -> Talk:
    raise AssertionError("Nobody visits this page.")
