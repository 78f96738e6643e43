"""The Python interface: say what you want, follow it, change it, take its results.

```python
async with constellation.connect() as fabric:
    work = await fabric.submit("show the memory of every machine")
    ended = await work.result()
    print(ended.outputs)
```

`constellation.sync.connect` offers the same to programs without an event loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio

from constellation.aip.cards import DeviceCard
from constellation.client import HubClient, open_hub
from constellation.config import load_settings
from constellation.errors import TaskCanceled, TaskFailed
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch, Edit
from constellation.graph.export import from_json
from constellation.graph.plain import batch_from_plain, batch_to_plain
from constellation.graph.results import in_plan_order, results
from constellation.graph.task import TaskState
from constellation.planner.ports import Plan


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a constellation.

    Attributes:
        kind: such as ``started``, ``output`` or ``finished``; docs/protocol.md lists all.
        time: the hub's time, Unix seconds.
        body: what is to be known, as plain data; ``task`` names the task where there is one.
        seq: its number in the journal; None for what is told and not kept (progress, output).
    """

    kind: str
    time: float
    body: Mapping[str, Any]
    seq: int | None = None

    @property
    def task(self) -> str | None:
        """The task that it is about, if there is one."""
        return self.body.get("task")


@dataclass(frozen=True, slots=True)
class Device:
    """A device that the hub knows.

    Attributes:
        card: what it publishes: platform, skills, labels, capacity.
        presence: ``connected``, or why nothing is given to it.
        running: the attempts that it works on.
        rtt_s: measured round trip; None without a session.
    """

    card: DeviceCard
    presence: str
    running: tuple[str, ...]
    rtt_s: float | None

    @property
    def name(self) -> str:
        return self.card.name


@dataclass(frozen=True, slots=True)
class Ended:
    """A constellation at its end.

    Attributes:
        constellation: the graph, with the state of every task.
    """

    constellation: Constellation

    @property
    def state(self) -> TaskState:
        """``completed``, ``failed`` or ``canceled``."""
        return self.constellation.state

    @property
    def outputs(self) -> dict[str, Any]:
        """What `results` says of it."""
        return results(self.constellation)

    def raise_if_failed(self) -> Ended:
        """Return itself.

        Raises:
            TaskFailed: a task failed; the message is that of the first in the order of the plan.
            TaskCanceled: it was canceled.
        """
        if self.state is TaskState.COMPLETED:
            return self
        for node in in_plan_order(self.constellation):
            if node.state in (TaskState.FAILED, TaskState.REJECTED) and not node.task.optional:
                error = node.error or {}
                raise TaskFailed(
                    f"{node.task.name or node.id}: {error.get('message', node.state)}",
                    remedy=error.get("remedy", ""),
                    task=node.id,
                    error=dict(error),
                )
        raise TaskCanceled(f"{self.constellation.id} was canceled.")


class Work:
    """A constellation on the hub, open or ended.

    Attributes:
        id: its id.
        title: a few words that name it.
        notes: what the planner understood and assumed.
    """

    def __init__(
        self, hub: HubClient, identifier: str, title: str = "", notes: Sequence[str] = ()
    ) -> None:
        self.id = identifier
        self.title = title
        self.notes = tuple(notes)
        self._hub = hub

    async def events(self, *, after: int = 0) -> AsyncGenerator[Event]:
        """What happened to it and what happens, each once and in order, until it has ended.

        Args:
            after: begin behind the fact of this number.
        """
        async with aclosing(await self._hub.follow(self.id, after=after)) as events:
            async for event in events:
                yield Event(event["kind"], event["time"], event["body"], event.get("seq"))

    async def show(self) -> Constellation:
        """The graph as it stands, with the state of every task."""
        return from_json((await self._hub.show(self.id))["graph"])

    async def result(self) -> Ended:
        """Wait until it has ended.

        Raises:
            TaskFailed, TaskCanceled: see `Ended.raise_if_failed`.
        """
        return (await self.ended()).raise_if_failed()

    async def ended(self) -> Ended:
        """Wait until it has ended, however that may be."""
        async with aclosing(self.events()) as events:
            async for _ in events:
                pass
        return Ended(await self.show())

    async def edit(self, *edits: Edit, base_version: int | None = None, note: str = "") -> int:
        """Apply edits together or not at all; return the version that came of it.

        Args:
            base_version: refuse if what is touched has changed after this version.
            note: why, for the record.

        Raises:
            GraphError: the edits were refused; names task, rule and remedy.
        """
        plain = batch_to_plain(Batch(edits))["edits"]
        answer = await self._hub.ask(
            "edit", constellation=self.id, edits=plain, base_version=base_version, note=note
        )
        return int(answer["version"])

    async def cancel(self, task: str | None = None, *, subtree: bool = False) -> None:
        """Cancel it, or one of its tasks, or a task with all that descends from it."""
        await self._hub.ask("cancel", constellation=self.id, task=task, subtree=subtree)

    async def retry(self, task: str | None = None) -> None:
        """Run a task again that ended without success, or all of them, with what was skipped
        because of it. A constellation that has ended goes on by it.
        """
        await self._hub.ask("retry", constellation=self.id, task=task)

    async def pause(self) -> None:
        """Start nothing more of it for now."""
        await self._hub.ask("pause", constellation=self.id)

    async def resume(self) -> None:
        """Go on."""
        await self._hub.ask("resume", constellation=self.id)

    async def answer(self, task: str, answer: Any, *, question: str | None = None) -> None:
        """Answer what a task asks: True approves what it wants to do.

        Args:
            question: the id of the question; None for the one that is open.
        """
        await self._hub.ask(
            "answer", constellation=self.id, task=task, question=question, answer=answer
        )


