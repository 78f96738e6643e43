"""What must be true of a life, judged from what devices did and what the journal says.

The checker knows nothing of the machines: it reads histories. It is told when a device begins and
ends an attempt, and of each fact when it is committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from constellation.orchestrator.events import Fact

# Errors after which an attempt may have taken effect, in part or as a whole.
UNCERTAIN = frozenset({"task.failed.interrupted", "task.failed.device_lost"})


class Violation(AssertionError):
    """Something happened that must never happen."""


class Execution(NamedTuple):
    """One run of an attempt on a device.

    Attributes:
        device: where.
        attempt: its id.
        idempotent: whether it may be repeated, as the hub told the device.
    """

    device: str
    attempt: str
    idempotent: bool


class Checker:
    """Watches one life.

    Attributes:
        started: how many attempts devices began.
        finished: how many outcomes were committed.
        items: how many items were taken from streams.
    """

    def __init__(self) -> None:
        self.started = 0
        self.finished = 0
        self.items = 0
        # By reader, what it reads and how many items it has; by source, how many it put out.
        self._reads: dict[str, tuple[str, int]] = {}
        self._put: dict[str, int] = {}
        self._optional: set[str] = set()
        self._read_to_the_end: list[tuple[str, str]] = []
        self._begun: dict[str, Execution] = {}
        self._made: dict[str, Any] = {}
        # Attempts of each task that may have taken effect, and of which no end is known for sure.
        self._unresolved: dict[str, set[str]] = {}
        self._written: set[str] = set()
        # Attempts that may yet run beside a later one, because a person wanted it so.
        self._answered_for: set[str] = set()
        self._completed: dict[str, str] = {}
        self._applied: Counter[str] = Counter()
        self._ended: set[str] = set()
        # Of each gang how many members it has.
        self._gangs: dict[str, int] = {}

    # ── what devices do ─────────────────────────────────────────────────────────────────────────

    def waits(self, device: str, count: int, most: int) -> None:
        """A device was given an attempt, and has so many of them now."""
        if count > most:
            raise Violation(f"{device} has {count} attempts, and room for {most}")

    def begins(self, execution: Execution) -> None:
        """A device begins an attempt."""
        attempt = execution.attempt
        task = _task(attempt)
        if attempt in self._begun:
            raise Violation(f"{attempt} runs twice: {self._begun[attempt]} and {execution}")
        if attempt not in self._written:
            raise Violation(f"{attempt} runs, and the journal does not know of it")
        self._begun[attempt] = execution
        if attempt not in self._answered_for:
            unresolved = self._unresolved.setdefault(task, set())
            if unresolved and not execution.idempotent:
                before = ", ".join(sorted(unresolved))
                raise Violation(f"{attempt} must not be repeated, and {before} ran before")
            unresolved.add(attempt)
        self.started += 1

    def makes(self, attempt: str, output: Any) -> None:
        """An attempt has this output."""
        self._made[attempt] = output

    def fails(self, attempt: str, code: str) -> None:
        """An attempt ended without an effect that matters, unless its code leaves that open."""
        if code not in UNCERTAIN:
            self._unresolved.get(_task(attempt), set()).discard(attempt)

    # ── streams ─────────────────────────────────────────────────────────────────────────────────

    def puts(self, attempt: str, count: int) -> None:
        """An attempt has put out so many items, and puts out no more."""
        self._put[attempt] = count

    def takes(self, reader: str, item: str) -> None:
        """An attempt has taken an item, which names its source and its number."""
        source, _, number = item.rpartition(":")
        before, taken = self._reads.get(reader, (source, 0))
        if source != before:
            raise Violation(f"{reader} reads {source} after {before}")
        if int(number) != taken:
            raise Violation(f"{reader} is given item {number} of {source}, and has {taken}")
        self._reads[reader] = source, taken + 1
        self.items += 1

    def reads_all(self, reader: str) -> None:
        """An attempt has come to the end of what it reads."""
        source, taken = self._reads.get(reader, ("", 0))
        if not source or _task(source) in self._optional:
            # What an optional task put out counts as whole, however it ended.
            return
        if self._put.get(source) != taken:
            raise Violation(f"{reader} has {taken} items of {source}: not all, but the end")
        self._read_to_the_end.append((reader, source))

    # ── what the journal says ───────────────────────────────────────────────────────────────────

    def committed(self, facts: Sequence[Fact]) -> None:
        """These facts are in the journal now."""
        self._check_gangs(facts)
        for fact in facts:
            match fact.kind:
                case "regrouped":
                    self._regrouped(fact)
                case "started" | "raced":
                    self._starts(fact)
                case "finished":
                    self._finishes(fact)
                case "edited":
                    self._edited(fact)
                case "ended":
                    self._ended.add(fact.constellation)
                case "reopened":
                    self._ended.discard(fact.constellation)

    def _check_gangs(self, facts: Sequence[Fact]) -> None:
        """The members of a gang begin in one commit, each on a device of its own."""
        begun: dict[tuple[str, int], list[str]] = {}
        for fact in facts:
            if fact.kind == "started":
                whole = f"{fact.constellation}/{fact.body['task'].partition('[')[0]}"
                if whole in self._gangs:
                    begun.setdefault((whole, fact.body["attempt"]), []).append(fact.body["device"])
        for (whole, _), devices in begun.items():
            if not len(set(devices)) == len(devices) == self._gangs[whole]:
                raise Violation(
                    f"{whole} wants {self._gangs[whole]} devices, and began on {devices}"
                )

    def _regrouped(self, fact: Fact) -> None:
        """A gang begins anew, also where members had succeeded."""
        members = f"{fact.constellation}/{fact.body['task']}["
        for key in [*self._completed]:
            if key.startswith(members):
                del self._completed[key]

    def _starts(self, fact: Fact) -> None:
        task = f"{fact.constellation}/{fact.body['task']}"
        if fact.constellation in self._ended:
            raise Violation(f"{task} was started after its constellation had ended")
        if task in self._completed:
            raise Violation(f"{task} was started again after its success")
        # The second of two that race has the number of the first.
        rival = "b" if fact.kind == "raced" else ""
        self._written.add(f"{task}/{fact.body['attempt']}{rival}")

    def _finishes(self, fact: Fact) -> None:
        task = f"{fact.constellation}/{fact.body['task']}"
        attempt = f"{task}/{fact.body['attempt']}"
        self.finished += 1
        if fact.body["state"] != "completed" or not fact.body["attempt"]:
            return
        self._applied[attempt] += 1
        if self._applied[attempt] > 1:
            raise Violation(f"the result of {attempt} was applied {self._applied[attempt]} times")
        begun = [each for each in self._begun if _task(each) == task]
        if begun:
            # Of attempts that race, or of one that was given up and came back, the first counts.
            made = [each for each in begun if self._made.get(each) == fact.body.get("output")]
            if not made:
                raise Violation(f"nobody made {fact.body.get('output')}, the output of {attempt}")
            self._completed[task] = made[0]

    def _edited(self, fact: Fact) -> None:
        for edit in fact.body["batch"]["edits"]:
            if edit.get("op") == "add_task" and edit["task"].get("gang"):
                self._gangs[f"{fact.constellation}/{edit['task']['id']}"] = edit["task"]["gang"]
            if edit.get("op") == "add_task" and edit["task"].get("optional"):
                self._optional.add(f"{fact.constellation}/{edit['task']['id']}")
            if edit.get("op") == "retry_task":
                self._retried(fact.constellation, edit["id"])

    def _retried(self, constellation: str, task: str) -> None:
        """A person had a task run again, and answers for what earlier attempts did."""
        again = f"{constellation}/{task}"
        self._answered_for |= {each for each in self._written if _is_of(_task(each), again)}
        for key in self._unresolved:
            if _is_of(key, again):
                self._unresolved[key].clear()
        for key in [*self._completed]:
            if _is_of(key, again):
                del self._completed[key]

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    def check_end(self, graphs: Mapping[str, Mapping[str, Any]]) -> None:
        """Judge the graphs as they ended, as `constellation.graph.export.to_json` gives them."""
        for reader, source in self._read_to_the_end:
            if not self._applied[source]:
                raise Violation(f"{reader} came to the end of {source}, which did not succeed")
        for constellation, graph in graphs.items():
            states = {node["task"]["id"]: node for node in graph["nodes"]}
            for task, node in states.items():
                key = f"{constellation}/{task}"
                attempt = self._completed.get(key)
                if attempt is None:
                    continue
                if node["state"] != "completed":
                    raise Violation(f"{attempt} succeeded, but {key} is {node['state']}")
                if node.get("output") != self._made[attempt]:
                    raise Violation(f"the output of {key} is not what {attempt} made")
            self._check_order(constellation, graph, states)

    def _check_order(
        self, constellation: str, graph: Mapping[str, Any], states: Mapping[str, Any]
    ) -> None:
        """Nothing ran that had to wait for a success which never came."""
        for edge in graph["dependencies"]:
            target = states[edge["target"]]["task"]
            if edge.get("condition", "success") != "success" or target.get("join", "all") != "all":
                continue
            ran = any(_task(each) == f"{constellation}/{target['id']}" for each in self._begun)
            source = states[edge["source"]]
            if ran and source["state"] != "completed" and not source["task"].get("optional"):
                raise Violation(
                    f"{constellation}/{target['id']} ran, and waits for the success of "
                    f"{edge['source']}, which is {source['state']}"
                )


def _is_of(task: str, other: str) -> bool:
    """True if it is that task, or one that stands for an item of its list."""
    return task == other or task.startswith(f"{other}[")


def _task(attempt: str) -> str:
    return attempt.rpartition("/")[0]
