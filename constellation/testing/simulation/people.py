"""What people and their planner want: constellations, and changes of them while they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any, Literal

from constellation.errors import ConstellationError
from constellation.graph.edits import (
    AddDependency,
    AddTask,
    Batch,
    CancelTask,
    Edit,
    RemoveTask,
    RetryTask,
    UpdateTask,
)
from constellation.graph.task import Dependency, Requirement, RetryPolicy, Task, TaskState
from constellation.orchestrator.events import (
    CancelRequested,
    InputAnswered,
    Paused,
    Planned,
    Resumed,
    Revise,
    RevisionClosed,
    Submitted,
)

from .hub import Hub
from .world import World

AGAIN_S = 0.5
_CONDITIONS: Sequence[Literal["success", "completion", "failure"]] = (
    "success",
    "success",
    "success",
    "completion",
    "failure",
)
_FAILED = (TaskState.FAILED, TaskState.CANCELED, TaskState.REJECTED)


def new_task(random: Random, id: str, before: list[str]) -> Task:
    """A task by chance, which may use what those before it made."""
    wishes: dict[str, Any] = {"lasts": round(random.expovariate(1.0), 3)}
    for wish, chance in (("fails", 0.1), ("refuse", 0.05), ("asks", 0.05)):
        if random.random() < chance:
            wishes[wish] = True
    for_each = None
    if before and random.random() < 0.3:
        source = random.choice(before)
        if random.random() < 0.3:
            for_each = f"${{{source}.output.items}}"
        else:
            wishes["from"] = f"${{{source}.output.by}}"
    idempotent = random.random() < 0.5
    requirement = Requirement()
    gang = None
    if random.random() < 0.1 and for_each is None:
        gang = random.choice((1, 2, 2))
    elif random.random() < 0.2:
        requirement = Requirement(exclusive=("arm",))
    elif random.random() < 0.2:
        requirement = Requirement(labels={"room": "a"})
    return Task(
        id,
        skill="look" if idempotent else "work",
        arguments=wishes,
        requirement=requirement,
        idempotent=idempotent,
        for_each=for_each,
        gang=gang,
        optional=random.random() < 0.2,
        timeout_s=2.0 if random.random() < 0.1 else None,
        retry=RetryPolicy(attempts=random.choice((1, 1, 2, 3)), backoff_s=0.5),
    )


def new_streams(random: Random) -> list[Edit]:
    """Some tasks of which one reads what the other puts out while it runs."""
    edits: list[Edit] = []
    before = ""
    for number in range(random.randint(2, 4)):
        idempotent = random.random() < 0.6
        wishes: dict[str, Any] = {"lasts": 0.5, "puts": random.choice((3, 12, 24))}
        if before:
            wishes = {"lasts": 0.5, "reads": f"${{{before}.items}}", "puts": "all"}
        if random.random() < 0.15:
            wishes["fails"] = True
        id = f"s{number}"
        edits.append(
            AddTask(
                Task(
                    id,
                    skill="look" if idempotent else "work",
                    arguments=wishes,
                    idempotent=idempotent,
                    optional=random.random() < 0.1,
                    retry=RetryPolicy(attempts=random.choice((1, 2, 3)), backoff_s=0.5),
                )
            )
        )
        before = id if not before or random.random() < 0.7 else before
    return edits


def new_batch(random: Random, size: int) -> Batch:
    """A constellation by chance."""
    edits: list[Edit] = []
    before: list[str] = []
    for number in range(size):
        id = f"t{number}"
        edits.append(AddTask(new_task(random, id, before)))
        sources = [each for each in before if random.random() < 1.5 / size]
        condition = random.choice(_CONDITIONS)
        edits += [AddDependency(Dependency(each, id, condition)) for each in sources]
        before.append(id)
    return Batch(tuple(edits))


class People:
    """They submit, change their minds, answer questions, and ask again while the hub is down.

    Args:
        hub: the hub of now, or None while there is none.
        constellations: how many they submit.
        busy_s: for how long they change their minds.
    """

    def __init__(
        self, world: World, hub: Callable[[], Hub | None], constellations: int, busy_s: float
    ) -> None:
        self.names = [f"c{number}" for number in range(constellations)]
        self.calm = False
        self._world = world
        self._hub = hub
        self._added = 0
        random = world.random
        # Chance of its own, so that all else is as it would be without streams.
        others = Random(f"streams {constellations} {busy_s} {random.getstate()[1][:4]}")
        for name in self.names:
            revise_on = frozenset({"failed"}) if random.random() < 0.4 else frozenset[str]()
            submitted = Submitted(
                name,
                self._with_streams(others, new_batch(random, random.randint(2, 8))),
                weight=random.choice((1.0, 3.0)),
                revise_on=revise_on,
                revise_within_s=4.0,
                planning=random.random() < 0.2,
            )
            world.after(world.between(0, busy_s / 2), partial(self._submit, submitted))
        for _ in range(random.randint(0, 6)):
            world.after(world.between(0, busy_s), self._change)
        world.after(AGAIN_S, self._look)

    @staticmethod
    def _with_streams(random: Random, batch: Batch) -> Batch:
        if random.random() < 0.7:
            return batch
        return Batch((*batch.edits, *new_streams(random)))

    # ── by themselves ───────────────────────────────────────────────────────────────────────────

    def _submit(self, submitted: Submitted) -> None:
        hub = self._hub()
        if hub is not None and not hub.journal.known(submitted.constellation):
            hub.guarded(partial(hub.take, submitted))
            if submitted.planning:
                self._world.after(self._world.between(0.1, 6.0), partial(self._plan, submitted))
            hub = self._hub()
        if hub is None or not hub.journal.known(submitted.constellation):
            # The hub was away, or died before it answered.
            self._world.after(AGAIN_S, partial(self._submit, submitted))

    def _look(self) -> None:
        """Answer whatever is asked, and let go on what was paused once it is calm."""
        self._world.after(AGAIN_S, self._look)
        hub = self._hub()
        if hub is None:
            return
        for run in [*hub.scheduler.runs.values()]:
            if self.calm and run.paused:
                hub.guarded(partial(hub.take, Resumed(run.id)))
            for task, node in [*run.constellation.nodes.items()]:
                if node.question is not None and self._world.random.random() < 0.5:
                    question = str(node.question["id"])
                    answer = InputAnswered(run.id, task, question, True, "ann")
                    hub.guarded(partial(_if_possible, partial(hub.take, answer)))

    def _change(self) -> None:
        """One of the things that people do to what runs."""
        hub, random = self._hub(), self._world.random
        known = [] if hub is None else [name for name in self.names if hub.journal.known(name)]
        if hub is None or not known:
            return
        name = random.choice(known)
        run = hub.scheduler.runs.get(name)
        deed = random.random()
        if run is None:
            ended = hub.journal.read_back(name)["graph"]["nodes"]
            failed = [node["task"]["id"] for node in ended if node["state"] in _FAILED]
            if failed:
                self._edit(hub, name, RetryTask(random.choice(failed)))
        elif deed < 0.1:
            self._say(hub, partial(hub.take, CancelRequested(name)))
        elif deed < 0.25:
            self._say(hub, partial(hub.take, Paused(name)))
            resume = partial(self._resume, name)
            self._world.after(self._world.between(0, 5), resume)
        else:
            nodes = [*run.constellation.nodes.values()]
            node = random.choice(nodes)
            self._added += 1
            late = new_task(random, f"late{self._added}", [node.id])
            edit = random.choice(
                (
                    CancelTask(node.id, "enough", random.random() < 0.5),
                    RemoveTask(node.id),
                    UpdateTask(node.id, {"priority": 5}),
                    RetryTask(node.id),
                    AddTask(late),
                )
            )
            self._edit(hub, name, edit)

    def _resume(self, name: str) -> None:
        hub = self._hub()
        if hub is not None and name in hub.scheduler.runs:
            self._say(hub, partial(hub.take, Resumed(name)))

    def _edit(self, hub: Hub, name: str, *edits: Edit) -> None:
        self._world.tell(f"{name} is edited: {edits}")
        self._say(hub, partial(hub.edit, name, Batch(edits, author="ann")))

    def _say(self, hub: Hub, call: Callable[[], None]) -> None:
        hub.guarded(partial(_if_possible, call))

    # ── the planner ─────────────────────────────────────────────────────────────────────────────

    def _plan(self, submitted: Submitted) -> None:
        """The plan of what was begun before it was whole; now and then there is none.

        A hub that was restarted meanwhile has given it up.
        """
        hub, random = self._hub(), self._world.random
        if hub is None:
            return
        self._added += 1
        late = AddTask(new_task(random, f"late{self._added}", []))
        planned = Planned(submitted.constellation, Batch((late,)), "planned")
        given_up = CancelRequested(submitted.constellation, "there is no plan")
        event = planned if random.random() < 0.8 else given_up
        self._say(hub, partial(hub.take, event))

    def revise(self, asked: Revise) -> None:
        """Think about an outcome for a while; now and then without ever answering."""
        if self._world.random.random() < 0.8:
            self._world.after(self._world.between(0.1, 3.0), partial(self._answer, asked))

    def _answer(self, asked: Revise) -> None:
        hub, random = self._hub(), self._world.random
        if hub is None or asked.constellation not in hub.scheduler.runs:
            return
        self._added += 1
        choice = random.random()
        if choice < 0.4:
            self._edit(hub, asked.constellation, RetryTask(asked.task))
        elif choice < 0.7:
            late = new_task(random, f"late{self._added}", [])
            self._edit(hub, asked.constellation, AddTask(late))
        hub = self._hub()
        if hub is not None:
            self._say(hub, partial(hub.take, RevisionClosed(asked.constellation, asked.task)))


def _if_possible(call: Callable[[], None]) -> None:
    """People ask for what cannot be, and are told so; nothing has changed then."""
    try:
        call()
    except ConstellationError as error:
        if error.code.startswith(("journal", "scheduling.invariant")):
            raise
