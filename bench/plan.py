"""What it saves to begin before a model has written the whole plan.

A model of stated speed, behind a real HTTP server, answers with the same plan each time; devices
take a stated time for each task. The same request runs in turn with the plan taken as a whole, with
tasks begun as they are written (streaming), on the offline planner's guess (speculation), and both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack

import anyio

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.client import find_hub, open_hub
from constellation.config import Settings
from constellation.fabric import Fabric
from constellation.orchestrator import service
from constellation.testing.chat_server import scripted_server, writes

from .devices import timed_device
from .echo import BACKEND
from .fabric import bench_settings
from .harness import Options, Report, figure, summarise

DEVICES = ("desk", "laptop", "server")
TASK_S = 1.0
DONE = {"state": "completed", "output": []}
REQUEST = "list the files in music on all devices, then write 'merged' to songs.txt on desk"
# How long until the first token, and tokens a second: a small local model, two hosted ones.
SPEEDS = ((0.3, 15.0), (0.5, 60.0), (0.3, 200.0))
WAYS: Mapping[str, dict[str, bool]] = {
    "whole": {"stream": False},
    "streaming": {},
    "speculating": {"stream": False, "speculate": True},
    "both": {"speculate": True},
}
LIST = SkillCard(
    name="files.list",
    effect="read",
    description="List the files and folders in a folder.",
    input={
        "type": "object",
        "properties": {"path": {"type": "string", "description": "The folder."}},
    },
)
WRITE = SkillCard(
    name="files.write",
    description="Write a text into a file.",
    input={
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "The file."},
            "content": {"type": "string", "description": "The text."},
        },
        "required": ["path", "content"],
    },
)
PLAN = {
    "thought": "Each device lists its own folder at once; the results are then put together on "
    "the desk machine, which waits for all three of them.",
    "title": "Merge the music lists",
    "tasks": [
        *(
            {
                "id": f"list_{device}",
                "name": f"List the music on {device}",
                "skill": "files.list",
                "device": device,
                "arguments": {"path": "music"},
            }
            for device in DEVICES
        ),
        {
            "id": "write",
            "name": "Write the merged list",
            "skill": "files.write",
            "device": "desk",
            "arguments": {"path": "songs.txt", "content": "merged"},
            "after": [{"task": f"list_{device}"} for device in DEVICES],
        },
    ],
    "notes": ["Each list holds names alone, without the folders that they lie in."],
    "problems": [],
}


def run(options: Options) -> Report:
    """Measure the ways in turn, with models of different speed."""
    return anyio.run(_measure, options, backend_options=BACKEND)


async def _measure(options: Options) -> Report:
    report = Report()
    tokens = len(json.dumps(PLAN)) // 4
    table = report.table(
        f"3 tasks that read, 1 that then writes, {TASK_S:g} s each; a plan of {tokens} tokens",
        "first token, s",
        "tokens/s",
        *(f"{way}, s" for way in WAYS),
        "saved by both",
    )
    for first_s, tokens_per_s in SPEEDS[-1:] if options.quick else SPEEDS:
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(options.times(5)):
            for way, chosen in WAYS.items():
                found[way].append(await _seconds(first_s, tokens_per_s, chosen))
        summaries = {way: summarise(values) for way, values in found.items()}
        saved = 1 - summaries["both"].median / summaries["whole"].median
        cells = (str(summary) for summary in summaries.values())
        table.add_row(figure(first_s), figure(tokens_per_s), *cells, f"{saved:.0%}")
        report.data[f"{first_s}/{tokens_per_s}"] = {
            **{way: summary.to_plain() for way, summary in summaries.items()},
            "saved": saved,
        }
    report.notes += [
        "From the request to its end; two tasks after one another take 2 s of it.",
        "The guess is right here. One that is wrong saves nothing, and costs tasks that read.",
    ]
    return report


async def _seconds(first_s: float, tokens_per_s: float, chosen: Mapping[str, bool]) -> float:
    """Seconds from the request to its end."""
    async with AsyncExitStack() as stack:
        answer = writes(PLAN, first_s=first_s, tokens_per_s=tokens_per_s)
        server = stack.enter_context(scripted_server(answer))
        base = stack.enter_context(bench_settings())
        planner = {"kind": "llm", "model": "m", "base_url": server.url, "api_key": "k", **chosen}
        settings = Settings.model_validate({**base.model_dump(), "planner": planner})
        await stack.enter_async_context(service.open_hub(settings))
        hub = find_hub(settings)
        for name in DEVICES:
            card = DeviceCard(name=name, skills=(LIST, WRITE))
            await stack.enter_async_context(timed_device(hub, card, TASK_S, lambda _: DONE))
        client = await stack.enter_async_context(open_hub(settings, name="bench"))
        begun = anyio.current_time()
        await (await Fabric(client).submit(REQUEST)).result()
        return anyio.current_time() - begun
