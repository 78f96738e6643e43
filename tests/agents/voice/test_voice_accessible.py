"""The page as a screen reader has it, and whether all of it can be read: in Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import wants_chromium
from visits import ANSWER, ME, Visit, opened
from voices import silence

pytestmark = [pytest.mark.full, pytest.mark.anyio, wants_chromium]

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
WIDTHS = (360, 1280)
# By role and name, in every state.
ALWAYS = {
    ("main", ""),
    ("heading", "Talk to your devices"),
    ("heading", "Conversation"),
    ("heading", "Voices"),
    ("heading", "From your last word to the answer"),
    ("heading", "Devices"),
    ("heading", "Work"),
    ("region", "Conversation"),
    ("region", "Devices"),
    ("region", "Work"),
    ("log", "What was said"),
    ("meter", "Somebody"),
    ("meter", "You"),
    ("DisclosureTriangle", "What happened"),
}
# All that can be done, by the name of its button; what it does comes with a conversation.
TALKING = {"Mute", "Only I may interrupt", "Everyone may interrupt"}


async def tree(page: Any) -> list[dict[str, Any]]:
    """What a screen reader gets: role, name and properties of each node."""
    session = await page.context.new_cdp_session(page)
    nodes = (await session.send("Accessibility.getFullAXTree"))["nodes"]
    await session.detach()
    return [
        {
            "role": node["role"]["value"],
            "name": node.get("name", {}).get("value", ""),
            **{each["name"]: each["value"].get("value") for each in node.get("properties", ())},
        }
        for node in nodes
        if not node["ignored"]
    ]


def of_role(nodes: list[dict[str, Any]], role: str) -> list[dict[str, Any]]:
    return [node for node in nodes if node["role"] == role]


async def is_for_everyone(page: Any, start: str, *, talking: bool) -> list[dict[str, Any]]:
    """All has its role and name, and nothing is hard to read; return the nodes.

    Args:
        start: the name of the first button.
    """
    nodes = await tree(page)
    assert {(node["role"], node["name"]) for node in nodes} >= ALWAYS
    buttons = {node["name"]: node for node in of_role(nodes, "button")}
    assert set(buttons) == {start, *TALKING}
    assert not buttons[start].get("disabled")
    for name in TALKING:
        assert bool(buttons[name].get("disabled")) != talking
    # Whatever can be reached by keyboard says what it is.
    assert all(node["name"] for node in nodes if node.get("focusable"))
    assert all(node["name"] for node in nodes if node["role"] in ("meter", "progressbar"))
    await is_readable(page)
    return nodes


async def is_readable(page: Any) -> None:
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 800})
            found = await page.evaluate(CONTRAST)
            assert len(found) > 20
            assert [each for each in found if each["ratio"] < each["wanted"]] == [], scheme
            assert await page.evaluate("document.documentElement.scrollWidth") <= width


def live(nodes: list[dict[str, Any]]) -> list[str]:
    """Of the two that tell how it stands: how politely each interrupts a screen reader."""
    found = [node.get("live", "off") for node in of_role(nodes, "status")]
    assert len(found) == 2
    return found


async def begun(visit: Visit) -> None:
    await visit.page.locator("#state", has_text="Listening.").wait_for()


async def test_page_that_loads_and_is_hung_up(tmp_path: Path) -> None:
    async with opened(silence(20.0), tmp_path, parts=("an ear",)) as visit:
        page = visit.page
        await page.locator(
            "#loading", has_text="Loading an ear. The conversation begins"
        ).wait_for()
        nodes = await is_for_everyone(page, "Hang up", talking=False)
        assert ("progressbar", "Loading") in {(node["role"], node["name"]) for node in nodes}
        await page.get_by_role("button", name="Hang up").press("Enter")
        await page.locator("#loading", has_text="You can press the button already.").wait_for()
        await is_for_everyone(page, "Start talking", talking=False)
        visit.load("an ear")
        await page.get_by_role("button", name="Start talking").press("Enter")
        await begun(visit)
        nodes = await is_for_everyone(page, "Hang up", talking=True)
        # What everybody hears is not told once more, but who may interrupt is.
        assert live(nodes) == ["off", "polite"]
        await page.get_by_role("button", name="Only I may interrupt").press("Enter")
        await page.locator("#enrolment").wait_for()
        nodes = await is_for_everyone(page, "Hang up", talking=True)
        names = {node["name"] for node in of_role(nodes, "progressbar")}
        assert "Learning your voice" in names
        await page.get_by_role("button", name="Mute").press("Enter")
        nodes = await is_for_everyone(page, "Hang up", talking=True)
        (mute,) = [node for node in of_role(nodes, "button") if node["name"] == "Mute"]
        assert mute["pressed"] == "true"
        await page.get_by_role("button", name="Hang up").press("Enter")
        await page.locator("#state", has_text="you hung up").wait_for()
        nodes = await is_for_everyone(page, "Start talking", talking=False)
        # Why it has ended is told, and nothing is learnt any more.
        assert live(nodes) == ["polite", "polite"]
        assert await page.locator("#enrolment").is_hidden()
        assert await page.inner_text("#who") == "Everyone may interrupt."


async def test_captions_say_what_was_not_heard(tmp_path: Path) -> None:
    parts = [silence(2.0), ME.says(1.2, 1), silence(4.0), ME.says(1.6, 3), silence(20.0)]
    async with opened(np.concatenate(parts), tmp_path) as visit:
        page = visit.page
        await page.locator("#said li").nth(2).wait_for(timeout=100_000)
        await page.locator("summary").press("Enter")
        nodes = await is_for_everyone(page, "Hang up", talking=True)
        (log,) = of_role(nodes, "log")
        assert log.get("live", "off") == "off"
        assert len(of_role(nodes, "deletion")) == 1
        texts = [node["name"].strip() for node in of_role(nodes, "StaticText")]
        assert texts.count("not heard:") == 1
        struck = (await page.inner_text("#said .cut")).strip()
        assert struck in texts
        assert ANSWER.endswith(struck)
        assert {"back up the photos: 1 of 4 tasks"} <= {
            node["name"] for node in of_role(nodes, "progressbar")
        }


async def test_lost_link_is_told(tmp_path: Path) -> None:
    async with opened(silence(20.0), tmp_path) as visit:
        await begun(visit)
        # Nothing new is let through either.
        await visit.page.context.set_offline(True)
        visit.cut()
        await visit.page.locator("#state", has_text="The link is lost. Trying again.").wait_for()
        nodes = await is_for_everyone(visit.page, "Hang up", talking=True)
        assert live(nodes)[0] == "polite"
        assert await visit.page.inner_text("#state") == "The link is lost. Trying again."
