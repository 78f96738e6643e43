"""The agent's page, spoken to as a browser would, with a loudspeaker of ours."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any
from urllib.parse import urlencode, urlsplit

import anyio
import httpx
import pytest
from anyio.abc import TaskGroup
from fake_models import AlwaysComplete, Answers, KnownUtterances, Tones
from voices import Voice, silence
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agents.voice.audience import Audience, KeptVoice
from agents.voice.dialogue import Dialogue
from agents.voice.events import Duck, Pause, Play, Restore, Resume, StopPlayback
from agents.voice.features import BLOCK
from agents.voice.live import Talk
from agents.voice.page import Page
from agents.voice.player import Player
from agents.voice.ports import Mind, Models, Said, Working
from agents.voice.pvad import Model, enrol
from agents.voice.sound import Samples, from_pcm, to_pcm

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
    """A page, as far as the agent can tell."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.origin = f"http://{parts.netloc}"
        self.address = f"ws://{parts.netloc}/talk"
        self.secret = parts.fragment
        self.session = ""
        self.received = 0
        self.messages: list[dict[str, Any]] = []
        self.player = Player()
        self.told = anyio.Event()

    @asynccontextmanager
    async def linked(self) -> AsyncIterator[ClientConnection]:
        query = {"secret": self.secret, "session": self.session, "after": self.received}
        async with (
            connect(f"{self.address}?{urlencode(query)}", origin=self.origin) as link,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(self._read, link)
            yield link
            tasks.cancel_scope.cancel()

    async def _read(self, link: ClientConnection) -> None:
        try:
            async for message in link:
                self._take(message)
        except ConnectionClosed:
            pass

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            seq, answer = struct.unpack_from("<II", message)
            self.player.add(answer, from_pcm(message[8:]))
        else:
            found = json.loads(message)
            seq = found.get("seq", self.received)
            self.messages.append(found)
            self._follow(found)
        # What was missed comes again, and nothing else does.
        assert seq in (self.received, self.received + 1)
        self.received = seq
        self.told.set()
        self.told = anyio.Event()

    def _follow(self, found: dict[str, Any]) -> None:
        match found["type"]:
            case "session":
                self.session = found["session"]
            case "resume":
                self.player.do(Resume(found["answer"], found["sample"]))
            case kind if kind in ORDERS:
                self.player.do(ORDERS[kind](found["answer"]))

    async def speak(self, link: ClientConnection, sound: Samples) -> None:
        for block in sound.reshape(-1, BLOCK):
            await link.send(to_pcm(block))
            _, played = self.player.render(BLOCK)
            if played is not None:
                report = {"type": "played", "answer": played.answer, "samples": played.samples}
                await link.send(json.dumps(report))
            # As fast as the other side keeps up.
            await (await link.ping())

    async def quiet_until(self, link: ClientConnection, kind: str, **fields: Any) -> None:
        while not self.has(kind, **fields):
            await self.speak(link, silence(0.1))

    def has(self, kind: str, **fields: Any) -> bool:
        wanted = {"type": kind, **fields}
        return any(wanted.items() <= message.items() for message in self.messages)

    def said(self) -> list[tuple[str, str]]:
        return [(each["who"], each["text"]) for each in self.messages if each["type"] == "said"]


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    model = CountingModel()
    models = Models(KnownUtterances(KNOWN), AlwaysComplete(), Tones())
    voice = KeptVoice(tmp_path / "state" / "voiceprint.npy")

    def make(tasks: TaskGroup) -> Talk:
        audience = Audience()
        return Talk(
            model,
            models,
            Obliging(audience),
            tasks,
            audience=audience,
            voice=voice,
            clock=lambda: model.heard * 0.02,
        )

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            page = Page(make, tasks)
            async with page.served("127.0.0.1", 0):
                yield Browser(page.url)
                tasks.cancel_scope.cancel()


async def test_conversation(browser: Browser) -> None:
    async with browser.linked() as link:
        await browser.speak(link, silence(0.5))
        await browser.speak(link, QUESTION)
        await browser.quiet_until(link, "said", who="agent")
    assert browser.said() == [("person", "How full is the disk?"), ("agent", ANSWER)]
    assert browser.has("phase", phase="speaking")
    assert browser.has("saying", text=ANSWER)
    assert browser.has("happened", what="first audio")
    assert browser.has("level")


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


async def test_lost_link_is_taken_up_again(browser: Browser) -> None:
    async with browser.linked() as link:
        await browser.speak(link, silence(0.5))
        await browser.speak(link, QUESTION)
        await browser.quiet_until(link, "phase", phase="speaking")
        link.transport.abort()
    first = browser.session
    async with browser.linked() as link:
        await browser.quiet_until(link, "said", who="agent")
    assert browser.session == first
    assert browser.said() == [("person", "How full is the disk?"), ("agent", ANSWER)]


async def test_conversation_moves_to_the_page_that_was_opened_last(browser: Browser) -> None:
    async with browser.linked() as older:
        await browser.speak(older, silence(0.5))
        async with browser.linked() as link:
            await older.wait_closed()
            assert older.close_code == 1000
            await browser.speak(link, QUESTION)
            await browser.quiet_until(link, "said", who="person")


async def test_only_a_few_can_talk_at_once(browser: Browser) -> None:
    address = f"{browser.address}?{urlencode({'secret': browser.secret})}"
    async with AsyncExitStack() as stack:
        for _ in range(5):
            link = await stack.enter_async_context(connect(address, origin=browser.origin))
        await link.wait_closed()
        assert link.close_code == 1013


async def test_enrolment_by_the_page(browser: Browser) -> None:
    async with browser.linked() as link:
        await link.send(json.dumps({"type": "enrol"}))
        await browser.speak(link, ME.says(5.0, seed=3))
        while not browser.has("enrolled"):
            await browser.told.wait()
        await link.send(json.dumps({"type": "everyone"}))
        while not browser.has("everyone"):
            await browser.told.wait()


async def test_enrolment_by_words(browser: Browser, tmp_path: Path) -> None:
    kept = KeptVoice(tmp_path / "state" / "voiceprint.npy")
    async with browser.linked() as link:
        await browser.speak(link, silence(0.5))
        await browser.speak(link, ONLY_ME)
        # Not before the agent has asked for it.
        await browser.quiet_until(link, "enrolling")
        assert browser.said()[-1][0] == "agent"
        await browser.speak(link, ME.says(5.0, seed=3))
        while not browser.has("enrolled"):
            await browser.told.wait()
        assert kept.load() is not None
        await browser.speak(link, silence(0.5))
        await browser.speak(link, EVERYONE)
        await browser.quiet_until(link, "everyone")
    assert kept.load() is None


async def test_kept_voice_is_known_to_the_next_page(browser: Browser, tmp_path: Path) -> None:
    KeptVoice(tmp_path / "state" / "voiceprint.npy").keep(enrol(Model(), ME.says(5, seed=3)))
    async with browser.linked() as link:
        await browser.quiet_until(link, "enrolled")


async def test_enrolment_of_silence_is_refused(browser: Browser) -> None:
    async with browser.linked() as link:
        await link.send(json.dumps({"type": "enrol"}))
        await browser.speak(link, 0 * silence(5.0))
        while not browser.has("not enrolled"):
            await browser.told.wait()


@pytest.mark.parametrize("wrong", ["secret", "origin"])
async def test_strangers_are_refused(browser: Browser, wrong: str) -> None:
    setattr(browser, wrong, "http://example.org")
    with pytest.raises(InvalidStatus, match="403"):
        async with browser.linked():
            pass


@pytest.mark.parametrize("message", ["nonsense", '{"type": "mute"}', '{"type": "quit"}'])
async def test_message_that_is_none_ends_the_link(browser: Browser, message: str) -> None:
    query = urlencode({"secret": browser.secret})
    async with connect(f"{browser.address}?{query}", origin=browser.origin) as link:
        await link.send(message)
        await link.wait_closed()
    assert link.close_code == 1008


async def test_files_are_served_and_nothing_else(browser: Browser) -> None:
    async with httpx.AsyncClient(base_url=browser.origin) as client:
        for path in ("/", "/voice.js", "/audio.js", "/voice.css"):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert (await client.get("/page.py")).status_code == 404
        rebound = await client.get("/", headers={"Host": "example.org"})
        assert rebound.status_code == 403
