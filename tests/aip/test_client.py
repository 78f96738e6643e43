"""Links against a real server on loopback, through a proxy where the network has to fail."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from websockets.asyncio.server import serve as serve_websockets

from constellation.aip.backoff import Backoff
from constellation.aip.cards import DeviceCard
from constellation.aip.client import Link, connect
from constellation.aip.codec import CODECS, JSON, MSGPACK
from constellation.aip.heartbeat import Heartbeat
from constellation.aip.limits import Limits
from constellation.aip.messages import Message
from constellation.aip.server import Peer
from constellation.errors import (
    AuthenticationError,
    ConfigError,
    HubUnreachable,
    LimitExceeded,
    PermissionDenied,
    RemoteProtocolError,
    SessionLost,
    UnknownTaskError,
    VersionError,
)
from constellation.testing.proxy import tcp_proxy

pytestmark = pytest.mark.anyio

EVENT = {"subscription": "s1", "time": 0.0, "constellation": "c", "kind": "k", "body": {}}


def soon() -> Backoff:
    return Backoff(random.random, first_s=0.001, most_s=0.01)


def answer(peer: Peer, message: Message) -> None:
    """A hub that knows a few verbs."""
    match message.body:
        case {"id": id, "verb": "echo", "params": params}:
            peer.send("response", {"id": id, "result": params})
        case {"id": id, "verb": "fail"}:
            error = UnknownTaskError("There is no such task.", task="t")
            peer.send("response", {"id": id, "error": error.to_wire()})
        case {"id": id, "verb": "subscribe", "params": {"count": count}}:
            peer.send("response", {"id": id, "result": {"subscription": "s1"}})
            for seq in range(count):
                peer.send("event", {**EVENT, "seq": seq})


@asynccontextmanager
async def client(hub, url: str, **more: Any) -> AsyncIterator[Link]:
    if "credential" not in more:
        more["credential"] = hub.token("me", "client")
    async with connect(
        url, role="client", name="me", backoff=more.pop("backoff", soon()), **more
    ) as link:
        yield link


@asynccontextmanager
async def device(hub, url: str, **more: Any) -> AsyncIterator[Link]:
    if not more.keys() & {"credential", "pair_code"}:
        more["credential"] = hub.token("desk")
    async with connect(url, role="device", name="desk", backoff=soon(), **more) as link:
        yield link


async def stay(
    link: AbstractAsyncContextManager[Link], then: Callable[[], Any] | None = None
) -> None:
    """Be connected until something ends it."""
    async with link as opened:
        if then is not None:
            await opened.ready()
            then()
        await anyio.sleep_forever()


async def until_soon(condition: Callable[[], Any]) -> None:
    """Let the loop run until something is so that nobody tells of."""
    with anyio.fail_after(100):
        while not condition():
            await anyio.lowlevel.checkpoint()


# ── opening ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
async def test_asks_and_is_answered(hub, codec) -> None:
    hub.app.on_message = answer
    async with hub.serving(name="home") as server, client(hub, server.url, codec=codec) as link:
        assert await link.request("echo", {"a": [1, None, "ü"]}) == {"a": [1, None, "ü"]}
        with pytest.raises(UnknownTaskError) as error:
            await link.request("fail")
        assert error.value.details == {"task": "t"}
        assert link.welcome["hub"] == "home"
        assert link.state == "open"


async def test_the_path_may_be_left_out(hub) -> None:
    async with hub.serving() as server, client(hub, f"ws://127.0.0.1:{server.port}") as link:
        await link.ready()


@pytest.mark.parametrize("url", ["", "hub.example", "http://hub.example", "ws://"])
async def test_refuses_what_is_no_address(hub, url: str) -> None:
    with pytest.raises(ConfigError):
        await stay(client(hub, url))


async def test_what_is_sent_before_the_hub_is_up_waits(hub) -> None:
    hub.app.on_message = answer
    async with hub.serving() as server:
        url, port = server.url, server.port
    opened: list[tuple[bool, Sequence[Message]]] = []
    async with client(hub, url, on_open=lambda *args: opened.append(args)) as link:
        link.send("request", {"id": "early", "verb": "nothing"})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link.request, "echo", {})
            async with hub.serving(port):
                await link.drained()
    assert [body["id"] for body in hub.app.bodies("me")] == ["early", "r1"]
    assert opened == [(False, ())]


async def test_a_refused_credential_ends_it(hub) -> None:
    async with hub.serving() as server:
        for credential in ("cst_1_2", None):
            with pytest.raises(AuthenticationError):
                await stay(client(hub, server.url, credential=credential))


async def test_a_role_that_is_not_permitted_ends_it(hub) -> None:
    async with hub.serving() as server:
        with pytest.raises(PermissionDenied):
            await stay(device(hub, server.url, credential=hub.token("me", "client")))


async def test_a_device_may_go_on_trying(hub) -> None:
    waited = anyio.Event()
    count = 0

    async def sleep(seconds: float) -> None:
        nonlocal count
        count += 1
        if count == 3:
            waited.set()
        await anyio.lowlevel.checkpoint()

    async with (
        hub.serving() as server,
        device(hub, server.url, credential="cst_1_2", give_up=False, sleep=sleep) as link,
    ):
        await waited.wait()
        assert isinstance(link.trouble, AuthenticationError)


async def test_waits_longer_after_each_failure(hub) -> None:
    async with hub.serving() as server:
        url = server.url
    delays: list[float] = []
    enough = anyio.Event()

    async def sleep(seconds: float) -> None:
        delays.append(seconds)
        if len(delays) == 5:
            enough.set()
            await anyio.sleep_forever()

    backoff = Backoff(lambda: 1.0, first_s=1.0, most_s=16.0)
    async with client(hub, url, backoff=backoff, sleep=sleep) as link:
        with anyio.fail_after(100):
            await enough.wait()
        assert isinstance(link.trouble, HubUnreachable)
    assert delays == [1.0, 2.0, 4.0, 8.0, 16.0]


async def test_a_hub_of_another_version_ends_it(hub) -> None:
    async def handle(socket: Any) -> None:
        error = VersionError("Version 9 is spoken here.").to_wire()
        await socket.recv()
        await socket.send(MSGPACK.join(0, [MSGPACK.encode("error", 0, error)]))

    async with serve_websockets(
        handle, "127.0.0.1", 0, subprotocols=["aip.v1+msgpack"], compression=None
    ) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(VersionError, match="9"):
            await stay(client(hub, f"ws://127.0.0.1:{port}"))


async def test_what_is_no_hub_ends_it(hub) -> None:
    async def handle(socket: Any) -> None:
        await socket.wait_closed()

    async with serve_websockets(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RemoteProtocolError):
            await stay(client(hub, f"ws://127.0.0.1:{port}"))


async def test_a_redirect_is_not_followed(hub) -> None:
    async with hub.serving() as real:

        def redirect(socket: Any, request: Any) -> Any:
            response = socket.respond(HTTPStatus.FOUND, "")
            response.headers["Location"] = real.url
            return response

        async with serve_websockets(None, "127.0.0.1", 0, process_request=redirect) as server:
            port = server.sockets[0].getsockname()[1]
            tried = anyio.Event()

            async def sleep(seconds: float) -> None:
                tried.set()
                await anyio.sleep_forever()

            async with client(hub, f"ws://127.0.0.1:{port}", sleep=sleep) as link:
                await tried.wait()
                assert isinstance(link.trouble, HubUnreachable)
                assert "302" in str(link.trouble)
    assert hub.app.told == []


# ── pairing ─────────────────────────────────────────────────────────────────────────────────────


async def test_pairing_gives_a_credential_that_is_used_from_then_on(hub) -> None:
    code = hub.pairing.offer(0.0, ttl_s=1e12).code
    kept: list[str] = []
    async with (
        hub.serving() as server,
        tcp_proxy("127.0.0.1", server.port) as proxy,
        device(
            hub, f"ws://127.0.0.1:{proxy.port}", pair_code=code, on_credential=kept.append
        ) as link,
    ):
        await link.ready()
        assert kept == [link.credential]
        proxy.cut()
        await hub.app.until(lambda: hub.app.told[-1] == ("opened", "desk", True))
    assert hub.credentials.verify(kept[0], 0.0).name == "desk"


async def test_a_wrong_pairing_code_ends_it(hub) -> None:
    async with hub.serving() as server:
        with pytest.raises(AuthenticationError):
            await stay(device(hub, server.url, pair_code="0000-0000"))


# ── what a device says of itself ────────────────────────────────────────────────────────────────


async def test_card_and_inventory_are_told_at_each_dial(hub) -> None:
    running = ["c/a/1"]
    card = DeviceCard(name="desk", platform="linux")
    async with (
        hub.serving() as server,
        tcp_proxy("127.0.0.1", server.port) as proxy,
        device(
            hub,
            f"ws://127.0.0.1:{proxy.port}",
            card=card,
            inventory=lambda: (tuple(running), ("c/b/2",)),
        ) as link,
    ):
        await link.ready()
        running.append("c/c/1")
        link.publish_card(card.model_copy(update={"platform": "darwin"}))
        await link.drained()
        proxy.cut()
        await hub.app.until(lambda: len(hub.app.hellos) == 2)
    first, second = hub.app.hellos
    assert (first.card, first.running, first.held) == (card, ("c/a/1",), ("c/b/2",))
    assert second.running == ("c/a/1", "c/c/1")
    assert second.card.platform == "darwin"
    assert hub.app.bodies("desk")[0]["card"]["platform"] == "darwin"


# ── cuts ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("codec", [MSGPACK, JSON], ids=["msgpack", "json"])
async def test_every_message_arrives_once_and_in_order_across_cuts(hub, codec) -> None:
    count, cuts = 2_000, 20
    numbers: list[int] = []
    link: Link

    def receive(messages: Sequence[Message]) -> None:
        numbers.extend(int(message.body["attempt"]) for message in messages)
        link.acknowledge(messages[-1].seq)
        hub.app.happened()

    async with (
        hub.serving() as server,
        tcp_proxy("127.0.0.1", server.port) as proxy,
        device(hub, f"ws://127.0.0.1:{proxy.port}", codec=codec, on_messages=receive) as link,
    ):
        await link.ready()
        peer = hub.app.peers["desk"]
        chaos = random.Random(7)
        for cut in range(cuts):
            accepted = proxy.accepted
            for number in range(cut * count // cuts, (cut + 1) * count // cuts):
                link.send("progress", {"attempt": str(number), "message": "x" * 50})
                peer.send("cancel", {"attempt": str(number)})
            proxy.cut_after(chaos.randrange(1, 12_000))
            await anyio.lowlevel.checkpoint()
            await hub.app.until(
                lambda accepted=accepted, so_far=(cut + 1) * count // cuts: (
                    proxy.accepted > accepted or len(numbers) == so_far
                )
            )
            proxy.cut()
        await link.drained()
        await peer.drained()
    assert [int(body["attempt"]) for body in hub.app.bodies("desk")] == list(range(count))
    assert numbers == list(range(count))
    assert proxy.accepted > cuts / 2
    assert set(hub.app.names("closed")) == {"desk"}
    assert all(resumed for what, _, resumed in hub.app.told[1:] if what == "opened")


async def test_a_request_survives_a_cut(hub) -> None:
    held: list[tuple[Peer, Message]] = []
    hub.app.on_message = lambda peer, message: held.append((peer, message))
    detached: list[str] = []
    async with (
        hub.serving() as server,
        tcp_proxy("127.0.0.1", server.port) as proxy,
        client(hub, f"ws://127.0.0.1:{proxy.port}", on_detached=detached.append) as link,
        anyio.create_task_group() as tasks,
    ):
        results: list[Any] = []

        async def ask() -> None:
            results.append(await link.request("echo", {"a": 1}))

        tasks.start_soon(ask)
        await hub.app.until(lambda: held)
        proxy.cut()
        await hub.app.until(lambda: hub.app.told[-1] == ("opened", "me", True))
        answer(*held[0])
        await until_soon(lambda: results)
        assert results == [{"a": 1}]
        assert len(detached) == 1


async def test_a_stalled_link_is_given_up_and_dialed_anew(hub) -> None:
    heartbeat = Heartbeat(interval_s=0.05, timeout_s=0.2)
    async with (
        hub.serving(heartbeat=heartbeat) as server,
        tcp_proxy("127.0.0.1", server.port) as proxy,
        client(hub, f"ws://127.0.0.1:{proxy.port}", heartbeat=heartbeat) as link,
    ):
        await link.ready()
        proxy.stall()
        await hub.app.until(lambda: hub.app.names("detached"))
        proxy.resume()
        await hub.app.until(lambda: hub.app.told[-1] == ("opened", "me", True))
        await link.ready()


async def test_round_trip_and_clock_offset_are_measured(hub) -> None:
    async with (
        hub.serving(heartbeat=Heartbeat(0.01, 5.0), clock=lambda: time.time() + 100) as server,
        client(hub, server.url, heartbeat=Heartbeat(0.01, 5.0)) as link,
    ):
        await until_soon(lambda: link.rtt_s)
        assert link.offset_s == pytest.approx(100, abs=5)
        assert 0 < link.rtt_s < 5


# ── losses ──────────────────────────────────────────────────────────────────────────────────────


class Losses:
    """Runs what is expected to end with `SessionLost`, beside the test."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self.count = 0

    def expect(self, wait: Callable[[], Awaitable[Any]]) -> None:
        async def run() -> None:
            with pytest.raises(SessionLost):
                await wait()
            self.count += 1

        self._tasks.start_soon(run)


