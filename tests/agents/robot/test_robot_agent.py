"""A robot as a device: put together, served by its command, shown to a person."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import pytest
from anyio.abc import Process
from fixture_arm import HORIZON, Arm, Swing
from rich.console import Console
from typer.testing import CliRunner
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as sync_serve

from agents.robot.agent import Assembly, assemble
from agents.robot.command import app
from agents.robot.events import Amend, Begin, EmergencyStop, Release
from agents.robot.policies.local import local_policy
from agents.robot.policies.server import Batcher, PolicyServer
from agents.robot.policies.wire import WireLimits, packed, unpacked
from agents.robot.ports import Array, Observation, PolicySpec, Semantics
from agents.robot.sims.robot import WORLDS
from agents.robot.view import describe, teller, watched
from constellation.aip.auth import CredentialStore, PairingDesk, StoreAuthenticator
from constellation.aip.messages import Hello, Message
from constellation.aip.server import Peer, serve
from constellation.errors import ConfigError, ConstellationError, PolicyUnavailable
from constellation.testing.proxy import TcpProxy, tcp_proxy

pytestmark = pytest.mark.anyio

FILE = Path(__file__).with_name("fixture_arm.py")


class Predictable(Arm):
    def predict(self, state: Array, commands: Array) -> Array:
        return commands[-1]


class Careful(Swing):
    spec = PolicySpec(
        "careful", 50.0, HORIZON, 2, Semantics.ABSOLUTE, takes_future_state=True, corrects=True
    )

    def correct(self, observation: Observation, action: Array, age: int) -> Array:
        return np.zeros_like(action)


def test_the_strategy_follows_what_robot_and_policy_can_do() -> None:
    plain = assemble(Arm(), Swing())
    both = assemble(Predictable(), Careful())

    assert plain.choice.strategy.name == "aligned"
    assert both.choice.strategy.name == "a2c2"
    assert both.choice.strategy.corrects


def test_a_sensor_may_see_a_robot_a_little_outside_of_its_limits() -> None:
    arm = Arm()
    arm.act(np.float32([1.001, 0.0]))

    assert assemble(arm, Swing()).pilot.home.tolist() == [1.0, 0.0]


def shown_of(assembly: Assembly) -> str:
    file = StringIO()
    Console(width=120, file=file).print(describe(assembly))
    return file.getvalue()


def test_a_person_sees_how_it_goes() -> None:
    assembly = assemble(Arm(), Swing())
    assembly.loop.post(Begin("track the red ball"))
    assembly.loop.post(Amend("track the blue ball"))
    assembly.loop.cycle(0.0)
    driven = shown_of(assembly)
    assembly.loop.post(EmergencyStop("smoke"))
    assembly.loop.cycle(0.02)
    shown = shown_of(assembly)
    assembly.loop.post(Release("ann"))
    assembly.loop.cycle(0.04)
    released = shown_of(assembly)

    assert "track the blue ball" in driven
    assert "track the" not in shown
    assert "aligned: the policy declares nothing" in shown
    assert "stopped: smoke" in shown
    assert "50 Hz" in shown
    assert "0 of 2 steps" in shown
    assert "4 steps planned, 80 ms" in shown
    assert "held: ann released it" in released
    assert "1, the last release by ann, after: smoke" in released
    # Nothing jumps about while somebody looks at it.
    rows = [[line.split()[0] for line in text.splitlines()] for text in (driven, shown, released)]
    assert rows[0] == rows[1] == rows[2]
    assert "joint 1" in shown


def test_it_is_played_without_a_hub() -> None:
    done = CliRunner().invoke(app, ["--robot", str(FILE), "--play", "0.5"])

    assert done.exit_code == 0, done.output
    assert "control steps" in done.output
    assert "It acts by aligned: the policy declares nothing" in done.output


@pytest.mark.parametrize("policy", ["local", "local:expert"])
def test_a_simulated_robot_is_played(policy: str) -> None:
    more = ["--policy", policy, "--strategy", "future-state", "--play", "0.5"]
    done = CliRunner().invoke(app, ["--sim", "whack", *more])

    assert done.exit_code == 0, done.output
    assert "score" in done.output


@pytest.mark.parametrize(
    "wrong",
    [
        ["--sim", "chess"],
        ["--sim", "whack", "--policy", "magic"],
        ["--robot", str(FILE), "--policy", "ws://127.0.0.1:1"],
        [],
        ["--robot", "x.py", "--sim", "whack"],
        ["--sim", "whack", "--seed", "-1"],
        ["--sim", "whack", "--lost-after", "0"],
    ],
)
def test_what_is_no_robot_or_policy_is_refused(wrong: list[str]) -> None:
    done = CliRunner().invoke(app, [*wrong, "--play", "1"])

    assert done.exit_code != 0
    # It is told, and not a failure of ours.
    assert isinstance(done.exception, ConstellationError | SystemExit)


PLAYED = ["--sim", "whack", "--play", "1"]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        *(
            ([*PLAYED, name, value], name)
            for name, value in (
                ("--hub", "ws://127.0.0.1:1"),
                ("--pair", "K7QX-93FM"),
                ("--ca", "ca.pem"),
                ("--rules", "rules.toml"),
                ("--state-dir", "state"),
                ("--name", "robot"),
                ("--when-lost", "hold"),
                ("--lost-after", "2"),
                ("--camera-rate", "10"),
                ("--api-key-file", "key"),
            )
        ),
        ([*PLAYED, "--policy", "local:expert", "--api-key-file", "key"], "--api-key-file"),
        ([*PLAYED, "--policy", "lerobot:127.0.0.1:1", "--api-key-file", "key"], "--api-key-file"),
        ([*PLAYED, "--camera"], "--camera"),
        ([*PLAYED, "--strategy", "synchronous", "--reaction", "0.2"], "--reaction"),
        (["--robot", str(FILE), "--play", "1", "--camera", "--export", "rerun:x"], "--camera"),
        (["--robot", str(FILE), "--play", "1", "--seed", "0"], "--seed"),
        (["--sim", "whack", "--prompt", "play"], "--prompt"),
        (["--sim", "whack", "--camera-rate", "5"], "--camera-rate"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(line: list[str], named: str) -> None:
    done = CliRunner().invoke(app, line, env={"COLUMNS": "200"})

    assert done.exit_code == 2, done.output
    assert f"Invalid value for {named}: " in done.output


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", r"no function robot\(\)"),
        ("def robot(): ...", r"robot\(\) of .* returns has no spec that is a RobotSpec"),
        ("def robot(): raise OSError('no port')", r"robot\(\) in .* OSError: no port"),
        ("def robot(:", "cannot be loaded: SyntaxError"),
        (f"{FILE.read_text()}\ndef policy():\n    return 3\n", "has no spec that is a PolicySpec"),
    ],
)
def test_a_file_without_robot_or_policy_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(text)
    done = CliRunner().invoke(app, ["--robot", str(file), "--play", "1"])

    assert isinstance(done.exception, ConfigError)
    assert re.search(reason, str(done.exception))


def test_a_robot_that_senses_other_than_it_declares_is_refused() -> None:
    arm = Arm()
    arm.spec = replace(arm.spec, state_dim=3)

    with pytest.raises(ConfigError, match=r"shape \(2,\), and it declares 3"):
        assemble(arm, Swing())


def test_a_robot_that_cannot_be_observed_is_refused() -> None:
    class Unplugged(Arm):
        def observe(self) -> Observation:
            raise OSError("no such port")

    with pytest.raises(ConfigError, match=r"'arm' cannot be observed: OSError: no such port"):
        assemble(Unplugged(), Swing())


async def test_a_policy_server_drives_it_if_the_key_is_right(tmp_path: Path) -> None:
    policy = local_policy("whack")
    batcher = Batcher(policy)
    server = PolicyServer(batcher, policy.spec, api_key="sesame")
    results = []
    async with server.listening("127.0.0.1", 0) as listening:
        url = f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}"
        for key in ("sesame", "wrong"):
            (tmp_path / key).write_text(f"{key}\n")
            more = ["--policy", url, "--api-key-file", str(tmp_path / key), "--play", "0.5"]
            played = partial(CliRunner().invoke, app, ["--sim", "whack", *more])
            results.append(await anyio.to_thread.run_sync(played))
    batcher.close()

    assert results[0].exit_code == 0, results[0].output
    assert isinstance(results[1].exception, PolicyUnavailable)


STOCK_SPEC = """
def policy_spec():
    return PolicySpec("pi05", RATE, HORIZON, 2, Semantics.ABSOLUTE)
