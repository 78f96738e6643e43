"""Whether what a request asks for is so: one verdict for each subtask."""

from __future__ import annotations

from collections.abc import Iterator

from constellation.graph.constellation import Constellation
from constellation.graph.expressions import compile_predicate
from constellation.graph.node import Node

from .model import Check, Count, Device, FileIs, Never, Output, Ran, Refused
from .world import Folders


def verdicts(
    checks: list[Check], folders: Folders, graph: Constellation | None, before: dict[str, bytes]
) -> list[bool]:
    """Check everything.

    Args:
        graph: what ran; None if the request was refused.
        before: the files on the devices before that.
    """
    return [found for check in checks for found in _verdicts(check, folders, graph, before)]


def _verdicts(
    check: Check, folders: Folders, graph: Constellation | None, before: dict[str, bytes]
) -> Iterator[bool]:
    match check:
        case Refused():
            yield graph is None and folders.files() == before
        case FileIs():
            yield _file_is(check, folders)
        case Ran(ran=skill, state=state):
            for device in check.devices:
                yield bool(_ended(graph, skill, device, state))
        case Count(count=skill, equal=equal, state=state):
            for device in check.devices:
                yield len(_ended(graph, skill, device, state)) == equal
        case Never(never=skill):
            for device in check.devices:
                yield not _ended(graph, skill, device, "completed")
        case Output(output=skill, where=where):
            holds = compile_predicate(where)
            for device in check.devices:
                found = _ended(graph, skill, device, "completed")
                yield any(holds({"output": node.output}) for node in found)


def _ended(
    graph: Constellation | None, skill: str, device: Device | None, state: str
) -> list[Node]:
    return [
        node
        for node in (graph.nodes.values() if graph is not None else ())
        if node.task.skill == skill
        and node.state == state
        and not node.skipped
        and node.task.for_each is None
        and device in (None, node.device)
    ]


def _file_is(check: FileIs, folders: Folders) -> bool:
    path = folders.root(check.on) / check.file
    if check.absent or not path.is_file():
        return check.absent and not path.exists()
    content = path.read_bytes().decode(errors="replace")
    if check.equals is not None:
        return content == check.equals
    return all(part in content for part in check.contains)
