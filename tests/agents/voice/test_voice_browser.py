"""The page in a real browser, whose microphone is a recording: Chromium, where it is installed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from chromium import wants_chromium
from visits import ANSWER, ME, opened
from voices import Voice, silence

TELEVISION = Voice(pitch_hz=215, tract=1.15)

pytestmark = [pytest.mark.full, pytest.mark.anyio, wants_chromium]


async def test_conversation_with_a_television_a_lost_link_and_an_interruption(
    tmp_path: Path,
) -> None:
    parts = [silence(2.0), ME.says(1.2, 1), silence(2.0), TELEVISION.says(2.0, 2)]
    parts += [silence(2.0), ME.says(1.6, 3), silence(6.0)]
    async with opened(np.concatenate(parts), tmp_path, only_me=True) as visit:
        page = visit.page
        await page.locator("#who", has_text="Only you may interrupt.").wait_for()
        # The television makes the answer softer for a moment, and no more.
        happened = page.locator("#happened li")
        await happened.filter(has_text="restored").wait_for(state="attached")
        assert await happened.filter(has_text="stopped").count() == 0
        visit.cut()
        captions = page.locator("#said li")
        await captions.nth(2).wait_for(timeout=100_000)
        assert await captions.nth(0).inner_text() == "How full is the disk?"
        answer = captions.nth(1)
        assert (await answer.inner_text()).replace("\n", "") == ANSWER
        struck = await answer.locator(".cut").inner_text()
        assert 0 < len(struck) < len(ANSWER)
        assert await captions.nth(2).inner_text() == "How full is the disk?"
        assert await happened.filter(has_text="stopped").count() == 1
        assert len(visit.sockets) == 2
        assert re.fullmatch(r"\d+ ms", await page.inner_text("#latency"))
        assert re.fullmatch(
            r"\d+ in the agent, \d+ on the link, \d+ in your sound device",
            await page.inner_text("#shares"),
        )


async def test_page_is_there_before_the_agent_is(tmp_path: Path) -> None:
    recording = np.concatenate([silence(3.0), ME.says(1.2, 1), silence(9.0)])
    async with opened(recording, tmp_path, parts=("an ear", "a mouth")) as visit:
        page = visit.page
        loading = page.locator("#loading")
        await loading.filter(has_text="Loading an ear, a mouth.").wait_for()
        assert await page.inner_text("#state") == "Connecting."
        # Whoever hangs up meanwhile is not connected later.
        await page.get_by_role("button", name="Hang up").press("Enter")
        await page.locator("#state", has_text="Not connected: you hung up.").wait_for()
        await page.get_by_role("button", name="Start talking").press("Enter")
        visit.load("an ear")
        await loading.filter(has_text="Loading a mouth.").wait_for()
        bar = page.get_by_role("progressbar", name="Loading")
        assert await bar.get_attribute("value") == "1"
        assert await bar.get_attribute("max") == "2"
        assert visit.sockets == []
        visit.load("a mouth")
        await loading.wait_for(state="hidden")
        await page.locator("#state", has_text="Listening.").wait_for()
        await page.locator("#said li").nth(1).wait_for(timeout=30_000)
        assert len(visit.sockets) == 1


async def test_page_without_a_microphone_says_so(tmp_path: Path) -> None:
    async with opened(None, tmp_path) as visit:
        why = "the microphone cannot be used. There is none"
        await visit.page.locator("#state", has_text=why).wait_for()
        await visit.page.get_by_role("button", name="Start talking").wait_for()
        assert visit.sockets == []


async def test_page_for_everyone(tmp_path: Path) -> None:
    """Muted, enrolled and looked at, on a phone's width and as a screen reader has it."""
    recording = np.concatenate([silence(3.0), ME.says(1.5, 1), silence(4.0)])
    async with opened(recording, tmp_path) as visit:
        page = visit.page
        await page.get_by_role("button", name="Mute", pressed=False).click()
        await page.get_by_role("button", name="Mute", pressed=True).wait_for()
        # The level is shown all the same, and who it is.
        for level, who in ((r"0\.9|1\.0", "Somebody"), (r"0\.[01]", "Nobody")):
            meter = page.get_by_role("meter", name="Somebody")
            await meter.filter(has_text=re.compile(level)).wait_for(timeout=100_000)
            await page.locator("#voice", has_text=who).wait_for()
        assert await page.locator("#said li").count() == 0
        assert await page.inner_text("#state") == "Listening."
        assert await page.locator("#devices li").all_inner_texts() == [
            "desk\nconnected",
            "attic\naway",
        ]
        progress = page.get_by_role("progressbar", name="back up the photos: 1 of 4 tasks")
        assert await progress.get_attribute("value") == "1"
        await page.get_by_role("button", name="Only I may interrupt").click()
        await page.get_by_role("progressbar", name="Learning your voice").wait_for()
        await page.get_by_role("button", name="Everyone may interrupt").click()
        await page.get_by_role("status").filter(has_text="Everyone may interrupt.").wait_for()
        await page.get_by_role("log", name="What was said").wait_for(state="attached")
        assert await page.locator("#hint").is_visible()
        # Hung up, and begun anew.
        for _ in range(2):
            await page.get_by_role("button", name="Hang up").press("Enter")
            state = page.get_by_role("status").filter(has_text="Not connected: you hung up.")
            await state.wait_for()
            assert await page.get_by_role("button", name="Mute").is_disabled()
            await page.get_by_role("button", name="Start talking").press("Enter")
            await page.locator("#state", has_text="Listening.").wait_for()
        assert len(visit.sockets) == 3
        # Nothing is wider than a phone.
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_page_of_an_agent_that_is_gone_says_which_to_open(tmp_path: Path) -> None:
    async with opened(silence(20.0), tmp_path) as visit:
        page = visit.page
        await page.locator("#state", has_text="Listening.").wait_for()
        await page.evaluate("location.hash = 'of-yesterday'")
        await page.reload()
        await page.get_by_role("button", name="Start talking").press("Enter")
        state = page.locator("#state", has_text="Not connected: This is not the address")
        await state.wait_for()
        assert (await state.inner_text()).endswith("Open the one that it printed.")
