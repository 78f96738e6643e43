"""A job for several devices at once: a sum over sockets, and one with torch.distributed."""

from __future__ import annotations

import asyncio
import sys

import anyio

from agents.context import Context
from agents.gang import Gang
from agents.skills import skill

AGAIN_S = 0.02
# Trains a line by gradients that all members average; prints the weight that they agree on.
TORCH_JOB = """
import os, time, torch, torch.distributed as dist
dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
torch.manual_seed(rank)
x = torch.rand(256, 1)
y = 3.0 * x + 0.01 * torch.randn_like(x)
weight = torch.zeros(1, requires_grad=True)
for step in range(int(os.environ["STEPS"])):
    loss = ((x * weight - y) ** 2).mean()
    loss.backward()
    dist.all_reduce(weight.grad)
    with torch.no_grad():
        weight -= 0.5 * weight.grad / size
        weight.grad = None
    time.sleep(0.01)
print(round(weight.item(), 4))
dist.destroy_process_group()
"""


@skill("gang.sum", effect="read", idempotent=True)
async def sum_up(context: Context, values: list[int], hold: str = "") -> int:
    """Add up one value of each member; all of them get the sum.

    Args:
        values: by rank.
        hold: a file; as long as it is there, nobody says its value.
    """
    gang = context.gang
    if gang is None:
        return sum(values)
    while hold and await anyio.Path(hold).exists():  # noqa: ASYNC110
        await asyncio.sleep(AGAIN_S)
    mine = values[gang.rank]
    return await (_collect(gang, mine) if gang.rank == 0 else _tell(gang, mine))


async def _collect(gang: Gang, mine: int) -> int:
    found: asyncio.Queue[tuple[int, asyncio.StreamWriter]] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.put_nowait((int(await reader.readline()), writer))

    async with await asyncio.start_server(take, gang.host, gang.port):
        others = [await found.get() for _ in range(gang.size - 1)]
        total = mine + sum(value for value, _ in others)
        for _, writer in others:
            writer.write(f"{total}\n".encode())
            await writer.drain()
            writer.close()
    return total


async def _tell(gang: Gang, mine: int) -> int:
    while True:
        try:
            reader, writer = await asyncio.open_connection(gang.host, gang.port)
        except OSError:
            # The member of rank 0 does not listen yet.
            await asyncio.sleep(AGAIN_S)
            continue
        writer.write(f"{mine}\n".encode())
        total = int(await reader.readline())
        writer.close()
        return total


@skill("gang.torch", effect="read", idempotent=True)
async def torch_job(context: Context, python: str = "", steps: int = 100) -> float:
    """Train one weight together, by torch.distributed with gloo.

    Args:
        python: an interpreter that has torch.
    """
    gang = context.gang or Gang(0, 1, ("",), "127.0.0.1", 29_499)
    environment = {**gang.environment, "STEPS": str(steps), "OMP_NUM_THREADS": "1"}
    process = await asyncio.create_subprocess_exec(
        python or sys.executable,
        "-c",
        TORCH_JOB,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(complaint.decode(errors="replace")[-300:])
    return float(said)
