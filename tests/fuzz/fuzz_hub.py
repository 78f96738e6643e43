"""Throw mutated frames and made-up requests at a real hub over real sockets; it must not mind.

python tests/fuzz/fuzz_hub.py --inputs 100000 --seed 7
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio
import psutil
from fuzz_aip import Mutator
from websockets.asyncio.client import connect as dial
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from constellation.aip.codec import MSGPACK
from constellation.client import open_hub as client_of
from constellation.config import Settings
from constellation.orchestrator.service import open_hub
from constellation.orchestrator.verbs import VERBS

FRAMES = 200
GROWTH_BYTES = 200 * 1024 * 1024
WORDS = ["", "a", "c-1", "x" * 300, "files.read", "${a.output}", "\ud7ff", "device", "any", "own"]


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
    verb = pick.choice(sorted(VERBS.keys() - {"revoke", "rotate", "plan"}))
    fields = sorted(VERBS[verb].params.model_fields.keys() - {"request"})
    params = {name: made_up(pick) for name in fields if pick.random() < 0.5}
    return {"id": f"r{number}", "verb": verb, "params": params}


async def one(url: str, token: str, role: str, mutator: Mutator, pick: random.Random) -> int:
    """A connection, and what it sends until it is closed; return how many inputs were read."""
    headers = {"Authorization": f"Bearer {token}"}
    protocols = [Subprotocol(MSGPACK.subprotocol)]
    read = number = 0
    asks = role == "client" and pick.random() < 0.5
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
                number += 1
                if asks:
                    body = request(pick, number)
                    frame = MSGPACK.join(0, [MSGPACK.encode("request", number, body)])
                else:
                    frame = mutator.packed(number)
                await socket.send(frame)
                # Its answer comes once the frame was read.
                await (await socket.ping())
                read += 1
        except ConnectionClosed:
            read += 1
    return read


async def run(inputs: int, seed: int, folder: Path) -> tuple[int, int]:
    """Try that many inputs; return how many there were, and by how many bytes the process grew.

    Raises:
        AssertionError: the hub hit a fault, grew, or answers no more.
    """
    pick, mutator = random.Random(seed), Mutator(seed)
    faults: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: faults.append(context))
    hub_settings = {"port": 0, "requests_per_s": 1e9, "submits_per_s": 1e9, "journal_sync": "off"}
    mine = Settings.model_validate({"state_dir": folder, "hub": hub_settings})
    process = psutil.Process()
    async with open_hub(mine) as hub:
        tokens = {
            "client": hub.access.credentials.issue("fuzz-client", "admin", time.time())[1],
            "device": hub.access.credentials.issue("fuzz", "device", time.time())[1],
        }
        done, before = 0, 0
        while done < inputs:
            role = pick.choice(["client", "client", "device"])
            done += await one(hub.url, tokens[role], role, mutator, pick)
            assert not faults, faults[0]
            if not before and done >= inputs // 2:
                before = process.memory_info().rss
        async with client_of(mine) as client:
            assert (await client.ask("status"))["url"] == hub.url
        growth = process.memory_info().rss - before
        assert growth < GROWTH_BYTES, f"it grew by {growth:,} bytes"
    return done, growth


def main() -> int:
    """Read the arguments, fuzz, say how many inputs were tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    arguments = parser.parse_args()
    sys.stdout.write(f"seed {arguments.seed}\n")
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        done, growth = anyio.run(run, arguments.inputs, arguments.seed, Path(folder))
    seconds = time.perf_counter() - begin
    sys.stdout.write(
        f"{done:,} inputs in {seconds:.0f} s ({done / seconds:,.0f}/s): no fault, and "
        f"{growth:+,} bytes over the second half\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
