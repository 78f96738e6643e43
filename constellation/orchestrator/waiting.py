"""Why tasks that could run do not run yet, in words for people."""

from __future__ import annotations

from collections.abc import Iterable

from constellation.graph.task import TaskState

from .assigning import devices_for
from .attempts import read_attempt_id
from .gangs import able
from .readers import need_in
from .requirements import Need, need_of, why_waiting
from .run import Run, Trouble
from .state import State


def reasons(state: State, run: Run, tasks: Iterable[str], now: float) -> dict[str, str]:
    """Sentences by task, for those of ``tasks`` that wait for something other than tasks."""
    found: dict[str, str] = {}
    if run.ended_at is not None:
        return found
    # Tasks with the same need wait for the same.
    known: dict[Need, str] = {}
    for name in tasks:
        node = run.constellation.nodes[name]
        if node.state is not TaskState.SUBMITTED:
            continue
        asked = [source for source in node.incoming if source in run.revisions]
        trouble = run.trouble.get(name, Trouble())
        if asked:
            found[name] = f"The planner is asked what follows from {asked[0]}."
        elif not node.ready:
            continue
        elif run.paused:
            found[name] = "The constellation is paused."
        elif trouble.not_before > now:
            found[name] = f"It is tried again in {trouble.not_before - now:.0f} s."
        else:
            whole = run.constellation.progress.gang_of(node)
            if whole is not None:
                node, trouble = whole, run.trouble.get(whole.id, Trouble())
            need = need_in(state, run, node) if whole is None else need_of(node.task, trouble)
            if need not in known:
                known[need] = _why(state, need)
            found[name] = known[need]
    return found


def _why(state: State, need: Need) -> str:
    for resource in need.exclusive:
        holder = read_attempt_id(state.resources.get(resource, ""))
        if holder is not None:
            return f"{resource} is in use by task {holder.task} of {holder.constellation}."
    if need.asker and not state.may_use(need.asker, need.exclusive):
        return f"It waits for its turn with {', '.join(need.exclusive)}."
    group = state.queues.groups.get(need)
    if need.gang and group is not None and len(able(group)) >= need.gang:
        count = len(devices_for(state, group))
        return f"It needs {need.gang} devices at once, of which {count} can take it now."
    if group is not None and group in state.patient:
        free = ", ".join(device.name for device in devices_for(state, group))
        return f"A device that is busy is expected to be done with it sooner than {free}, now free."
    return why_waiting(need, list(state.devices.values()))
