"""Run by an interpreter that has openpi-client: a stock server, with openpi's own encoding."""

import asyncio
import json
import sys

import numpy as np
import websockets.asyncio.server as ws
from openpi_client import msgpack_numpy


async def converse(connection: ws.ServerConnection) -> None:
    packer = msgpack_numpy.Packer()
    await connection.send(packer.pack({}))
    async for message in connection:
        asked = msgpack_numpy.unpackb(message)
        told = {key: asked[key] for key in sorted(asked) if key.startswith("constellation/")}
        sys.stdout.write(f"{json.dumps(told)}\n")
        sys.stdout.flush()
        start = np.asarray(asked["observation/state"])[:2]
        actions = start + np.arange(24)[:, None] * np.ones((1, 2))
        reply = {"actions": actions, "server_timing": {"infer_ms": np.float64(0.1)}}
        await connection.send(packer.pack(reply))


async def main() -> None:
    async with ws.serve(converse, "127.0.0.1", 0, compression=None, max_size=None) as server:
        sys.stdout.write(f"{next(iter(server.sockets)).getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
