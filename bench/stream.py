"""An artifact and many real-time streams beside tasks on one session: who waits for whom."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from constellation.aip.auth import CredentialStore, PairingDesk, StoreAuthenticator
from constellation.aip.flow import BYTES_PER_S
from constellation.aip.messages import Hello, Message
from constellation.aip.pipes import IncomingStream
from constellation.aip.server import Peer, serve
from constellation.orchestrator.artifacts import ArtifactStore

from .echo import BACKEND
from .harness import Options, Report, figure, quantile, summarise
from .stream_device import ARTIFACT_BYTES, DEADLINE_S, ITEM_BYTES, ITEM_HZ, STAMP

TASKS_PER_S = 1_000
STREAMS = 50
MS = 1e3


class Hub:
    """The near end: gives tasks at an even pace, and looks at the age of all that is streamed.

    Attributes:
        rtt_s: from each assignment to its result.
        ages_s: of the items that were delivered, by the clock that both processes share.
    """

    peer: Peer

    def __init__(self) -> None:
        self.rtt_s: list[float] = []
        self.ages_s: list[float] = []
        self.is_open = anyio.Event()
        self._sent: dict[str, float] = {}
        self._count = 0

    def opened(self, peer: Peer, hello: Hello, resumed: bool) -> None:
        self.peer = peer
        self.is_open.set()

    def received(self, peer: Peer, messages: Sequence[Message]) -> None:
        now = time.perf_counter()
        for message in messages:
            if message.type == "result":
                self.rtt_s.append(now - self._sent.pop(message.body["attempt"]))
        peer.acknowledge(messages[-1].seq)

    def detached(self, peer: Peer, reason: str) -> None:
        pass

    def closed(self, peer: Peer, reason: str) -> None:
        pass

    def take(self, peer: Peer, stream: IncomingStream) -> None:
        """Look at a stream's items as they are delivered."""
        stream.pour_into(_Ages(self.ages_s))

    async def give_tasks(self) -> None:
        """Give tasks at an even pace until canceled."""
        due = time.perf_counter()
        while True:
            self._count += 1
            attempt = f"c/t{self._count}/1"
            self._sent[attempt] = time.perf_counter()
            body = {"attempt": attempt, "skill": "noop", "arguments": {}, "idempotent": True}
            self.peer.send("assign", body)
            due += 1 / TASKS_PER_S
            await anyio.sleep(max(0.0, due - time.perf_counter()))


class _Ages:
    def __init__(self, ages_s: list[float]) -> None:
        self._ages_s = ages_s

    def write(self, data: bytes) -> None:
        self._ages_s.append(time.monotonic() - STAMP.unpack_from(data)[0])

    def close(self, error: Exception | None) -> None:
        pass


def run(options: Options) -> Report:
    """Measure quiet and load in turn."""
    return anyio.run(_measure, options, backend_options=BACKEND)


async def _measure(options: Options) -> Report:
    hub = Hub()
    quiet: list[float] = []
    loaded: list[float] = []
    put_s: list[float] = []
    async with _far_end(hub, options.size(STREAMS, 5)) as far, anyio.create_task_group() as tasks:
        tasks.start_soon(hub.give_tasks)
        await anyio.sleep(1)
        for _ in range(options.times(5)):
            hub.rtt_s.clear()
            await anyio.sleep(options.size(3, 1))
            quiet.append(quantile(hub.rtt_s, 0.99))
            hub.rtt_s.clear()
            put_s.append(await far.load())
            loaded.append(quantile(hub.rtt_s, 0.99))
        tasks.cancel_scope.cancel()
    return _report(quiet, loaded, put_s, hub.ages_s)


@asynccontextmanager
async def _far_end(hub: Hub, streams: int) -> AsyncIterator[_Far]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="constellation-bench-")))
        credentials = CredentialStore(folder / "credentials.json")
        server = await stack.enter_async_context(
            serve(
                hub,
                StoreAuthenticator(credentials, PairingDesk()),
                artifacts=ArtifactStore(folder / "artifacts"),
                on_stream=hub.take,
            )
        )
        token = credentials.issue("far", "device", time.time())[1]
        command = [sys.executable, "-m", "bench.stream_device", server.url, token, str(streams)]
        process = await stack.enter_async_context(
            await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=None)
        )
        far = _Far(process)
        await far.line()
        await hub.is_open.wait()
        try:
            yield far
        finally:
            process.kill()


class _Far:
    """The process at the far end."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self._process = process
        self._said = BufferedByteReceiveStream(process.stdout)

    async def line(self) -> str:
        return (await self._said.receive_until(b"\n", 100)).decode()

    async def load(self) -> float:
        """Have it stream and put its artifact; seconds that the artifact took."""
        assert self._process.stdin is not None
        await self._process.stdin.send(b"load\n")
        return float(await self.line())


def _report(
    quiet: Sequence[float], loaded: Sequence[float], put_s: Sequence[float], ages: Sequence[float]
) -> Report:
    report = Report()
    without, beside = (summarise([each * MS for each in found]) for found in (quiet, loaded))
    late = sum(age > DEADLINE_S for age in ages)
    table = report.table(f"One session, {TASKS_PER_S:,} tasks/s", "", "")
    table.add_row("task p99 by themselves, ms", str(without))
    table.add_row("task p99 beside artifact and streams, ms", str(beside))
    table.add_row("ratio", figure(beside.median / without.median))
    megabytes = summarise([ARTIFACT_BYTES / 1e6 / each for each in put_s])
    table.add_row("artifact of 100 MB, MB/s", str(megabytes))
    table.add_row("real-time items delivered", f"{len(ages):,}")
    table.add_row("of them after their deadline", f"{late:,}")
    table.add_row("age p50, p99, most, ms", ", ".join(figure(q * MS) for q in _ages(ages)))
    report.data = {
        "task_p99_ms": {"alone": without.median, "beside": beside.median},
        "ratio": beside.median / without.median,
        "artifact_mb_per_s": megabytes.median,
        "items": {"delivered": len(ages), "late": late, "p99_ms": _ages(ages)[1] * MS},
    }
    report.notes += [
        f"Each stream sends {ITEM_HZ} items of {ITEM_BYTES} bytes a second, to be delivered within "
        f"{DEADLINE_S * MS:.0f} ms or not at all; they do not tick in step.",
        "The artifact is another one each time, and is hashed before it is sent. It is sent at "
        f"{BYTES_PER_S / 1e6:.0f} MB/s at most, so that tasks find room.",
    ]
    return report


def _ages(ages: Sequence[float]) -> tuple[float, float, float]:
    return quantile(ages, 0.5), quantile(ages, 0.99), max(ages)
