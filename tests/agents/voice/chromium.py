"""Chromium as it is wanted for tests: without a window, and with a recording as its microphone."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

_CHROMIUM = shutil.which("chromium")
_FLAGS = [
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

wants_chromium = pytest.mark.skipif(
    _CHROMIUM is None or find_spec("playwright") is None,
    reason="Chromium or playwright is not installed",
)


@asynccontextmanager
async def browsing(
    url: str, *, microphone: Path | None = None, width: int = 360, height: int = 640
) -> AsyncIterator[Any]:
    """A page of playwright's, opened at an address; an error in it that nobody caught fails."""
    from playwright.async_api import async_playwright

    flags = list(_FLAGS)
    if microphone is not None:
        flags += ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        flags.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_CHROMIUM, args=flags)
        page = await browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(100_000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(url)
        yield page
        await browser.close()
        assert errors == []