async def test_a_restarted_hub_begins_afresh_and_tells_what_is_lost(hub) -> None:
    hub.app.secures = False
    opened: list[tuple[bool, Sequence[Message]]] = []
    async with AsyncExitStack() as hubs:
        server = await hubs.enter_async_context(hub.serving())
        async with (
            client(hub, server.url, on_open=lambda *args: opened.append(args)) as link,
            anyio.create_task_group() as tasks,
        ):
            losses = Losses(tasks)
            losses.expect(partial(link.request, "slow"))
            losses.expect(partial(anext, link.events("s1")))
            losses.expect(link.drained)
            await hub.app.until(lambda: hub.app.bodies("me"))
            await hubs.aclose()
            hub.app.on_message = answer
            await hubs.enter_async_context(hub.serving(server.port))
            await until_soon(lambda: len(opened) == 2)
            assert await link.request("echo", {"again": True}) == {"again": True}
    assert losses.count == 3
    assert [resumed for resumed, _ in opened] == [False, False]
    assert [message.body["verb"] for message in opened[1][1]] == ["slow"]


async def test_a_session_that_the_hub_ends_is_begun_afresh(hub) -> None:
    async with (
        hub.serving() as server,
        client(hub, server.url) as link,
        anyio.create_task_group() as tasks,
    ):
        await link.ready()
        losses = Losses(tasks)
        losses.expect(partial(link.request, "slow"))
        await hub.app.until(lambda: hub.app.bodies("me"))
        hub.app.peers["me"].close("enough of this one")
        await hub.app.until(lambda: hub.app.names("opened") == ["me", "me"])
        hub.app.on_message = answer
        assert await link.request("echo", {}) == {}
    assert losses.count == 1