"""


def test_a_stock_server_drives_it_if_its_file_says_what_the_policy_is_like(tmp_path: Path) -> None:
    asked: list[Any] = []

    def talk(connection: ServerConnection) -> None:
        connection.send(packed({}))
        for message in connection:
            asked.append(unpacked(bytes(message), WireLimits()))
            connection.send(packed({"actions": np.full((16, 2), 0.1, np.float32)}))

    arm, wrong = tmp_path / "arm.py", tmp_path / "wrong.py"
    arm.write_text(FILE.read_text() + STOCK_SPEC)
    wrong.write_text(FILE.read_text() + "def policy_spec():\n    return 50\n")
    with sync_serve(talk, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
            more = ["--policy", url, "--play", "0.5", "--prompt", "wipe the table"]
            done = CliRunner().invoke(app, ["--robot", str(arm), *more])
            failed = [CliRunner().invoke(app, ["--robot", str(f), *more]) for f in (FILE, wrong)]
        finally:
            server.shutdown()
            thread.join()

    assert done.exit_code == 0, done.output
    assert asked[0]["prompt"] == "wipe the table"
    assert isinstance(failed[0].exception, PolicyUnavailable)
    assert isinstance(failed[1].exception, ConfigError)


def test_its_help_names_every_world() -> None:
    done = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})

    assert all(name in done.output for name in WORLDS)


def test_without_the_extra_it_says_what_to_install() -> None:
    """The command is listed all the same."""
    program = (
        "import sys; sys.modules['numpy'] = None\n"
        "from typer.testing import CliRunner\n"
        "from agents.robot.command import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print(CliRunner().invoke(app, ['--sim', 'whack', '--play', '1']).exception)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert "extra 'robot'" in done.stdout, done.stderr


class Hub:
    """Assigns, and keeps what is said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, Mapping[str, Any]]] = []
        self.peer: Peer | None = None
        self._moved = anyio.Event()

    def opened(self, peer: Peer, hello: Hello, resumed: bool) -> None:
        self.peer = peer
        self._note("opened", {})

    def received(self, peer: Peer, messages: Sequence[Message]) -> None:
        for message in messages:
            self._note(message.type, message.body)
        peer.acknowledge(messages[-1].seq)

    def detached(self, peer: Peer, reason: str) -> None: ...

    def closed(self, peer: Peer, reason: str) -> None: ...

    def _note(self, type: str, body: Mapping[str, Any]) -> None:
        self.said.append((type, body))
        self._moved.set()
        self._moved = anyio.Event()

    def assign(self, attempt: str, skill: str, **arguments: Any) -> None:
        assert self.peer is not None
        body = {"attempt": attempt, "skill": skill, "arguments": arguments, "idempotent": False}
        self.peer.send("assign", body)

    async def until(self, type: str, word: str) -> Mapping[str, Any]:
        """The next message of the type with the word in it; what came before is forgotten."""
        with anyio.fail_after(100):
            while True:
                for index, (found, body) in enumerate(self.said):
                    if found == type and word in str(body):
                        del self.said[: index + 1]
                        return body
                await self._moved.wait()


