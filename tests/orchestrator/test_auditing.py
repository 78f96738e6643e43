"""What a hub notes of its day, and how often it may be asked; over real sockets."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from constellation.aip.client import Link, connect
from constellation.config import LocalHub, Settings
from constellation.errors import AuthenticationError, LimitExceeded, PermissionDenied
from constellation.orchestrator.audit import entries, verify
from constellation.orchestrator.hub import Hub
from constellation.orchestrator.rates import KEPT, Rates
from constellation.orchestrator.service import open_hub

pytestmark = pytest.mark.anyio

SECRET = "correct horse battery staple"


def settings(folder: Path, **hub: Any) -> Settings:
    return Settings.model_validate({"state_dir": folder, "hub": {"port": 0, **hub}})


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with open_hub(settings(tmp_path)) as found:
        yield found


def admin(hub: Hub, folder: Path) -> Any:
    local = LocalHub.find(folder)
    assert local is not None
    token = local.token.get_secret_value()
    return connect(hub.url, role="client", name="tester", credential=token)


async def ready(link: Link) -> Link:
    with anyio.fail_after(100):
        await link.ready()
    return link


async def test_who_did_what_is_noted(hub: Hub, tmp_path: Path) -> None:
    edits = [{"op": "add_task", "task": {"id": "a", "skill": "x", "arguments": {"p": SECRET}}}]
    async with admin(hub, tmp_path) as root:
        await ready(root)
        offer = await root.request("pair", {"role": "client", "name": "ada"})
        async with connect(hub.url, role="client", name="ada", pair_code=offer["code"]) as ada:
            made = await ada.request("submit", {"edits": edits, "name": SECRET})
            name = {"constellation": made["constellation"]}
            await ada.request("cancel", {**name, "reason": SECRET})
            await ada.request("list")
            with pytest.raises(PermissionDenied):
                await ada.request("credentials")
        await root.request("allow", {"name": "ada", "read_only": True})
        await root.request("revoke", {"name": "ada"})
    noted = [(each["what"], each["who"]) for each in entries(tmp_path)]
    assert noted[:9] == [
        ("started", ""),
        ("connected", "local"),
        ("pair", "local"),
        ("paired", "ada"),
        ("connected", "ada"),
        ("submit", "ada"),
        ("cancel", "ada"),
        ("credentials", "ada"),
        ("left", "ada"),
    ]
    assert ("allow", "local") in noted
    assert ("revoke", "local") in noted
    by_what = {each["what"]: each for each in entries(tmp_path)}
    assert by_what["submit"]["constellation"] == made["constellation"]
    assert by_what["credentials"]["code"] == "session.permission"
    assert by_what["allow"]["may"] == "any skill; only looks"
    assert by_what["connected"]["address"] == "127.0.0.1"
    assert SECRET not in (tmp_path / "audit.jsonl").read_text()
    assert offer["code"] not in (tmp_path / "audit.jsonl").read_text()
    assert verify(tmp_path).findings == ()


async def test_who_was_refused_at_the_door_is_noted_within_bounds(hub: Hub, tmp_path: Path) -> None:
    async def knock(**shown: Any) -> None:
        with pytest.raises(AuthenticationError):
            async with connect(hub.url, role="client", name="eve", **shown):
                await anyio.sleep_forever()

    await knock(credential="cst_nobody_nothing")
    await knock(pair_code="0000-0000")
    first, second = [each for each in entries(tmp_path) if each["what"] == "refused"]
    assert (first["address"], first["code"]) == ("127.0.0.1", "session.authentication")
    assert second["session"] == "eve"
    for _ in range(500):
        hub.auditor.refused("192.0.2.1", "eve", AuthenticationError("No."))
    refused = [each for each in entries(tmp_path) if each["what"] == "refused"]
    assert 90 < len(refused) < 120


async def test_the_log_outlives_the_hub(tmp_path: Path) -> None:
    for _ in range(2):
        async with open_hub(settings(tmp_path)):
            pass
    whats = [each["what"] for each in entries(tmp_path)]
    assert whats == ["started", "stopped"] * 2
    assert verify(tmp_path).findings == ()


async def test_whoever_asks_too_often_is_told_to_wait(tmp_path: Path) -> None:
    slow = settings(tmp_path, submits_per_s=0.1)
    edits = [{"op": "add_task", "task": {"id": "a", "skill": "x"}}]
    async with open_hub(slow) as hub, admin(hub, tmp_path) as root:
        await ready(root)
        await root.request("submit", {"edits": edits})
        with pytest.raises(LimitExceeded, match=r"local makes more than 0\.1 submits") as caught:
            await root.request("submit", {"edits": edits})
        assert 0 < caught.value.details["retry_after_s"] <= 10
        await root.request("list")
        # Others are none the worse.
        _, token = hub.access.credentials.issue("ada", "client", time.time())
        async with connect(hub.url, role="client", name="ada", credential=token) as ada:
            await ada.request("submit", {"edits": edits})


async def test_nonsense_counts_too(tmp_path: Path) -> None:
    slow = settings(tmp_path, requests_per_s=0.5)
    async with open_hub(slow) as hub, admin(hub, tmp_path) as root:
        await ready(root)
        for _ in range(5):
            with pytest.raises(LimitExceeded if _ == 5 else Exception, match="no verb"):
                await root.request("nonsense")
        with pytest.raises(LimitExceeded, match="requests a second"):
            await root.request("list")


def test_buckets_do_not_pile_up() -> None:
    rates = Rates(10.0, 1.0)
    for number in range(3 * KEPT):
        rates.check(str(number), "x", "submit", float(number))
    assert len(rates._requests) <= KEPT
    assert len(rates._submits) <= KEPT
