"""The agent as a process, against a real AIP server on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from anyio.abc import Process

from constellation.aip.auth import CredentialStore, PairingDesk, StoreAuthenticator
from constellation.aip.messages import Hello, Message
from constellation.aip.server import Peer, Server, serve
from constellation.orchestrator.artifacts import ArtifactStore
from constellation.testing.proxy import tcp_proxy

pytestmark = pytest.mark.anyio

SKILLS = Path(__file__).with_name("fixture_skills.py")


class Hub:
    """What a hub is to a device: it assigns, and secures what comes back (unless told not to)."""

    def __init__(self, pairing: PairingDesk) -> None:
        self.pairing = pairing
        self.secures = True
        self.messages: list[tuple[str, Mapping[str, Any]]] = []
        self.hello: Hello | None = None
        self.joined = 0
        self._peer: Peer | None = None
        self._moved = anyio.Event()

    def opened(self, peer: Peer, hello: Hello, resumed: bool) -> None:
        self._peer, self.hello = peer, hello
        self.joined += 1
        self._note("resumed" if resumed else "opened", {"role": hello.role})

    def received(self, peer: Peer, messages: Sequence[Message]) -> None:
        for message in messages:
            self._note(message.type, message.body)
            if message.type == "request" and message.body["verb"] == "pair":
                offer = self.pairing.offer(time.time(), name=message.body["params"]["name"])
                result = {"code": offer.code}
                peer.send("response", {"id": message.body["id"], "result": result})
        if self.secures:
            peer.acknowledge(messages[-1].seq)

    def detached(self, peer: Peer, reason: str) -> None:
        self._note("detached", {})

    def closed(self, peer: Peer, reason: str) -> None:
        self._note("closed", {"reason": reason})

    def _note(self, type: str, body: Mapping[str, Any]) -> None:
        self.messages.append((type, body))
        self._moved.set()
        self._moved = anyio.Event()

    async def until(
        self, wanted: str, fits: Callable[[Mapping[str, Any]], bool] = lambda body: True
    ) -> Mapping[str, Any]:
        """Wait for a message (or an event of the session) and take out everything up to it."""
        with anyio.fail_after(100):
            while True:
                for index, (type, body) in enumerate(self.messages):
                    if type == wanted and fits(body):
                        del self.messages[: index + 1]
                        return body
                await self._moved.wait()

    async def joins(self, before: int) -> None:
        """Wait until a device is believed to be here; it may know that a moment earlier."""
        with anyio.fail_after(100):
            while self.joined == before:
                await self._moved.wait()

    async def result(self, attempt: str) -> Mapping[str, Any]:
        return await self.until("result", lambda body: body["attempt"] == attempt)

    def send(self, type: str, **body: Any) -> None:
        assert self._peer is not None
        self._peer.send(type, body)

    def assign(self, attempt: str, skill: str, **arguments: Any) -> None:
        self.send("assign", attempt=attempt, skill=skill, arguments=arguments, idempotent=False)

    def forget(self) -> None:
        """End the session, as a hub that was restarted has done."""
        assert self._peer is not None
        self._peer.close("forgotten")

    async def yes(self) -> None:
        """Approve what is asked next."""
        body = await self.until("input_required")
        self.send("answer", attempt=body["attempt"], question=body["question"]["id"], answer=True)


class Desk:
    """A hub's side, and agents as processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.root.mkdir()
        self.state = folder / "state"
        self.pairing = PairingDesk()
        self.hub = Hub(self.pairing)
        self.credentials = CredentialStore(folder / "credentials.json")
        self.artifacts = ArtifactStore(folder / "artifacts")
        self.server: Server

    def arguments(self, *more: str) -> list[str]:
        return [
            *(sys.executable, "-m", "constellation.cli", "agent"),
            *("--hub", self.server.url, "--name", "desk", "--root", str(self.root)),
            *("--state-dir", str(self.state), "--skills", str(SKILLS), *more),
        ]

    def admin(self) -> str:
        """A credential such as a hub leaves for its own user."""
        return self.credentials.issue("local", "admin", time.time())[1]

    def code(self) -> str:
        return self.pairing.offer(time.time(), name="desk").code

    @asynccontextmanager
    async def agent(self, *more: str) -> AsyncIterator[Process]:
        """An agent that has joined; it is killed if the test leaves it running."""
        if not (self.state / "agents" / "desk" / "credential").exists():
            more = (*more, "--pair", self.code())
        log = (self.folder / "log").open("ab")
        before = self.hub.joined
        process = await anyio.open_process(self.arguments(*more), stderr=log)
        assert process.stdout is not None
        try:
            with anyio.fail_after(100):
                await process.stdout.receive()
            await self.hub.joins(before)
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            with anyio.CancelScope(shield=True):
                await process.aclose()
            log.close()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    async with AsyncExitStack() as stack:
        authenticator = StoreAuthenticator(made.credentials, made.pairing)
        made.server = await stack.enter_async_context(
            serve(made.hub, authenticator, "127.0.0.1", 0, artifacts=made.artifacts)
        )
        yield made