async def test_a_hub_that_cannot_resume_is_asked_for_a_fresh_session(hub) -> None:
    """After a refusal of the attempt to resume the link begins anew, and tells what it lost."""
    hellos: list[dict[str, Any]] = []
    opened: list[bool] = []

    async def handle(socket: Any) -> None:
        _, [hello] = MSGPACK.decode(await socket.recv(), Limits())
        hellos.append(hello.body)
        if "session" in hello.body:
            error = RemoteProtocolError("That was never sent.").to_wire()
            await socket.send(MSGPACK.join(0, [MSGPACK.encode("error", 0, error)]))
            return
        session = {"id": "s", "token": "t"}
        welcome = {"version": 1, "session": session, "resumed": False, "received": 0}
        await socket.send(MSGPACK.join(0, [MSGPACK.encode("welcome", 0, welcome)]))
        if len(hellos) > 1:
            await socket.wait_closed()

    async with serve_websockets(
        handle, "127.0.0.1", 0, subprotocols=["aip.v1+msgpack"], compression=None
    ) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"ws://127.0.0.1:{port}"
        async with client(hub, url, on_open=lambda resumed, lost: opened.append(resumed)):
            await until_soon(lambda: len(opened) == 2)
    assert ["session" in hello for hello in hellos] == [False, True, False]
    assert opened == [False, False]


