"""The far end of `bench stream`: `python -m bench.stream_device URL TOKEN STREAMS`.

It answers each assignment at once. For each line on its standard input it opens real-time streams,
puts an artifact of 100 MB, closes the streams, and prints how long the artifact took.
"""

from __future__ import annotations

import os
import random
import struct
import sys
import time
from collections.abc import Sequence
from tempfile import TemporaryFile

import anyio
from anyio import to_thread

from constellation.aip.client import Link, connect
from constellation.aip.eventloop import loop_options
from constellation.aip.messages import Message

ARTIFACT_BYTES = 100_000_000
ITEM_HZ = 50
ITEM_BYTES = 640
DEADLINE_S = 0.1
STAMP = struct.Struct("!d")


class Device:
    """Answers assignments at once."""

    link: Link

    def take(self, messages: Sequence[Message]) -> None:
        """What the link calls."""
        for message in messages:
            if message.type == "assign":
                body = {"attempt": message.body["attempt"], "state": "completed"}
                self.link.send("result", body)
        self.link.acknowledge(messages[-1].seq)


async def stream(link: Link) -> None:
    """Send items that carry the time at which they were made, until canceled."""
    # Sources do not tick in step.
    await anyio.sleep(random.random() / ITEM_HZ)
    writer = link.streams.open_items("pose", deadline_s=DEADLINE_S)
    padding = bytes(ITEM_BYTES - STAMP.size)
    due = time.monotonic()
    try:
        while True:
            writer.put(STAMP.pack(time.monotonic()) + padding)
            due += 1 / ITEM_HZ
            await anyio.sleep(max(0.0, due - time.monotonic()))
    finally:
        writer.close()


async def serve(url: str, token: str, streams: int) -> None:
    """Do as told until standard input ends."""
    device = Device()
    with TemporaryFile() as artifact:
        artifact.write(os.urandom(1_000_000) * (ARTIFACT_BYTES // 1_000_000))
        async with connect(
            url, role="device", name="far", credential=token, on_messages=device.take
        ) as device.link:
            await device.link.ready()
            print("ready", flush=True)
            while await to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
                # Another one each time: what the hub has is not sent again.
                artifact.seek(0)
                artifact.write(os.urandom(16))
                async with anyio.create_task_group() as tasks:
                    for _ in range(streams):
                        tasks.start_soon(stream, device.link)
                    began = time.perf_counter()
                    await device.link.artifacts.put(artifact)
                    took = time.perf_counter() - began
                    tasks.cancel_scope.cancel()
                print(took, flush=True)


if __name__ == "__main__":
    url, token, streams = sys.argv[1:]
    anyio.run(serve, url, token, int(streams), backend_options=loop_options())
