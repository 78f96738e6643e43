"""The server against raw websockets: what it lets in, and what it makes of those who misbehave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio
import httpx
import pytest
from raw_kit import HELLO, raw
from websockets.exceptions import InvalidStatus

from constellation.aip.admission import Admission
from constellation.aip.auth import StoreAuthenticator
from constellation.aip.codec import CODECS, MSGPACK
from constellation.aip.heartbeat import Heartbeat
from constellation.aip.limits import Limits
from constellation.aip.messages import Message
from constellation.aip.server import serve
from constellation.aip.session import CloseCode
from constellation.errors import ConfigError, UnknownTaskError

pytestmark = pytest.mark.anyio


def status(error: pytest.ExceptionInfo[InvalidStatus]) -> int:
    return error.value.response.status_code


# ── requests ────────────────────────────────────────────────────────────────────────────────────


async def test_tells_that_it_is_well(hub) -> None:
    async with hub.serving() as server, httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{server.port}/healthz")
        assert (answer.status_code, answer.text) == (200, "ok\n")


async def test_other_paths_are_not_found(hub) -> None:
    async with hub.serving() as server:
        with pytest.raises(InvalidStatus) as error:
            async with raw(server, url=server.url.replace("/aip", "/other")):
                pass
        assert status(error) == 404


async def test_pages_of_other_origins_are_refused(hub) -> None:
    token = hub.token("desk")
    async with hub.serving(allowed_origins={"https://good.example"}) as server:
        with pytest.raises(InvalidStatus) as error:
            async with raw(server, token, headers={"Origin": "https://evil.example"}):
                pass
        assert status(error) == 403
        async with raw(server, token, headers={"Origin": "https://good.example"}) as peer:
            await peer.hello()


@pytest.mark.parametrize("subprotocol", ["", "aip.v9+msgpack"])
async def test_needs_a_subprotocol_that_it_knows(hub, subprotocol: str) -> None:
    async with hub.serving() as server:
        with pytest.raises(InvalidStatus) as error:
            async with raw(server, hub.token("desk"), subprotocol):
                pass
        assert status(error) == 400


async def test_an_address_in_use_is_named(hub) -> None:
    async with hub.serving() as server:
        with pytest.raises(ConfigError, match=str(server.port)):
            async with hub.serving(server.port):
                pass


# ── credentials ─────────────────────────────────────────────────────────────────────────────────


async def test_a_wrong_bearer_is_refused_before_the_upgrade(hub) -> None:
    async with hub.serving() as server:
        for header in ("Bearer cst_1_2", "Basic eA=="):
            with pytest.raises(InvalidStatus) as error:
                async with raw(server, headers={"Authorization": header}):
                    pass
            assert status(error) == 401
    assert hub.app.told == []


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
async def test_a_credential_may_come_in_the_header_or_in_hello(hub, codec) -> None:
    token = hub.token("desk")
    async with hub.serving() as server:
        async with raw(server, token, codec.subprotocol) as peer:
            assert (await peer.hello())["name"] == "desk"
        async with raw(server, None, codec.subprotocol) as peer:
            welcome = await peer.hello(credential=token)
            assert welcome["resumed"] is False
            assert "credential" not in welcome
            await peer.say()
            await hub.app.until(lambda: hub.app.names("opened") == ["desk", "desk"])


@pytest.mark.parametrize(
    "more", [{}, {"credential": "cst_1_2"}, {"pair": {"code": "0000-0000"}}], ids=str
)
async def test_a_hello_without_a_valid_credential_is_refused(hub, more: dict[str, Any]) -> None:
    async with hub.serving() as server, raw(server) as peer:
        await peer.say(("hello", 0, {**HELLO, **more}))
        error = await peer.hear_of("error")
        assert error["code"] == "session.authentication"
        assert (await peer.ended())[0] == CloseCode.UNAUTHENTICATED
    assert hub.app.told == []


async def test_a_credential_serves_its_own_name_only(hub) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.say(("hello", 0, {**HELLO, "name": "laptop"}))
        assert (await peer.hear_of("error"))["code"] == "session.permission"
        assert (await peer.ended())[0] == CloseCode.UNAUTHENTICATED


async def test_a_card_bears_the_name_of_its_device(hub) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.say(("hello", 0, {**HELLO, "card": {"name": "laptop"}}))
        assert "laptop" in (await peer.hear_of("error"))["message"]
    assert hub.app.told == []


async def test_a_complaint_reaches_the_peer_and_the_session_goes_on(hub) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.hello()
        hub.app.peers["desk"].complain(UnknownTaskError("There is no such attempt."))
        assert (await peer.hear_of("error"))["code"] == "graph.unknown_task"
        await peer.say(("accept", 1, {"attempts": []}))
        await hub.app.until(lambda: hub.app.bodies("desk"))


async def test_a_pairing_code_is_exchanged_for_one_name(hub) -> None:
    offer = hub.pairing.offer(time.time())
    pair = {"code": offer.code}
    async with hub.serving() as server:
        async with raw(server) as peer:
            lost = (await peer.hello(pair=pair))["credential"]
        async with raw(server) as peer:
            await peer.say(("hello", 0, {**HELLO, "name": "laptop", "pair": pair}))
            assert (await peer.hear_of("error"))["code"] == "session.authentication"
        async with raw(server) as peer:
            token = (await peer.hello(pair=pair))["credential"]
        async with raw(server, token) as peer:
            await peer.hello()
        with pytest.raises(InvalidStatus, match="401"):
            async with raw(server, lost):
                pass


async def test_a_session_ends_with_its_credential(hub) -> None:
    expires_at = time.time() + 0.5
    _, token = hub.credentials.issue("desk", "device", 0.0, expires_at=expires_at)
    async with hub.serving() as server, raw(server, token) as peer:
        await peer.hello()
        assert (await peer.hear_of("error"))["code"] == "session.authentication"
        assert (await peer.hear_of("bye"))["reason"] == "This credential has expired."
        assert (await peer.ended())[0] == CloseCode.UNAUTHENTICATED
        assert hub.app.names("closed") == ["desk"]
        assert time.time() >= expires_at


async def test_revoking_closes_sessions_at_once(hub) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.hello()
        hub.credentials.revoke("desk")
        assert hub.app.names("closed") == ["desk"]
        assert (await peer.hear_of("error"))["code"] == "session.authentication"
        assert (await peer.hear_of("bye"))["reason"] == "This credential was revoked."
        assert (await peer.ended())[0] == CloseCode.REVOKED
        with pytest.raises(InvalidStatus):
            async with raw(server, "cst_" + "0" * 12 + "_x"):
                pass


async def test_an_address_that_keeps_failing_is_shut_out_unless_it_has_a_credential(hub) -> None:
    token = hub.token("desk")
    async with hub.serving(admission=Admission(failures=3, forget_s=1e9)) as server:
        for _ in range(3):
            async with raw(server) as peer:
                await peer.say(("hello", 0, {**HELLO, "credential": "cst_1_2"}))
                await peer.ended()
        with pytest.raises(InvalidStatus) as error:
            async with raw(server):
                pass
        assert status(error) == 429
        async with raw(server, token) as peer:
            await peer.hello()


async def test_strangers_are_bounded(hub) -> None:
    token = hub.token("desk")
    async with hub.serving(admission=Admission(strangers=1)) as server, raw(server):
        async with raw(server) as second:
            assert (await second.ended())[0] == 1013
        async with raw(server, token) as known:
            await known.hello()


async def test_a_stranger_who_has_authenticated_makes_room(hub) -> None:
    token = hub.token("desk")
    async with (
        hub.serving(admission=Admission(strangers=1)) as server,
        raw(server) as first,
    ):
        await first.hello(credential=token)
        async with raw(server) as second:
            await second.hello(credential=token)


# ── bad input ───────────────────────────────────────────────────────────────────────────────────


async def test_silence_instead_of_a_hello_is_cut_short(hub) -> None:
    async with hub.serving(hello_timeout_s=0.2) as server, raw(server, hub.token("desk")) as peer:
        assert (await peer.ended())[0] == CloseCode.UNAUTHENTICATED


@pytest.mark.parametrize("frame", [b"", b"garbage", b"\x90", b"\x91\x00", "text", "[0]"], ids=repr)
async def test_garbage_instead_of_a_hello_closes_the_connection(hub, frame: bytes | str) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.socket.send(frame)
        assert (await peer.hear_of("error"))["code"].startswith("protocol")
        assert (await peer.ended())[0] == CloseCode.PROTOCOL
    assert hub.app.told == []


async def test_a_version_from_the_future_is_told_so(hub) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.say(("hello", 0, {**HELLO, "version": [7]}))
        assert (await peer.hear_of("error"))["code"] == "protocol.version"
        assert (await peer.ended())[0] == CloseCode.VERSION


@pytest.mark.parametrize("more", [{"limits": {"max_frame": 1}}, {"role": "king"}, {"name": "a b"}])
async def test_an_impossible_hello_is_refused(hub, more: dict[str, Any]) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.say(("hello", 0, {**HELLO, **more}))
        assert (await peer.hear_of("error"))["code"] == "protocol.remote"
    assert hub.app.told == []


async def test_garbage_detaches_and_the_session_can_be_resumed(hub) -> None:
    token = hub.token("desk")
    async with hub.serving() as server:
        async with raw(server, token) as peer:
            session = (await peer.hello())["session"]
            await peer.socket.send(b"garbage")
            assert (await peer.ended())[0] == CloseCode.PROTOCOL
        await hub.app.until(lambda: hub.app.names("detached"))
        async with raw(server, token) as peer:
            assert (await peer.hello(session=session))["resumed"] is True
    assert hub.app.names("closed") == []


async def test_an_oversize_frame_closes_the_connection_only(hub) -> None:
    limits = Limits(max_frame=64 * 1024)
    async with hub.serving(limits=limits) as server, raw(server, hub.token("desk")) as peer:
        await peer.hello()
        await peer.socket.send(b"\x00" * (64 * 1024 + 1))
        assert (await peer.ended())[0] == 1009
        await hub.app.until(lambda: hub.app.names("detached"))


async def test_fragments_are_put_together(hub) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        frame = MSGPACK.join(0, [MSGPACK.encode("hello", 0, HELLO)])
        await peer.socket.send([frame[:5], b"", frame[5:]])
        await peer.hear_of("welcome")


async def test_text_that_is_not_utf8_closes_the_connection(hub) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk"), "aip.v1+json") as peer:
        await peer.socket.send(b"\xff\xfe", text=True)
        assert (await peer.ended())[0] == 1007


async def test_a_flood_past_the_limits_is_cut_off(hub) -> None:
    hub.app.secures = False
    limits = Limits(max_outstanding=100)
    async with hub.serving(limits=limits) as server, raw(server, hub.token("desk")) as peer:
        await peer.hello()
        await peer.say(*(("accept", seq, {"attempts": []}) for seq in range(1, 102)))
        assert (await peer.ended())[0] == CloseCode.LIMIT
    assert len(hub.app.messages.get("desk", [])) <= 101


async def test_a_skipped_number_closes_the_connection(hub) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.hello()
        await peer.say(("accept", 2, {"attempts": []}))
        assert (await peer.hear_of("error"))["code"] == "protocol.remote"
        assert (await peer.ended())[0] == CloseCode.PROTOCOL
    assert hub.app.messages == {}


async def test_a_fault_in_the_application_ends_that_session_only(hub) -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))

    def fail(peer: Any, message: Message) -> None:
        if peer.name == "desk":
            raise ZeroDivisionError

    hub.app.on_message = fail
    async with (
        hub.serving() as server,
        raw(server, hub.token("desk")) as desk,
        raw(server, hub.token("tablet")) as tablet,
    ):
        await desk.hello()
        await tablet.hello(name="tablet")
        await desk.say(("accept", 1, {"attempts": []}))
        assert (await desk.ended())[0] == 1011
        await tablet.say(("accept", 1, {"attempts": []}))
        await hub.app.until(lambda: "tablet" in hub.app.messages)
    assert [type(fault["exception"]) for fault in faults] == [ZeroDivisionError]
    assert hub.app.names("closed") == ["desk"]


# ── sessions ────────────────────────────────────────────────────────────────────────────────────


async def test_a_session_is_resumed_with_its_secret_by_its_owner_only(hub) -> None:
    desk, laptop = hub.token("desk"), hub.token("laptop")
    async with hub.serving() as server:
        async with raw(server, desk) as peer:
            session = (await peer.hello())["session"]
        await hub.app.until(lambda: hub.app.names("detached"))
        async with raw(server, laptop) as thief:
            assert (await thief.hello(name="laptop", session=session))["resumed"] is False
        async with raw(server, desk) as peer:
            assert (await peer.hello(session=session))["resumed"] is True
            assert hub.app.told[-1] == ("opened", "desk", True)
        async with raw(server, desk) as forger:
            forged = {**session, "token": "x" * len(session["token"])}
            assert (await forger.hello(session=forged))["resumed"] is False


async def test_a_session_does_not_change_its_codec(hub) -> None:
    token = hub.token("desk")
    async with hub.serving() as server:
        async with raw(server, token) as peer:
            session = (await peer.hello())["session"]
        async with raw(server, token, "aip.v1+json") as peer:
            assert (await peer.hello(session=session))["resumed"] is False


async def test_a_resume_takes_over_from_a_connection_that_looks_alive(hub) -> None:
    token = hub.token("desk")
    async with hub.serving() as server, raw(server, token) as old:
        session = (await old.hello())["session"]
        async with raw(server, token) as new:
            assert (await new.hello(session=session))["resumed"] is True
            assert (await old.ended())[0] == CloseCode.REPLACED
            hub.app.peers["desk"].send("cancel", {"attempt": "c/t/1"})
            assert (await new.hear_of("cancel"))["attempt"] == "c/t/1"
            assert [what for what, *_ in hub.app.told] == ["opened", "detached", "opened"]


async def test_the_newest_session_of_a_device_wins(hub) -> None:
    token = hub.token("desk")
    async with hub.serving() as server, raw(server, token) as old:
        await old.hello()
        async with raw(server, token) as new:
            await new.hello()
            await new.say()
            assert (await old.ended())[0] == CloseCode.REPLACED
            # The device is back before its older session is gone: it was never lost meanwhile.
            assert [what for what, *_ in hub.app.told] == ["opened", "opened", "closed"]
            assert server.peers == (hub.app.peers["desk"],)


async def test_a_hello_behind_which_nothing_comes_replaces_nothing(hub) -> None:
    """It may be that of a connection given up, which arrives after that of the next one."""
    token = hub.token("desk")
    async with hub.serving() as server, raw(server, token) as peer:
        await peer.hello()
        for _ in range(3):
            async with raw(server, token) as late:
                await late.hello(running=["c/t/1"])
        await peer.say(("have", 1, {"hashes": []}))
        await hub.app.until(lambda: hub.app.messages)
        assert [what for what, *_ in hub.app.told] == ["opened"]
        # Of those that nobody answered, the last one is kept for a while.
        assert len(server.peers) <= 3


async def test_a_session_that_was_not_answered_yet_may_be_resumed(hub) -> None:
    token = hub.token("desk")
    async with hub.serving() as server, raw(server, token) as old:
        await old.hello()
        async with raw(server, token) as cut:
            session = (await cut.hello())["session"]
        async with raw(server, token) as again:
            assert (await again.hello(session=session))["resumed"] is True
            assert (await old.ended())[0] == CloseCode.REPLACED
            assert [what for what, *_ in hub.app.told] == ["opened", "opened", "closed"]


async def test_clients_may_share_a_name(hub) -> None:
    token = hub.token("me", "client")
    async with hub.serving() as server, raw(server, token) as first, raw(server, token) as second:
        for peer in (first, second):
            await peer.hello(role="client", name="me")
        assert len(server.peers) == 2
        assert hub.app.names("closed") == []


async def test_a_session_ends_with_its_grace_time(hub) -> None:
    async with hub.serving(grace_s=0.05) as server:
        async with raw(server, hub.token("desk")) as peer:
            await peer.hello()
        await hub.app.until(lambda: hub.app.names("closed"))
        assert [what for what, *_ in hub.app.told] == ["opened", "detached", "closed"]
        assert server.peers == ()


async def test_a_peer_that_says_bye_is_forgotten_at_once(hub) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.hello()
        await peer.say(("bye", 0, {"reason": "enough"}))
        await peer.ended()
        assert hub.app.told[1:] == [("closed", "desk", "enough")]
        assert server.peers == ()
        hub.app.peers["desk"].send("cancel", {"attempt": "c/t/1"})  # goes nowhere


async def test_a_silent_peer_is_given_up(hub) -> None:
    heartbeat = Heartbeat(interval_s=0.02, timeout_s=0.1)
    async with hub.serving(heartbeat=heartbeat) as server, raw(server, hub.token("desk")) as peer:
        await peer.hello()
        await peer.hear_of("ping")
        assert (await peer.ended())[0] == CloseCode.SILENT
        await hub.app.until(lambda: hub.app.names("detached"))


async def test_messages_of_a_wake_up_share_a_frame(hub) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.hello()
        for number in range(100):
            hub.app.peers["desk"].send("cancel", {"attempt": f"c/t/{number}"})
        cancels: list[Message] = []
        while not cancels:
            cancels = [each for each in (await peer.hear())[1] if each.type == "cancel"]
        assert len(cancels) == 100


async def test_a_slow_reader_is_bounded_and_harms_nobody(hub) -> None:
    limits = {"max_outstanding_bytes": 4_000_000, "max_outstanding": 1_000_000}
    body = {"attempt": "c/t/1", "reason": "x" * 10_000}
    async with (
        hub.serving() as server,
        raw(server, hub.token("slow")) as slow,
        raw(server, hub.token("quick")) as quick,
    ):
        await slow.hello(name="slow", limits=limits)
        await quick.hello(name="quick")
        slow.socket.transport.pause_reading()
        peer = hub.app.peers["slow"]
        most = 0
        while not hub.app.names("closed"):
            for _ in range(50):
                peer.send("cancel", body)
            most = max(most, peer.pending)
            await anyio.lowlevel.checkpoint()
        assert most <= limits["max_outstanding_bytes"]
        assert hub.app.told[-1][:2] == ("closed", "slow")
        hub.app.peers["quick"].send("cancel", body)
        assert (await quick.hear_of("cancel")) == body
        slow.socket.transport.resume_reading()
        assert (await slow.ended())[0] == CloseCode.LIMIT


async def test_behind_a_full_socket_messages_wait_in_the_session(hub) -> None:
    body = {"attempt": "c/t/1", "reason": "x" * 10_000}
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.hello()
        peer.socket.transport.pause_reading()
        for _ in range(3_000):
            hub.app.peers["desk"].send("cancel", body)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        peer.socket.transport.resume_reading()
        count = 0
        while count < 3_000:
            _, messages = await peer.hear()
            count += sum(message.type == "cancel" for message in messages)


async def test_stopping_tells_devices_nothing_final(hub) -> None:
    async with AsyncExitStack() as stack:
        async with hub.serving() as server:
            peer = await stack.enter_async_context(raw(server, hub.token("desk")))
            await peer.hello()
        assert (await peer.ended())[0] == 1001
    assert [what for what, *_ in hub.app.told] == ["opened"]


async def test_one_message_of_an_unknown_type_is_refused_and_the_session_lives(hub) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.hello()
        await peer.say(("dance", 1, {}), ("accept", 2, {"attempts": ["c/t/1"]}))
        assert (await peer.hear_of("error"))["details"]["seq"] == 1
        await hub.app.until(lambda: hub.app.bodies("desk") == [{"attempts": ["c/t/1"]}])


async def test_the_authenticator_is_let_go(hub) -> None:
    watchers: list[Callable[[str], None]] = []

    class Watched(StoreAuthenticator):
        def on_revoked(self, callback: Callable[[str], None]) -> Callable[[], None]:
            watchers.append(callback)
            return lambda: watchers.remove(callback)

    async with serve(hub.app, Watched(hub.credentials, hub.pairing)) as server:
        assert server.url == f"ws://127.0.0.1:{server.port}/aip"
        assert len(watchers) == 1
    assert watchers == []