async def stopped(process: Process) -> int:
    process.terminate()
    with anyio.fail_after(100):
        return await process.wait()


async def test_it_pairs_once_and_publishes_its_card(desk: Desk) -> None:
    async with desk.agent("--label", "room=attic", "--capacity", "7") as process:
        hello = desk.hub.hello
        assert hello is not None
        assert hello.card is not None
        assert (hello.card.name, hello.card.kind, hello.card.capacity) == ("desk", "computer", 7)
        assert hello.card.labels == {"room": "attic"}
        assert hello.card.platform == sys.platform
        assert hello.card.hardware["cpus"] >= 1
        names = [skill.name for skill in hello.card.skills]
        assert names[0] == "shell.run"
        assert names[-2:] == ["mark", "deaf"]
        credential = desk.state / "agents" / "desk" / "credential"
        assert stat.S_IMODE(credential.stat().st_mode) == 0o600
        assert await stopped(process) == 0
    async with desk.agent() as process:
        assert await stopped(process) == 0, "the second time it needs no code"


async def test_it_does_real_work(desk: Desk) -> None:
    async with desk.agent() as process:
        desk.hub.assign("c/write/1", "files.write", path="a/hello.txt", content="hello")
        assert (await desk.hub.result("c/write/1"))["state"] == "completed"
        assert (desk.root / "a" / "hello.txt").read_text() == "hello"
        desk.hub.assign("c/escape/1", "files.read", path="../credentials.json")
        refused = await desk.hub.result("c/escape/1")
        assert refused["error"]["code"] == "session.permission"
        desk.hub.assign("c/run/1", "shell.run", command="echo out; exit 3")
        await desk.hub.yes()
        failed = await desk.hub.result("c/run/1")
        assert failed["error"]["code"] == "task.failed.exit"
        assert failed["error"]["details"]["stdout"] == "out\n"
        assert await stopped(process) == 0


async def test_artifacts_move_through_the_fabric(desk: Desk) -> None:
    data = bytes(range(256)) * 4096
    (desk.root / "photo.raw").write_bytes(data)
    async with desk.agent():
        desk.hub.assign("c/put/1", "artifacts.put", path="photo.raw")
        held = await desk.hub.until("have")
        stored = (await desk.hub.result("c/put/1"))["output"]
        assert stored["hash"] == hashlib.sha256(data).hexdigest()
        assert (stored["size_bytes"], stored["name"]) == (len(data), "photo.raw")
        assert desk.artifacts.path(stored["hash"]).read_bytes() == data
        assert held == {"hashes": [stored["hash"]]}
        desk.hub.assign("c/get/1", "artifacts.get", hash=stored["hash"], path="copy/photo.raw")
        assert await desk.hub.until("have") == held
        assert (await desk.hub.result("c/get/1"))["output"]["size_bytes"] == len(data)
        assert (desk.root / "copy" / "photo.raw").read_bytes() == data
        desk.hub.assign("c/get/2", "artifacts.get", hash="0" * 64, path="nothing")
        assert (await desk.hub.result("c/get/2"))["error"]["code"] == "unknown.artifact"
        assert not (desk.root / "nothing").exists()


async def test_an_unknown_skill_is_refused_at_once(desk: Desk) -> None:
    async with desk.agent():
        desk.hub.assign("c/t/1", "teleport")
        refused = await desk.hub.until("reject")
        assert refused["error"]["code"] == "task.rejected.unknown_skill"


async def test_cancel_really_kills(desk: Desk) -> None:
    async with desk.agent() as process:
        script = "trap '' TERM; setsid sleep 1000 & echo $!; echo $$; while :; do sleep 0.1; done"
        desk.hub.assign("c/t/1", "shell.run", command=script)
        await desk.hub.yes()
        printed = ""
        while printed.count("\n") < 2:
            printed += (await desk.hub.until("output"))["data"]
        pids = [int(line) for line in printed.split()]
        assert all(psutil.pid_exists(pid) for pid in pids)
        desk.hub.send("cancel", attempt="c/t/1", reason="not needed")
        result = await desk.hub.result("c/t/1")
        assert result["state"] == "canceled"
        assert "not needed" in result["error"]["message"]
        assert not any(psutil.pid_exists(pid) for pid in pids)
        assert psutil.Process(process.pid).children() == []


