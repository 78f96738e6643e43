"""`constellation.fabric` for programs without an event loop; a thread of its own runs one.

```python
with constellation.sync.connect() as fabric:
    print(fabric.run("show the memory of every machine").outputs)
```

Each method does what the one of the same name in `constellation.fabric` does, and raises the same.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from constellation import fabric as aio
from constellation.fabric import Device, Ended, Event
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Edit
from constellation.planner.ports import Plan


class Work:
    """A constellation on the hub: see `constellation.fabric.Work`."""

    def __init__(self, portal: BlockingPortal, work: aio.Work) -> None:
        self.id = work.id
        self.title = work.title
        self.notes = work.notes
        self._portal = portal
        self._work = work

    def events(self, *, after: int = 0) -> Generator[Event]:
        """What happened and what happens, until it has ended; `close` it to stop earlier."""
        events = self._work.events(after=after)
        try:
            while True:
                try:
                    yield self._portal.call(events.__anext__)
                except StopAsyncIteration:
                    return
        finally:
            self._portal.call(events.aclose)

    def show(self) -> Constellation:
        return self._portal.call(self._work.show)

    def result(self) -> Ended:
        return self._portal.call(self._work.result)

    def ended(self) -> Ended:
        return self._portal.call(self._work.ended)

    def edit(self, *edits: Edit, base_version: int | None = None, note: str = "") -> int:
        edit = partial(self._work.edit, *edits, base_version=base_version, note=note)
        return self._portal.call(edit)

    def cancel(self, task: str | None = None, *, subtree: bool = False) -> None:
        self._portal.call(partial(self._work.cancel, task, subtree=subtree))

    def retry(self, task: str | None = None) -> None:
        self._portal.call(self._work.retry, task)

    def pause(self) -> None:
        self._portal.call(self._work.pause)

    def resume(self) -> None:
        self._portal.call(self._work.resume)

    def answer(self, task: str, answer: Any, *, question: str | None = None) -> None:
        self._portal.call(partial(self._work.answer, task, answer, question=question))


class Fabric:
    """A person's devices: see `constellation.fabric.Fabric`."""

    def __init__(self, portal: BlockingPortal, fabric: aio.Fabric) -> None:
        self._portal = portal
        self._fabric = fabric

    def plan(self, request: str) -> Plan:
        return self._portal.call(self._fabric.plan, request)

    def submit(
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
        submit = partial(
            self._fabric.submit,
            work,
            name=name,
            inputs=inputs,
            priority=priority,
            paused=paused,
            max_cost=max_cost,
            traceparent=traceparent,
        )
        return Work(self._portal, self._portal.call(submit))

    def run(self, work: str | Path | Plan | Sequence[Edit], **options: Any) -> Ended:
        return self._portal.call(partial(self._fabric.run, work, **options))

    def work(self, identifier: str) -> Work:
        return Work(self._portal, self._fabric.work(identifier))

    def constellations(self, *, ended: bool = False) -> list[Mapping[str, Any]]:
        return self._portal.call(partial(self._fabric.constellations, ended=ended))

    def put_artifact(self, data: bytes, name: str = "") -> str:
        return self._portal.call(self._fabric.put_artifact, data, name)

    def get_artifact(self, digest: str) -> bytes:
        return self._portal.call(self._fabric.get_artifact, digest)

    def devices(self) -> list[Device]:
        return self._portal.call(self._fabric.devices)


@contextmanager
def connect(
    url: str | None = None, *, token: str | None = None, state_dir: Path | None = None
) -> Iterator[Fabric]:
    """Connect to a hub for as long as the context is open: see `constellation.fabric.connect`."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            aio.connect(url, token=token, state_dir=state_dir)
        ) as fabric,
    ):
        yield Fabric(portal, fabric)
