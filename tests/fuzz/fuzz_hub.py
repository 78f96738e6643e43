"""Throw mutated frames and made-up requests at a real hub over real sockets; it must not mind.

python tests/fuzz/fuzz_hub.py --inputs 100000 --seed 7

What was submitted and is still open is work, and a hub keeps work; and it keeps the session of
whoever is gone for the grace time. So both are told apart from growth: at four points everything
open is cancelled and all sessions run out, and what the hub then still holds is measured. `--trace`
says by the line of code where it grew from the second point to the last.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import logging
import random
import sys
import tempfile
import time
import tracemalloc
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import psutil
from fuzz_aip import LIMITS, NEXT, trees, vectors
from fuzz_mutation import Corpus, Mutator
from websockets.asyncio.client import connect as dial
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from constellation.aip.codec import MSGPACK
from constellation.client import open_hub as client_of
from constellation.config import Settings
from constellation.errors import ConstellationError, ProtocolError
from constellation.orchestrator.hub import Hub
from constellation.orchestrator.service import open_hub
from constellation.orchestrator.verbs import VERBS

FRAMES = 200
WINDOW = 10
POINTS = 4
GRACE_S = 0.5
# From the second point on, with nothing open: caches are full by then, and half of the run is left.
GROWTH_BYTES = 24 * 1024 * 1024
WORDS = ["", "a", "c-1", "x" * 300, "files.read", "${a.output}", "\ud7ff", "device", "any", "own"]
MARK = NEXT[MSGPACK]


def made_up(pick: random.Random, depth: int = 3) -> Any:
    """Plain data, much of it shaped like what verbs take."""
    if depth == 0 or pick.random() < 0.5:
        return pick.choice([None, True, -1, 0, 7, 1.5, 2**53, *WORDS])
    if pick.random() < 0.4:
        return [made_up(pick, depth - 1) for _ in range(pick.randrange(4))]
    keys = ["op", "id", "task", "skill", "arguments", "changes", "edits", "requirement", "after"]
    return {pick.choice(keys): made_up(pick, depth - 1) for _ in range(pick.randrange(5))}


def request(pick: random.Random, number: int) -> dict[str, Any]:
    """A request of any verb but those that would let us in or throw us out."""
    if pick.random() < 0.05:
        task = {"id": "a", "skill": "files.read", "arguments": {"path": made_up(pick)}}
        edits = [{"op": "add_task", "task": task}]
        return {"id": f"r{number}", "verb": "submit", "params": {"edits": edits}}
    verb = pick.choice(sorted(VERBS.keys() - {"revoke", "rotate", "plan"}))
    fields = sorted(VERBS[verb].params.model_fields.keys() - {"request"})
    params = {name: made_up(pick) for name in fields if pick.random() < 0.5}
    return {"id": f"r{number}", "verb": verb, "params": params}


class Frames:
    """What one connection sends; most of it is numbered as the hub expects."""

    def __init__(self, pick: random.Random, role: str) -> None:
        self._pick = pick
        self._asks = role == "client" and pick.random() < 0.5
        self._number = 1
        fresh = trees(MSGPACK, MARK, role, pick.getrandbits(32))
        corpus = Corpus(vectors(MSGPACK, MARK), untouched=2)
        self._wrong = Mutator(corpus, pick.getrandbits(32), fresh).batch(FRAMES)

    def next(self) -> bytes:
        """One frame."""
        if self._asks:
            body = request(self._pick, self._number)
            self._number += 1
            return MSGPACK.join(0, [MSGPACK.encode("request", self._number - 1, body)])
        head, *rest = self._wrong.pop().split(MARK)
        pieces = (bytes([self._number + n & 127]) + piece for n, piece in enumerate(rest))
        frame = head + b"".join(pieces)
        with suppress(ProtocolError):
            for message in MSGPACK.decode(frame, LIMITS)[1]:
                self._number += message.seq == self._number
        return frame


async def one(url: str, token: str, role: str, pick: random.Random) -> int:
    """A connection, and what it sends until it is closed; return how many inputs were read."""
    headers = {"Authorization": f"Bearer {token}"}
    protocols = [Subprotocol(MSGPACK.subprotocol)]
    read = 0
    frames = Frames(pick, role)
    async with dial(
        url,
        additional_headers=headers,
        subprotocols=protocols,
        compression=None,
        proxy=None,
        max_queue=None,
    ) as socket:
        hello = {"version": [1], "role": role, "name": "fuzz"}
        await socket.send(MSGPACK.join(0, [MSGPACK.encode("hello", 0, hello)]))
        try:
            while read < FRAMES:
                for _ in range(WINDOW):
                    await socket.send(frames.next())
                # Its answer comes once all of them were read.
                await (await socket.ping())
                read += WINDOW
        except ConnectionClosed:
            # One was the last that was read: those before it in this window are not counted.
            read += 1
    return read


@dataclass(frozen=True, slots=True)
class Point:
    """What a hub held at some time.

    Attributes:
        inputs: that were tried before.
        open: constellations that had not ended.
        held_bytes: of the process then.
        bytes: of the process once nothing was open and no session left.
        objects: that the garbage collector knows, at that same time.
    """

    inputs: int
    open: int
    held_bytes: int
    bytes: int
    objects: int


@dataclass(slots=True)
class Found:
    """What became of a run.

    Attributes:
        points: at equal distances.
        lines: where memory was taken from the second point to the last, if it was traced.
    """

    points: list[Point] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def growth(self) -> int:
        """Bytes, from the second point to the last."""
        return self.points[-1].bytes - self.points[1].bytes


async def run(inputs: int, seed: int, folder: Path, trace: bool = False) -> Found:
    """Try that many inputs.

    Raises:
        AssertionError: the hub hit a fault, or answers no more.
    """
    pick = random.Random(seed)
    faults: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: faults.append(context))
    hub_settings = {
        "port": 0,
        "requests_per_s": 1e9,
        "submits_per_s": 1e9,
        "journal_sync": "off",
        "grace_s": GRACE_S,
    }
    mine = Settings.model_validate({"state_dir": folder, "hub": hub_settings})
    found = Found()
    before: tracemalloc.Snapshot | None = None
    async with open_hub(mine) as hub:
        tokens = {
            "client": hub.access.credentials.issue("fuzz-client", "admin", time.time())[1],
            "device": hub.access.credentials.issue("fuzz", "device", time.time())[1],
        }
        done = 0
        while len(found.points) < POINTS:
            role = pick.choice(["client", "client", "device"])
            done += await one(hub.url, tokens[role], role, pick)
            assert not faults, faults[0]
            if done >= inputs * (len(found.points) + 1) // POINTS:
                found.points.append(await point(hub, mine, done))
                if trace and len(found.points) == 2:
                    tracemalloc.start(8)
                    before = tracemalloc.take_snapshot()
        if before is not None:
            grown = tracemalloc.take_snapshot().compare_to(before, "traceback")
            for each in grown[:12]:
                found.lines += [str(each), *each.traceback.format(most_recent_first=True)[:8]]
        async with client_of(mine) as client:
            assert (await client.ask("status"))["url"] == hub.url
    return found


async def point(hub: Hub, mine: Settings, done: int) -> Point:
    """Let everything end, and measure."""
    held, left = resident(), len(hub.scheduler.runs)
    async with client_of(mine) as client:
        for id in list(hub.scheduler.runs):
            with suppress(ConstellationError):
                await client.ask("cancel", constellation=id)
    deadline = time.monotonic() + 60
    while hub.scheduler.runs or sum(hub.telemetry.sessions.values()):
        assert time.monotonic() < deadline, f"{len(hub.scheduler.runs)} do not end"
        await anyio.sleep(GRACE_S / 5)
    gc.collect()
    return Point(done, left, held, resident(), len(gc.get_objects()))


def resident() -> int:
    """Bytes of this process, once the allocator has given back what it can."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


