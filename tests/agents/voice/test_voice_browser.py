"""The page in a real browser, whose microphone is a recording: Chromium, where it is installed."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from anyio.abc import TaskGroup
from fake_models import AlwaysComplete, Answers, Tones
from voices import Voice, silence

from agents.voice.live import Talk
from agents.voice.page import Page
from agents.voice.ports import Loudspeaker, Models, Screen
from agents.voice.pvad import Model
from agents.voice.sound import Samples, write_wav

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
ANSWER = "the disk of the server is half full and forty gigabytes are left for you to use"

pytestmark = [
    pytest.mark.full,
    pytest.mark.anyio,
    pytest.mark.skipif(
        CHROMIUM is None or find_spec("playwright") is None,
        reason="Chromium or playwright is not installed",
    ),
]


class Loudness:
    """Recognises a question where there is any sound."""

    def transcribe(self, sound: Samples) -> str:
        return "How full is the disk?" if float(np.abs(sound).max(initial=0.0)) > 0.05 else ""


@asynccontextmanager
async def opened(recording: Samples, folder: Path) -> AsyncIterator[Any]:
    """The page, with the recording as its microphone, and the agent behind it."""
    from playwright.async_api import async_playwright

    write_wav(folder / "microphone.wav", recording)
    model, models = Model(), Models(Loudness(), AlwaysComplete(), Tones())

    def make(tasks: TaskGroup, screen: Screen, speaker: Loudspeaker) -> Talk:
        return Talk(model, models, Answers(ANSWER), tasks, screen, speaker)

    microphone = f"--use-file-for-fake-audio-capture={folder / 'microphone.wav'}%noloop"
    async with anyio.create_task_group() as tasks:
        served = Page(make, tasks)
        async with served.served("127.0.0.1", 0), async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=[*FLAGS, microphone]
            )
            page = await browser.new_page(viewport={"width": 360, "height": 640})
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            await page.goto(served.url)
            await page.focus("#start")
            await page.keyboard.press("Enter")
            yield page
            await browser.close()
            assert errors == []
        tasks.cancel_scope.cancel()


async def test_conversation_with_an_interruption(tmp_path: Path) -> None:
    voice: Callable[[float, int], Samples] = Voice(pitch_hz=110, tract=0.92).says
    recording = np.concatenate(
        [silence(2.0), voice(1.2, 1), silence(3.0), voice(1.2, 2), silence(8.0)]
    )
    async with opened(recording, tmp_path) as page:
        captions = page.locator("#said li")
        await captions.nth(3).wait_for(timeout=30_000)
        assert await captions.nth(0).inner_text() == "How full is the disk?"
        cut = captions.nth(1)
        whole = (await cut.inner_text()).replace("\n", "")
        struck = await cut.locator(".cut").inner_text()
        assert whole == ANSWER
        assert 0 < len(struck) < len(ANSWER)
        assert await captions.nth(3).inner_text() == ANSWER
        assert re.fullmatch(r"\d+ ms", await page.inner_text("#latency"))
        # Nothing is wider than a phone.
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_muted_microphone_is_not_heard(tmp_path: Path) -> None:
    recording = np.concatenate(
        [silence(3.0), Voice(pitch_hz=110, tract=0.92).says(1.5, 1), silence(4.0)]
    )
    async with opened(recording, tmp_path) as page:
        await page.click("#mute:enabled")
        assert await page.get_attribute("#mute", "aria-pressed") == "true"
        # The level is shown all the same.
        for level in (r"0\.9|1\.0", r"0\.[01]"):
            meter = page.locator("#anyone", has_text=re.compile(level))
            await meter.wait_for(timeout=15_000)
        assert await page.locator("#said li").count() == 0
        assert await page.inner_text("#state") == "Listening."