@asynccontextmanager
async def running(*more: str) -> AsyncIterator[Process]:
    """The command as a process; it is killed if the test leaves it running."""
    command = [sys.executable, "-m", "constellation.cli", "robot", "--robot", str(FILE), *more]
    process = await anyio.open_process(command)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.aclose()


async def heard(process: Process, word: str) -> None:
    """Waits until the process says a word on its error output."""
    assert process.stderr is not None
    text = b""
    with anyio.fail_after(100):
        while word.encode() not in text:
            text += await process.stderr.receive()


@asynccontextmanager
async def tracking(tmp_path: Path, *options: str) -> AsyncIterator[tuple[Hub, TcpProxy, Process]]:
    """A robot that follows something for long, and a link to its hub that can be disturbed."""
    hub, pairing = Hub(), PairingDesk()
    authenticator = StoreAuthenticator(CredentialStore(tmp_path / "credentials.json"), pairing)
    async with (
        serve(hub, authenticator, "127.0.0.1", 0) as server,
        tcp_proxy("127.0.0.1", server.port) as proxy,
        running(
            *("--name", "arm", "--hub", f"ws://127.0.0.1:{proxy.port}/aip", *options),
            *("--pair", pairing.offer(time.time(), name="arm").code),
            *("--state-dir", str(tmp_path / "state")),
        ) as process,
    ):
        await hub.until("opened", "")
        hub.assign("c/t/1", "robot.track", seconds=3600)
        await hub.until("progress", "chunk")
        yield hub, proxy, process