async def test_a_connection_whose_session_has_ended_is_not_left_open(hub) -> None:
    """The hub says goodbye and leaves the closing to us, who leave at that moment."""
    gone = anyio.Event()

    async def handle(socket: Any) -> None:
        await socket.recv()
        session = {"id": "s", "token": "t"}
        welcome = {"version": 1, "session": session, "resumed": False, "received": 0}
        said = [("welcome", 0, welcome), ("bye", 0, {"reason": "enough"})]
        await socket.send(MSGPACK.join(0, [MSGPACK.encode(*each) for each in said]))
        await socket.wait_closed()
        gone.set()

    async with serve_websockets(
        handle, "127.0.0.1", 0, subprotocols=["aip.v1+msgpack"], compression=None
    ) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        detached = anyio.Event()
        async with client(hub, url, on_detached=lambda reason: detached.set()):
            await detached.wait()
        with anyio.fail_after(100):
            await gone.wait()


async def test_ready_waits_again_after_the_hub_ended_a_session(hub) -> None:
    async with hub.serving() as server, client(hub, server.url) as link:
        await link.ready()
        hub.app.peers["me"].close("enough")
        await until_soon(lambda: link.losses)
        assert link.state != "open"
        await link.ready()
        assert link.state == "open"


async def test_two_devices_of_one_name_do_not_fight(hub) -> None:
    token = hub.token("desk")
    async with hub.serving() as server, anyio.create_task_group() as tasks:
        newcomer = device(hub, server.url, credential=token)
        older = device(hub, server.url, credential=token)
        with pytest.raises(SessionLost, match="newer session of desk"):
            await stay(older, then=lambda: tasks.start_soon(stay, newcomer))
        assert hub.app.names("opened") == ["desk", "desk"]
        tasks.cancel_scope.cancel()


