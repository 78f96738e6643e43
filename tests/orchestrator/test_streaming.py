"""Streams between tasks: a real hub, real agents, real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streaming_kit import fabric

from constellation.aip.limits import Limits
from constellation.errors import PermissionDenied

pytestmark = pytest.mark.anyio


def count(id: str = "a", to: int = 100, **more: Any) -> dict[str, Any]:
    arguments = {"to": to, **more.pop("arguments", {})}
    return {"id": id, "skill": "count", "arguments": arguments, **more}


def total(id: str = "b", of: str = "a", skill: str = "total", **more: Any) -> dict[str, Any]:
    return {"id": id, "skill": skill, "arguments": {"numbers": f"${{{of}.items}}"}, **more}


@pytest.mark.parametrize("sync", ["normal", "full"])
async def test_a_reader_works_while_its_source_does(tmp_path: Path, sync: str) -> None:
    async with fabric(tmp_path, journal_sync=sync) as it:
        await it.device("left", only=["count"])
        await it.device("right", only=["total"])
        it.hand.allowed = 5
        name = await it.submit(count(), total())
        await it.hand.until(lambda: it.hand.taken.get(f"{name}/b/1") == [0, 1, 2, 3, 4])
        assert (await it.nodes(name))["a"]["state"] == "working"
        it.hand.set(allowed=None)
        nodes = await it.ended(name)
        assert nodes["b"]["output"] == sum(range(100))
        assert it.hand.taken == {f"{name}/b/1": list(range(100))}


async def test_a_source_is_never_more_than_its_lag_ahead(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("left", only=["count"])
        await it.device("right", only=["total"])
        it.hand.may_take = 1
        name = await it.submit(count(to=300), total())
        await it.hand.until(lambda: len(it.hand.emitted.get(f"{name}/a/1", ())) >= 17)
        for most in (2, 3, 50):
            it.hand.set(may_take=most)
            await it.hand.until(lambda n=most: len(it.hand.emitted[f"{name}/a/1"]) >= n + 16)
        it.hand.set(may_take=None)
        nodes = await it.ended(name)
        assert nodes["b"]["output"] == sum(range(300))
        assert it.hand.ahead == 16


@pytest.mark.parametrize("lag", [1, 3])
async def test_the_lag_is_a_setting(tmp_path: Path, lag: int) -> None:
    async with fabric(tmp_path, stream_lag=lag) as it:
        await it.device("desk")
        name = await it.submit(count(to=50), total())
        nodes = await it.ended(name)
        assert nodes["b"]["output"] == sum(range(50))
        assert 1 <= it.hand.ahead <= lag


async def test_where_nothing_flows_readers_wait_for_the_list(tmp_path: Path) -> None:
    async with fabric(tmp_path, stream_lag=0) as it:
        await it.device("desk")
        of_list = {"id": "a", "skill": "list"}
        nodes = await it.ended(await it.submit(of_list, total(), count("c"), total("d", of="c")))
        assert nodes["b"]["output"] == 6
        assert "its output is no list" in nodes["d"]["error"]["message"]


async def test_large_items_pass(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("left", only=["count"])
        await it.device("right", only=["total"])
        name = await it.submit(count(to=12, arguments={"size": 900_000}), total())
        nodes = await it.ended(name)
        assert nodes["b"]["output"] == sum(range(12))


async def test_an_item_that_is_too_large_fails_its_source(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("desk")
        name = await it.submit(count(to=1, arguments={"size": 1 << 20}), total())
        nodes = await it.ended(name)
        assert nodes["a"]["error"]["code"] == "protocol.limit"


@pytest.mark.parametrize("stops_at", [0, 3])
async def test_a_reader_that_wants_no_more_lets_its_source_run(
    tmp_path: Path, stops_at: int
) -> None:
    async with fabric(tmp_path) as it:
        await it.device("left", only=["count"])
        await it.device("right", only=["total"])
        it.hand.stops_at = stops_at
        name = await it.submit(count(to=500), total())
        nodes = await it.ended(name)
        assert nodes["b"]["output"] == sum(range(stops_at))
        assert nodes["a"]["output"] == "done"
        assert len(it.hand.emitted[f"{name}/a/1"]) == 500


async def test_what_nobody_reads_is_sent_nowhere(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("desk")
        nodes = await it.ended(await it.submit(count(to=1_000)))
        assert nodes["a"]["output"] == "done"
        assert not (tmp_path / "hub" / "streams").exists()


async def test_the_failure_of_a_source_reaches_its_reader(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("desk")
        it.hand.set(allowed=5, fails_at=5)
        name = await it.submit(count(), total())
        await it.hand.until(lambda: len(it.hand.taken.get(f"{name}/b/1", ())) == 5)
        it.hand.set(allowed=None)
        nodes = await it.ended(name)
        assert nodes["b"]["error"]["code"] == "task.failed.upstream"
        assert "Task a, which it reads, is failed" in nodes["b"]["error"]["message"]


@pytest.mark.parametrize("skill", ["total", "strict"])
async def test_a_source_that_begins_anew(tmp_path: Path, skill: str) -> None:
    async with fabric(tmp_path) as it:
        await it.device("desk")
        it.hand.set(allowed=5, fails_at=5)
        again = {"attempts": 2, "backoff_s": 0.0}
        name = await it.submit(count(to=40, retry=again), total(skill=skill))
        await it.hand.until(lambda: len(it.hand.taken.get(f"{name}/b/1", ())) == 5)
        it.hand.set(allowed=None)
        nodes = await it.ended(name)
        assert nodes["a"]["attempt"] == 2
        if skill == "total":
            assert nodes["b"]["output"] == sum(range(40))
            assert it.hand.taken == {
                f"{name}/b/1": list(range(5)),
                f"{name}/b/2": list(range(40)),
            }
        else:
            assert it.hand.errors == {f"{name}/b/1": "task.failed.upstream"}
            assert "begins anew" in nodes["b"]["error"]["message"]


async def test_a_reader_that_is_tried_again_reads_from_the_beginning(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("left", only=["count"])
        right = await it.device("right", only=["total"])
        it.hand.may_take = 30
        name = await it.submit(count(to=60), total())
        await it.hand.until(lambda: len(it.hand.taken.get(f"{name}/b/1", ())) == 30)
        await right.stop()
        await right.start()
        it.hand.set(may_take=None)
        nodes = await it.ended(name)
        assert nodes["a"]["attempt"] == 1
        assert it.hand.taken[f"{name}/b/2"] == list(range(60))


async def test_canceling_a_reader_lets_its_source_run(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("desk")
        it.hand.may_take = 1
        name = await it.submit(count(to=200), total())
        await it.hand.until(lambda: len(it.hand.emitted.get(f"{name}/a/1", ())) == 17)
        await it.client.request("cancel", {"constellation": name, "task": "b"})
        nodes = await it.ended(name)
        assert nodes["a"]["output"] == "done"
        assert nodes["b"]["state"] == "canceled"


async def test_canceling_a_source_breaks_its_stream(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("desk")
        it.hand.allowed = 4
        name = await it.submit(count(), total())
        await it.hand.until(lambda: len(it.hand.taken.get(f"{name}/b/1", ())) == 4)
        await it.client.request("cancel", {"constellation": name, "task": "a"})
        nodes = await it.ended(name)
        assert nodes["b"]["error"]["code"] == "task.failed.upstream"


async def test_cut_connections_lose_and_repeat_nothing(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        left = await it.device("left", only=["count"])
        right = await it.device("right", only=["total"])
        it.hand.allowed = 0
        name = await it.submit(count(to=200), total())
        for step in range(1, 9):
            it.hand.set(allowed=step * 20)
            await it.hand.until(lambda n=step: len(it.hand.taken.get(f"{name}/b/1", ())) >= n * 15)
            for device in (left, right) if step % 3 == 0 else (left,) if step % 2 else (right,):
                device.proxy.cut()
        it.hand.set(allowed=None)
        await it.ended(name)
        assert it.hand.taken == {f"{name}/b/1": list(range(200))}


async def test_a_restarted_hub_goes_on_where_it_was(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("left", only=["count"])
        await it.device("right", only=["total"])
        it.hand.set(allowed=40, may_take=30)
        name = await it.submit(count(to=90), total())
        await it.hand.until(lambda: len(it.hand.taken.get(f"{name}/b/1", ())) == 30)
        await it.stop_hub()
        it.hand.set(allowed=60)
        await it.start_hub()
        it.hand.set(may_take=None)
        await it.hand.until(lambda: len(it.hand.taken[f"{name}/b/1"]) == 60)
        it.hand.set(allowed=None)
        nodes = await it.ended(name)
        assert nodes["a"]["attempt"] == nodes["b"]["attempt"] == 1
        assert it.hand.taken == {f"{name}/b/1": list(range(90))}


async def test_a_hub_that_restarts_after_the_source_has_ended(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("left", only=["count"])
        await it.device("right", only=["total"])
        it.hand.may_take = 3
        name = await it.submit(count(to=12), total())
        await it.hand.until(lambda: len(it.hand.taken.get(f"{name}/b/1", ())) == 3)
        while (await it.nodes(name))["a"]["state"] != "completed":
            pass
        await it.stop_hub()
        await it.start_hub()
        it.hand.set(may_take=None)
        await it.ended(name)
        assert it.hand.taken == {f"{name}/b/1": list(range(12))}


async def test_a_chain_of_readers(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("desk", capacity=8)
        stages = [total(f"s{n}", of="a" if n == 0 else f"s{n - 1}", skill="pass") for n in range(4)]
        name = await it.submit(count(to=100), *stages, total("end", of="s3"))
        nodes = await it.ended(name)
        assert nodes["end"]["output"] == sum(range(100)) + 4 * 100


async def test_two_streams_read_one_after_the_other_do_not_block(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("desk", capacity=8)
        last = {
            "id": "c",
            "skill": "both",
            "arguments": {"first": "${a.items}", "second": "${b.items}"},
        }
        name = await it.submit(count(to=400), total("b", skill="pass"), last)
        nodes = await it.ended(name)
        assert nodes["c"]["output"] == [sum(range(400)), sum(range(400)) + 400]


async def test_two_readers_of_one_stream(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("desk")
        name = await it.submit(count(), total("b"), total("c"))
        nodes = await it.ended(name)
        assert nodes["b"]["output"] == nodes["c"]["output"] == sum(range(100))


async def test_one_place_is_enough(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("desk", capacity=1)
        nodes = await it.ended(await it.submit(count(to=300), total()))
        assert nodes["b"]["output"] == sum(range(300))


async def test_without_items_the_list_is_read(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("desk")
        of_list = {"id": "a", "skill": "list"}
        nodes = await it.ended(
            await it.submit(of_list, total("b"), total("c", skill="plain"), total("d"))
        )
        assert [nodes[task]["output"] for task in "bcd"] == [6, 6, 6]


async def test_what_nobody_comes_to_read_is_bounded(tmp_path: Path) -> None:
    async with fabric(tmp_path, stream_kept_bytes=20_000) as it:
        await it.device("desk", only=["count"])
        name = await it.submit(count(to=10_000), total())
        nodes = await it.ended(name)
        assert nodes["a"]["error"]["code"] == "protocol.limit"
        assert "no task that reads it runs" in nodes["a"]["error"]["message"]
        assert nodes["b"]["state"] == "canceled"


async def test_a_long_stream_is_forgotten_behind_its_reader(tmp_path: Path) -> None:
    async with fabric(tmp_path, stream_kept_bytes=1 << 20) as it:
        await it.device("desk")
        name = await it.submit(count(to=40, arguments={"size": 700_000}), total())
        await it.hand.until(lambda: len(it.hand.taken.get(f"{name}/b/1", ())) == 40)
        nodes = await it.ended(name)
        assert nodes["b"]["output"] == sum(range(40))


async def test_an_edge_added_to_what_flows(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("desk")
        it.hand.allowed = 10
        name = await it.submit(count(), total())
        await it.hand.until(lambda: len(it.hand.taken.get(f"{name}/b/1", ())) == 10)
        edits = [{"op": "add_task", "task": total("late")}]
        await it.client.request("edit", {"constellation": name, "edits": edits})
        await it.hand.until(lambda: len(it.hand.taken.get(f"{name}/late/1", ())) == 10)
        it.hand.set(allowed=None)
        nodes = await it.ended(name)
        assert nodes["late"]["output"] == sum(range(100))
        assert not list((tmp_path / "hub" / "streams").iterdir())


async def test_a_reader_for_which_no_stream_is_left_is_told_so_at_once(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        await it.device("left", only=["count"])
        await it.device("right", only=["total"], limits=Limits(max_streams=2))
        it.hand.allowed = 3
        name = await it.submit(count(), *(total(f"b{n}") for n in range(4)))
        await it.hand.until(lambda: len(it.hand.errors) == 2)
        assert set(it.hand.errors.values()) == {"protocol.limit"}
        # The others have theirs, and those that were told so hold up nobody.
        it.hand.set(allowed=None)
        nodes = await it.ended(name)
        states = sorted(nodes[f"b{n}"]["state"] for n in range(4))
        assert states == ["completed", "completed", "failed", "failed"]
        errors = [nodes[f"b{n}"]["error"] for n in range(4) if "error" in nodes[f"b{n}"]]
        assert {error["code"] for error in errors} == {"protocol.limit"}


async def test_whoever_asks_for_what_it_may_not_read_is_told_so(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        desk = await it.device("desk")
        it.hand.allowed = 3
        name = await it.submit(count(), total())
        await it.hand.until(lambda: len(it.hand.taken.get(f"{name}/b/1", ())) == 3)
        asked = desk.streams.inputs(f"{name}/a/1", "b")
        with pytest.raises(PermissionDenied):
            await anext(asked)
        it.hand.set(allowed=None)
        assert (await it.ended(name))["b"]["output"] == sum(range(100))


async def test_devices_get_at_nothing_else(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        left = await it.device("left", only=["count"])
        right = await it.device("right", only=["total"])
        it.hand.allowed = 3
        name = await it.submit(count(), total())
        await it.hand.until(lambda: len(it.hand.taken.get(f"{name}/b/1", ())) == 3)
        # Of an attempt that it does not run, neither to read nor to put out.
        left.link.send("read", {"attempt": f"{name}/b/1", "task": "a", "index": 0})
        left.link.send("read", {"attempt": f"{name}/a/1", "task": "b", "index": 0})
        meta = {"attempt": f"{name}/a/1", "index": 0}
        writer = right.link.streams.open_bytes("emit", meta)
        await right.link.until(lambda: writer.is_closed)
        assert writer.refusal is not None
        assert writer.refusal.code == "session.permission"
        wrong = right.link.streams.open_bytes("emit", {"attempt": 7})
        await right.link.until(lambda: wrong.is_closed)
        assert wrong.refusal is not None
        assert wrong.refusal.code == "protocol.remote"
        it.hand.set(allowed=None)
        nodes = await it.ended(name)
        assert nodes["b"]["output"] == sum(range(100))


async def test_a_device_that_keeps_to_no_lag_is_refused(tmp_path: Path) -> None:
    async with fabric(tmp_path) as it:
        left = await it.device("left", only=["count"])
        await it.device("right", only=["total"])
        it.hand.set(allowed=0, may_take=1)
        name = await it.submit(count(), total())
        attempt = f"{name}/a/1"
        await it.hand.until(lambda: attempt in it.hand.emitted)
        writer = left.link.streams.open_bytes("emit", {"attempt": attempt, "index": 0})
        for number in range(1_200):
            writer.put(b"%d\n" % number)
        await left.link.until(lambda: writer.is_closed)
        assert writer.refusal is not None
        assert writer.refusal.code == "protocol.limit"
        await it.client.request("cancel", {"constellation": name})
        await it.ended(name)