async def test_a_result_outlives_a_killed_agent(desk: Desk, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    desk.hub.secures = False
    async with desk.agent() as process:
        desk.hub.assign("c/t/1", "mark", file=str(ledger))
        assert (await desk.hub.result("c/t/1"))["output"] == 1
        process.send_signal(signal.SIGKILL)
        await process.wait()
    desk.hub.secures = True
    async with desk.agent() as process:
        assert desk.hub.hello is not None
        assert (desk.hub.hello.running, desk.hub.hello.held) == ((), ("c/t/1",))
        again = await desk.hub.result("c/t/1")
        assert (again["state"], again["output"]) == ("completed", 1)
        desk.hub.assign("c/t/1", "mark", file=str(ledger))
        desk.hub.assign("c/t/2", "mark", file=str(ledger))
        assert (await desk.hub.result("c/t/2"))["output"] == 2, "the first did not run again"
        assert await stopped(process) == 0
    async with desk.agent():
        assert desk.hub.hello.held == (), "what the hub has secured is forgotten"


async def test_what_a_killed_agent_had_begun_is_reported(desk: Desk, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with desk.agent() as process:
        desk.hub.assign("c/t/1", "mark", file=str(ledger), seconds=1000)
        await desk.hub.until("progress")
        process.send_signal(signal.SIGKILL)
        await process.wait()
    async with desk.agent():
        result = await desk.hub.result("c/t/1")
        assert result["state"] == "failed"
        assert result["error"]["code"] == "task.failed.interrupted"
        assert "the agent restarted while it ran" in result["error"]["message"].lower()
    assert ledger.read_text() == "ran\n"


async def test_it_drains_when_told_to_stop(desk: Desk, tmp_path: Path) -> None:
    async with desk.agent() as process:
        desk.hub.assign("c/t/1", "mark", file=str(tmp_path / "ledger"), seconds=0.5)
        await desk.hub.until("accept")
        process.terminate()
        await desk.hub.until("drain")
        assert (await desk.hub.result("c/t/1"))["state"] == "completed"
        with anyio.fail_after(100):
            assert await process.wait() == 0


async def test_what_does_not_end_in_time_is_stopped(desk: Desk, tmp_path: Path) -> None:
    async with desk.agent("--drain-timeout", "0.1") as process:
        desk.hub.assign("c/t/1", "mark", file=str(tmp_path / "ledger"), seconds=1000)
        await desk.hub.until("accept")
        process.terminate()
        result = await desk.hub.result("c/t/1")
        assert result["error"]["code"] == "task.failed.interrupted"
        with anyio.fail_after(100):
            assert await process.wait() == 0


async def test_a_second_signal_ends_it_at_once_and_its_programs_too(desk: Desk) -> None:
    async with desk.agent() as process:
        script = "trap '' TERM; echo $$; while :; do sleep 0.05; done"
        desk.hub.assign("c/t/1", "shell.run", command=script)
        await desk.hub.yes()
        pid = int((await desk.hub.until("output"))["data"])
        process.terminate()
        await desk.hub.until("drain")
        process.terminate()
        with anyio.fail_after(100):
            assert await process.wait() == 0
        assert not psutil.pid_exists(pid)


@pytest.mark.full
async def test_a_thread_that_never_ends_does_not_keep_the_agent(desk: Desk) -> None:
    async with desk.agent("--drain-timeout", "0.1") as process:
        desk.hub.assign("c/t/1", "deaf")
        await desk.hub.until("progress")
        process.terminate()
        assert (await desk.hub.result("c/t/1"))["state"] == "failed"
        with anyio.fail_after(100):
            assert await process.wait() == 0


async def test_a_cut_link_costs_no_task(desk: Desk, tmp_path: Path) -> None:
    async with tcp_proxy("127.0.0.1", desk.server.port) as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/aip"
        async with desk.agent("--hub", url) as process:
            desk.hub.assign("c/t/1", "mark", file=str(tmp_path / "ledger"), seconds=0.5)
            await desk.hub.until("progress")
            proxy.cut()
            await desk.hub.until("resumed")
            assert (await desk.hub.result("c/t/1"))["output"] == 1
            assert await stopped(process) == 0


async def test_a_deadline_holds_though_the_link_is_cut(desk: Desk, tmp_path: Path) -> None:
    """By the hub's clock, which the device knows from the heartbeats."""
    async with tcp_proxy("127.0.0.1", desk.server.port) as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/aip"
        async with desk.agent("--hub", url):
            arguments = {"file": str(tmp_path / "ledger"), "seconds": 1000}
            body = {"attempt": "c/t/1", "skill": "mark", "arguments": arguments}
            desk.hub.send("assign", **body, deadline=time.time() + 0.5)
            await desk.hub.until("accept")
            proxy.cut()
            result = await desk.hub.result("c/t/1")
    assert result["error"]["code"] == "task.timeout.deadline"


async def test_a_hub_that_forgot_the_session_gets_what_is_held_and_open(
    desk: Desk, tmp_path: Path
) -> None:
    async with desk.agent():
        desk.hub.secures = False
        for attempt, seconds in (("c/held/1", 0), ("c/open/1", 1000)):
            desk.hub.assign(attempt, "mark", file=str(tmp_path / "ledger"), seconds=seconds)
        desk.hub.assign("c/ask/1", "shell.run", command="true")
        question = await desk.hub.until("input_required")
        await desk.hub.result("c/held/1")
        desk.hub.forget()
        desk.hub.secures = True
        await desk.hub.until("opened")
        assert desk.hub.hello is not None
        assert set(desk.hub.hello.running) == {"c/open/1", "c/ask/1"}
        assert desk.hub.hello.held == ("c/held/1",)
        assert await desk.hub.until("input_required") == question
        assert (await desk.hub.result("c/held/1"))["state"] == "completed"
        desk.hub.send("cancel", attempt="c/open/1", reason="enough")
        assert (await desk.hub.result("c/open/1"))["state"] == "canceled"


async def test_it_tells_systemd_how_it_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    address = desk.folder / "notify"
    async with await anyio.create_unix_datagram_socket(local_path=address) as listener:
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        async with desk.agent() as process:
            assert await stopped(process) == 0
        told = []
        with anyio.fail_after(100):
            while "STOPPING=1" not in told:
                data, _ = await listener.receive()
                told.append(data.decode())
    assert told[0] == "READY=1"
    assert "STATUS=connected" in told
    assert "WATCHDOG=1" in told


async def test_a_second_agent_of_the_name_does_not_start(desk: Desk) -> None:
    async with desk.agent():
        second = await anyio.run_process(
            [*desk.arguments("--pair", desk.code())], check=False, env={**os.environ}
        )
        assert second.returncode == 2
        assert b"Another agent of this name runs" in second.stderr


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ((), 2, "has no credential"),
        (("--pair", "0000-0000"), 5, "pairing code is wrong"),
        (("--root", "/nonexistent"), 2, "is no folder"),
        (
            ("--policy", "/nonexistent"),
            2,
            "policy /nonexistent cannot be read",
        ),
        (("--label", "attic"), 2, "is not KEY=VALUE"),
        (("--skills", "/nonexistent.py"), 2, "There is no file"),
        (("--credential-file", "/nonexistent"), 2, "credential /nonexistent cannot be read"),
        (("--name", "../desk"), 2, "cannot be named '../desk'"),
        (("--name", "a desk", "--pair", "0000-0000", "install"), 2, "cannot be named 'a desk'"),
    ],
)
async def test_what_is_wrong_is_said_plainly(
    desk: Desk, more: tuple[str, ...], code: int, message: str
) -> None:
    done = await anyio.run_process(desk.arguments(*more), check=False)
    said = " ".join(done.stderr.decode().replace("│", " ").split())
    assert message in said
    assert "Traceback" not in said
    assert done.returncode == code