async def test_a_revoked_credential_ends_it(hub) -> None:
    async with hub.serving() as server:
        with pytest.raises(AuthenticationError):
            await stay(device(hub, server.url), then=lambda: hub.credentials.revoke("desk"))


# ── leaving ─────────────────────────────────────────────────────────────────────────────────────


async def test_leaving_says_goodbye(hub) -> None:
    async with hub.serving() as server:
        async with client(hub, server.url) as link:
            await link.ready()
        await hub.app.until(lambda: hub.app.names("closed"))
        assert [what for what, *_ in hub.app.told] == ["opened", "closed"]


async def test_an_error_of_the_body_is_raised_as_it_is(hub) -> None:
    async with hub.serving() as server:
        with pytest.raises(ZeroDivisionError):
            await stay(client(hub, server.url), then=lambda: 1 // 0)


async def test_an_error_of_a_callback_is_raised_from_the_context(hub) -> None:
    def send() -> None:
        hub.app.peers["desk"].send("cancel", {"attempt": "c/t/1"})

    async with hub.serving() as server:
        with pytest.raises(ZeroDivisionError):
            await stay(device(hub, server.url, on_messages=lambda messages: 1 // 0), then=send)


# ── flow ────────────────────────────────────────────────────────────────────────────────────────


async def test_events_come_in_order_even_before_they_are_asked_for(hub) -> None:
    hub.app.on_message = answer
    async with hub.serving() as server, client(hub, server.url) as link:
        found = await link.request("subscribe", {"count": 100})
        events = link.events(found["subscription"])
        assert [(await anext(events))["seq"] for _ in range(100)] == list(range(100))


async def test_events_that_nobody_reads_hold_the_hub_back(hub) -> None:
    hub.app.on_message = answer
    async with hub.serving() as server, client(hub, server.url) as link:
        await link.request("subscribe", {"count": 100})
        peer = hub.app.peers["me"]
        assert await link.request("echo", {}) == {}
        waiting = peer.pending
        assert waiting > 100 * 30
        events = link.events("s1")
        for _ in range(50):
            await anext(events)
        await until_soon(lambda: 0 < peer.pending < waiting)
        events.close()
        await peer.drained()
        with pytest.raises(StopAsyncIteration):
            await anext(events)
        peer.send("event", {**EVENT, "seq": 100})
        await peer.drained()


async def test_drained_waits_until_all_is_secured(hub) -> None:
    hub.app.secures = False
    async with hub.serving() as server, device(hub, server.url) as link:
        seq = link.send("progress", {"attempt": "c/t/1"})
        await hub.app.until(lambda: hub.app.bodies("desk"))
        with pytest.raises(TimeoutError), anyio.fail_after(0.1):
            await link.drained()
        assert link.acknowledged < seq
        hub.app.peers["desk"].acknowledge(1)
        await link.drained()
        assert link.acknowledged == seq
        assert link.pending == 0


async def test_waits_for_room_where_send_would_refuse(hub) -> None:
    hub.app.secures = False
    async with (
        hub.serving(limits=Limits(max_outstanding=10)) as server,
        device(hub, server.url) as link,
    ):
        await link.ready()
        for number in range(10):
            await link.send_wait("progress", {"attempt": str(number)})
        with pytest.raises(LimitExceeded):
            link.send("progress", {"attempt": "10"})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link.send_wait, "progress", {"attempt": "10"})
            await hub.app.until(lambda: len(hub.app.bodies("desk")) == 10)
            hub.app.secures = True
            hub.app.peers["desk"].acknowledge(10)
        await hub.app.until(lambda: len(hub.app.bodies("desk")) == 11)


async def test_a_message_larger_than_the_hub_takes_is_refused_here(hub) -> None:
    limits = Limits(max_body=2048)
    async with hub.serving(limits=limits) as server, device(hub, server.url) as link:
        await link.ready()
        with pytest.raises(LimitExceeded, match="2,048"):
            link.send("progress", {"attempt": "1", "message": "x" * 4096})
        link.send("progress", {"attempt": "1"})
        await link.drained()
