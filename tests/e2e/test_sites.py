"""A hub under another one, which is killed while work from above runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from bench.processes import layered, ledger_counts
from constellation.cli.processes import child
from constellation.client import open_hub
from constellation.config import LocalHub, load_settings

pytestmark = [pytest.mark.anyio, pytest.mark.full]


async def test_work_goes_on_when_the_hub_of_the_site_was_killed(
    fabric: Any, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    async with fabric() as below:
        await below.start_agent("desk")
        above = load_settings({"state_dir": tmp_path / "above"})
        async with child("region", ["hub", "--host", "127.0.0.1", "--port", "0"], above) as hub:
            await hub.ready()
            local = LocalHub.find(above.state_dir)
            assert local is not None
            async with open_hub(above) as region:
                code = (await region.ask("pair", name="north"))["code"]
                arguments = ["site", "--hub", local.url, "--name", "north", "--pair", code]
                async with child("site", arguments, below.settings) as site:
                    await site.ready()
                    edits = layered(ledger, "ledger.once", 3, 4, 0.4)
                    work = (await region.ask("submit", edits=edits))["constellation"]
                    events = await region.watch(work, after=0)
                    started = 0
                    with anyio.fail_after(100):
                        async for event in events:
                            started += event["kind"] == "started"
                            if started == 2:
                                await below.kill_hub()
                                await below.start_hub()
                                started += 1
                            if event["kind"] == "ended":
                                break
                    assert event["body"]["state"] == "completed"
    assert set(ledger_counts(ledger).values()) == {1}
    assert len(ledger_counts(ledger)) == 12