class Fabric:
    """A person's devices, seen from a program.

    Attributes:
        hub: the connection; its `ask` reaches every verb of docs/protocol.md.
    """

    def __init__(self, hub: HubClient) -> None:
        self.hub = hub

    async def plan(self, request: str) -> Plan:
        """What the planner would do for a request; nothing is run.

        Raises:
            PlanError: it cannot be planned as it stands.
        """
        answer = await self.hub.ask("plan", request=request)
        edits = batch_from_plain({"edits": answer["edits"]}).edits
        return Plan(answer["title"], edits, tuple(answer["notes"]))

    async def submit(
        self,
        work: str | Path | Plan | Sequence[Edit],
        *,
        name: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        priority: int = 0,
        paused: bool = False,
        max_cost: float | None = None,
        traceparent: str | None = None,
    ) -> Work:
        """Start something: a request in words, the path of a runbook, a plan, or edits.

        Args:
            name: what to call it; None lets the planner say.
            inputs: of the runbook.
            priority: higher runs first.
            paused: wait for `Work.resume`.
            max_cost: what language models may cost for it, its plan included; None for no bound.
            traceparent: the span that asks (W3C Trace Context); None for the one that is current.

        Raises:
            PlanError: the request or the runbook cannot be planned.
            GraphError: the edits contradict themselves.
            OSError: the runbook cannot be read.
        """
        match work:
            case str():
                job: dict[str, Any] = {"request": work}
            case Path():
                text = await anyio.Path(work).read_text()
                job = {"runbook": text, "source": str(work), "inputs": inputs}
            case Plan():
                job = {"edits": _plain(work.edits), "name": work.title}
            case _:
                job = {"edits": _plain(work)}
        if name is not None:
            job["name"] = name
        options = {
            "priority": priority,
            "paused": paused,
            "max_cost": max_cost,
            "traceparent": traceparent,
        }
        answer = await self.hub.ask("submit", **options, **job)
        return Work(self.hub, answer["constellation"], answer["title"], answer["notes"])

    async def run(self, work: str | Path | Plan | Sequence[Edit], **options: Any) -> Ended:
        """Submit something and wait for its result; `submit` documents the arguments.

        Raises:
            TaskFailed, TaskCanceled: see `Ended.raise_if_failed`.
        """
        return await (await self.submit(work, **options)).result()

    def work(self, identifier: str) -> Work:
        """A constellation that the hub knows."""
        return Work(self.hub, identifier)

    async def constellations(self, *, ended: bool = False) -> list[Mapping[str, Any]]:
        """One summary for each open constellation, and for each ended one if wanted."""
        return list((await self.hub.ask("list", all=ended))["constellations"])

    async def put_artifact(self, data: bytes, name: str = "") -> str:
        """Hand bytes to the fabric; return the hash by which tasks can refer to them."""
        digest, _ = await self.hub.put_artifact(BytesIO(data), name)
        return digest

    async def get_artifact(self, digest: str) -> bytes:
        """The bytes of an artifact.

        Raises:
            UnknownArtifactError: the hub does not have it.
        """
        file = BytesIO()
        await self.hub.get_artifact(digest, file)
        return file.getvalue()

    async def devices(self) -> list[Device]:
        """The devices that the hub knows."""
        return [
            Device(
                card=DeviceCard.model_validate(each["card"]),
                presence=each["presence"],
                running=tuple(each["running"]),
                rtt_s=each["rtt_s"],
            )
            for each in (await self.hub.ask("devices"))["devices"]
        ]


def _plain(edits: Sequence[Edit]) -> list[Any]:
    return list(batch_to_plain(Batch(tuple(edits)))["edits"])


@asynccontextmanager
async def connect(
    url: str | None = None, *, token: str | None = None, state_dir: Path | None = None
) -> AsyncIterator[Fabric]:
    """Connect to a hub for as long as the context is open; a link that is cut is dialed again.

    Args:
        url: such as ``wss://hub.example/aip``; None takes the one of the settings, else the one
            that runs on this machine.
        token: the credential for it.
        state_dir: where to look for the hub of this machine; None takes the one of the settings.

    Raises:
        HubUnreachable: there is none, or it does not answer.
        AuthenticationError: it refuses the credential.
        ConfigError: the settings cannot be read, or lack the credential.
    """
    settings = load_settings({"state_dir": state_dir, "client": {"url": url, "token": token}})
    async with open_hub(settings, name="python") as hub:
        yield Fabric(hub)