async def test_its_unit_starts_it_again_as_it_is(desk: Desk) -> None:
    command = desk.arguments("--label", "room=the attic", "--pair", "K7QX-93FM")
    command += ["--credential-file", "token"]
    done = await anyio.run_process([*command, "unit"])
    text = done.stdout.decode()
    assert "Type=notify" in text
    assert '"room=the attic"' in text
    assert str(desk.root) in text
    assert f"--credential-file {Path.cwd() / 'token'}" in text
    assert "K7QX" not in text, "a code is good once"
    assert "--pair" not in text


async def test_installing_pairs_and_hands_the_unit_to_systemd(desk: Desk) -> None:
    programs = desk.folder / "bin"
    programs.mkdir()
    (programs / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {desk.folder}/calls\n')
    (programs / "systemctl").chmod(0o755)
    env = {"PATH": f"{programs}:/usr/bin:/bin", "XDG_CONFIG_HOME": str(desk.folder / "config")}
    done = await anyio.run_process([*desk.arguments("--pair", desk.code()), "install"], env=env)
    unit = desk.folder / "config" / "systemd" / "user" / "constellation-agent-desk.service"
    assert done.stdout.decode() == f"{unit} is installed and started.\n"
    assert "ExecStart=" in unit.read_text()
    assert "enable --now constellation-agent-desk.service" in (desk.folder / "calls").read_text()
    assert (desk.state / "agents" / "desk" / "credential").exists(), "the code was exchanged"


async def test_beside_its_hub_an_agent_pairs_itself(desk: Desk) -> None:
    local = {"url": desk.server.url, "token": desk.admin(), "pid": os.getpid()}
    desk.state.mkdir(mode=0o700)
    (desk.state / "hub.json").write_text(json.dumps(local))
    command = [word for word in desk.arguments() if word not in ("--hub", desk.server.url)]
    async with await anyio.open_process(command) as process:
        await desk.hub.until("opened", lambda body: body["role"] == "device")
        assert await stopped(process) == 0
    assert desk.credentials.find("desk") is not None