async def test_a_cut_link_is_a_hold_and_then_it_goes_on(tmp_path: Path) -> None:
    async with tracking(tmp_path) as (hub, proxy, process):
        proxy.refuse()
        proxy.cut()
        await heard(process, "holds: the hub is out of reach")
        proxy.accept()
        await hub.until("progress", "aligned, chunk")

        assert hub.peer is not None
        hub.peer.send("cancel", {"attempt": "c/t/1"})
        await hub.until("result", "canceled")
        hub.assign("c/t/2", "robot.home")
        result = await hub.until("result", "c/t/2")
        assert result["output"]["position"] == pytest.approx([0, 0], abs=1e-3)

        process.terminate()
        with anyio.fail_after(100):
            assert await process.wait() == 0


async def test_a_hub_that_falls_silent_is_a_hold_too(tmp_path: Path) -> None:
    async with tracking(tmp_path, "--lost-after", "1") as (hub, proxy, process):
        # Nothing is said any more, and no connection is closed, as when a cable is pulled.
        proxy.stall()
        await heard(process, "holds: the hub is out of reach")
        proxy.resume()
        await hub.until("progress", "aligned, chunk")


def test_what_is_logged_stands_above_the_view(capsys: pytest.CaptureFixture[str]) -> None:
    assembly = assemble(Arm(), Swing())
    handler = logging.StreamHandler()
    logging.getLogger().addHandler(handler)
    shown = StringIO()
    try:
        with watched(assembly, Console(force_terminal=True, width=100, file=shown)):
            logging.getLogger("constellation.robot").warning("It smells of smoke.")
        logging.getLogger("constellation.robot").warning("It has cooled down.")
    finally:
        logging.getLogger().removeHandler(handler)

    assert "It smells of smoke." in shown.getvalue()
    assert capsys.readouterr().err == "It has cooled down.\n"


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_said_stands_above_the_view_if_both_are_on_one_terminal(
    monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    assembly, shown = assemble(Arm(), Swing()), StringIO()
    said = Terminal() if terminal else StringIO()
    monkeypatch.setattr(sys, "stdout", said)
    console = Console(force_terminal=True, width=100, file=shown)
    tell = teller(console)
    with watched(assembly, console):
        tell("The arm is [connected].")

    assert ("The arm is [connected]." in shown.getvalue()) == terminal
    assert ("The arm is [connected]." in said.getvalue()) == (not terminal)


async def test_the_view_is_for_terminals() -> None:
    assembly = assemble(Arm(), Swing())
    for terminal in (True, False):
        shown = StringIO()
        console = Console(force_terminal=terminal, width=100, file=shown)
        with watched(assembly, console):
            assembly.loop.cycle(0.0)

        assert ("50 Hz" in shown.getvalue()) is terminal