def main() -> int:
    """Read the arguments, fuzz, say how many inputs were tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--trace", action="store_true")
    arguments = parser.parse_args()
    sys.stdout.write(f"seed {arguments.seed}\n")
    logging.disable(logging.WARNING)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        work = partial(run, arguments.inputs, arguments.seed, Path(folder), arguments.trace)
        found = anyio.run(work)
    seconds = time.perf_counter() - begin
    mib = 1024**2
    sys.stdout.write(f"{'inputs':>10}{'open':>8}{'MiB':>8}{'MiB, let go':>13}{'objects':>10}\n")
    for each in found.points:
        sys.stdout.write(
            f"{each.inputs:>10,}{each.open:>8,}{each.held_bytes / mib:>8.1f}"
            f"{each.bytes / mib:>13.1f}{each.objects:>10,}\n"
        )
    sys.stdout.write("".join(f"{line}\n" for line in found.lines))
    done = found.points[-1].inputs
    sys.stdout.write(
        f"{done:,} inputs in {seconds:.0f} s ({done / seconds:,.0f}/s): no fault, and "
        f"{found.growth / mib:+.1f} MiB over the second half once nothing was open\n"
    )
    return int(found.growth > GROWTH_BYTES)


if __name__ == "__main__":
    raise SystemExit(main())
