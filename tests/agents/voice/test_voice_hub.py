"""The fabric as the voice agent's hands: a real hub and a real device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from agents.voice.dialogue import Dialogue
from agents.voice.hands import Asked, Outcome
from agents.voice.hub import Hub, connected
from agents.voice.overview import Overview
from agents.voice.ports import Working
from constellation.cli.embedded import embedded_hub
from constellation.config import LocalHub, load_settings
from constellation.errors import HubUnreachable, PlanError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def hub(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    state = tmp_path_factory.mktemp("state")
    (root / "hello.txt").write_text("hello from a file")
    settings = load_settings({"state_dir": state})
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(embedded_hub(settings, root)),
    ):
        local = LocalHub.find(state)
        assert local is not None
        with connected(local) as hub:
            yield hub


def test_request_is_planned_run_and_told(hub: Hub) -> None:
    pieces = list(Dialogue(hub).answer("Read hello.txt.", ()))
    assert pieces == [Working(True), Working(False), "Hello from a file."]


def test_several_results_are_told_by_name(hub: Hub) -> None:
    work, _ = hub.submit("read hello.txt and show the memory", 10)
    outcome = hub.outcome(work, 10)
    assert isinstance(outcome, Outcome)
    assert isinstance(outcome.output, dict)
    assert len(outcome.output) == 2


def test_failure_says_why(hub: Hub) -> None:
    work, _ = hub.submit("read nothing.txt", 10)
    outcome = hub.outcome(work, 10)
    assert isinstance(outcome, Outcome)
    assert outcome.state == "failed"
    assert "nothing.txt" in outcome.output


def test_request_that_cannot_be_planned(hub: Hub) -> None:
    with pytest.raises(PlanError):
        hub.submit("colourless green ideas", 10)


def test_dangerous_work_asks_and_is_answered(hub: Hub) -> None:
    work, _ = hub.submit("run `echo yes`", 10)
    asked = hub.outcome(work, 10)
    assert isinstance(asked, Asked)
    assert asked.approval
    assert "echo yes" in asked.prompt
    hub.reply(asked, False)
    outcome = hub.outcome(work, 10)
    assert isinstance(outcome, Outcome)
    assert outcome.state == "canceled"
    assert work not in hub._answered


def test_what_takes_longer_is_not_waited_for_and_can_be_stopped(hub: Hub) -> None:
    work, _ = hub.submit("wait 60 seconds", 10)
    assert hub.outcome(work, 0.1) is None
    hub.cancel(work)
    outcome = hub.outcome(work, 10)
    assert isinstance(outcome, Outcome)
    assert outcome.state == "canceled"


def test_work_is_changed_where_it_has_not_begun(hub: Hub, root: Path) -> None:
    (root / "other.txt").write_text("from another file")
    work, _ = hub.submit("wait 2 seconds, then read hello.txt", 10)
    title = hub.amend(work, "wait 2 seconds, then read other.txt", 10)
    assert title is not None
    listed = hub._ask("list", all=True)["constellations"]
    assert [each["name"] for each in listed if each["id"] == work] == [title]
    outcome = hub.outcome(work, 20)
    assert isinstance(outcome, Outcome)
    assert outcome.output["content"] == "from another file"
    # What was done cannot be changed, nor what is being done.
    assert hub.amend(work, "wait 2 seconds, then read hello.txt", 10) is None
    work, _ = hub.submit("wait 60 seconds, then read hello.txt", 10)
    assert hub.amend(work, "wait 50 seconds, then read hello.txt", 10) is None
    with pytest.raises(PlanError):
        hub.amend(work, "colourless green ideas", 10)
    hub.cancel(work)


def test_devices_are_named(hub: Hub) -> None:
    assert len(hub.devices()) == 1


def test_hub_that_goes_away_is_told_and_so_are_its_devices(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.voice.hub._TIMEOUT_S", 0.5)
    settings = load_settings({"state_dir": tmp_path})
    with start_blocking_portal() as portal, ExitStack() as fabric:
        fabric.enter_context(portal.wrap_async_context_manager(embedded_hub(settings, root)))
        local = LocalHub.find(tmp_path)
        assert local is not None
        with connected(local, timeout_s=30) as hub:
            dialogue = Dialogue(hub)
            assert str(list(dialogue.answer("Wait 60 seconds.", ()))[-1]).startswith("I am at it")
            hub.saw(Overview((("desk", True),)))
            fabric.close()
            with pytest.raises(HubUnreachable, match="cannot be reached"):
                hub.devices()
            assert hub.overview.devices == (("desk", False),)
            assert list(dialogue.ended()) == []
            with pytest.raises(HubUnreachable, match="cannot be reached"):
                list(dialogue.answer("Wait 61 seconds.", ()))


def test_hub_that_is_gone() -> None:
    local = LocalHub(url="ws://127.0.0.1:9/aip", token="none", pid=1)
    with pytest.raises(HubUnreachable), connected(local, timeout_s=0.2):
        pass
