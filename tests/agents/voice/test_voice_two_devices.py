"""Work that is moved from one device to another by voice: a real hub, two real devices."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal
from voices import silence

from agents.voice.dialogue import Dialogue
from agents.voice.hub import Hub, connected
from agents.voice.recorded import run
from agents.voice.sound import Samples
from constellation.cli.processes import child
from constellation.config import LocalHub, Settings, load_settings

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

ENROLMENT = (
    "This is how my own voice sounds, and nobody else may interrupt while you talk to me. "
    "The old man in the harbour mends his nets, and he sings of a ship that never came home. "
    "How far is it to the next village, and is there a bakery that opens before seven?"
)


@asynccontextmanager
async def fabric(settings: Settings, root: Path) -> AsyncIterator[None]:
    """A hub with the devices alpha and beta."""
    async with child("hub", ["hub", "--host", "127.0.0.1", "--port", "0"], settings) as hub:
        await hub.ready()
        work = ["agent", "--drain-timeout", "0", "--name"]
        async with (
            child("alpha", [*work, "alpha", "--root", str(root / "alpha")], settings) as alpha,
            child("beta", [*work, "beta", "--root", str(root / "beta")], settings) as beta,
        ):
            await alpha.ready()
            await beta.ready()
            yield


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    root = tmp_path_factory.mktemp("roots")
    for name in ("alpha", "beta"):
        (root / name).mkdir()
        (root / name / "notes.txt").write_text(f"these are the notes of {name}")
    settings = load_settings({"state_dir": tmp_path_factory.mktemp("state")})
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(fabric(settings, root)),
    ):
        found = LocalHub.find(settings.state_dir)
        assert found is not None
        yield found


@pytest.fixture
def hub(local: LocalHub) -> Iterator[Hub]:
    with connected(local) as hub:
        yield hub


def said(dialogue: Dialogue, prompt: str) -> str:
    return " ".join(each for each in dialogue.answer(prompt, ()) if isinstance(each, str))


def named(hub: Hub) -> dict[str, str]:
    """The states of all constellations, by their names."""
    listed = hub._ask("list", all=True)["constellations"]
    return {each["name"]: each["state"] for each in listed}


def test_device_that_was_not_named_is_asked_for(hub: Hub) -> None:
    dialogue = Dialogue(hub)
    assert said(dialogue, "Read notes.txt.") == "On which device: alpha or beta?"
    assert said(dialogue, "On beta, please.") == "These are the notes of beta."


def test_work_that_has_begun_is_stopped_and_done_on_the_other(hub: Hub) -> None:
    dialogue = Dialogue(hub)
    assert said(dialogue, "Wait 61 seconds on alpha.").startswith("I am at it: Wait 61 seconds on")
    assert "on beta" in said(dialogue, "Not that one, the other machine.")
    assert said(dialogue, "Stop.") == "I have stopped it: Wait 61 seconds on beta."
    states = named(hub)
    assert states["Wait 61 seconds on alpha"] == states["Wait 61 seconds on beta"] == "canceled"


@pytest.fixture(scope="module")
def spoken() -> Iterator[dict[str, Samples]]:
    pytest.importorskip("moonshine_voice")
    pytest.importorskip("piper")
    from agents.voice.models.piper import Piper

    piper = Piper(seed=0)
    texts = {
        "enrolment": ENROLMENT,
        "wait": "Wait forty seconds, then check the memory on alpha.",
        "other": "No, not that one, the other machine.",
    }
    try:
        yield {name: 0.6 * piper.say(text).samples for name, text in texts.items()}
    finally:
        piper.close()


def test_work_is_moved_by_voice_while_it_waits_and_its_end_is_told(
    spoken: dict[str, Samples], local: LocalHub, hub: Hub
) -> None:
    before = named(hub)
    recording = np.concatenate(
        [silence(1.0), spoken["wait"], silence(3.0, 1), spoken["other"], silence(1.0, 2)]
    )
    outcome = run(recording, [spoken["enrolment"]], local)
    entries = outcome.timeline.entries
    turns = [entry.text for entry in entries if entry.what == "turn ended"]
    assert [turn.split(",")[0].split()[0].lower() for turn in turns] == ["wait", "no"]
    # One constellation, which is called what it has become.
    (made,) = named(hub).keys() - before.keys()
    assert named(hub)[made] == "completed"
    assert "beta" in made
    heard = [entry.text for entry in entries if entry.what.startswith("heard")]
    assert any(each.startswith("I am at it: Wait 40 seconds") and "beta" in each for each in heard)
    assert heard[-1].startswith("About Wait 40 seconds")
