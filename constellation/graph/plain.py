"""Tasks and edits as plain data, for the wire, the journal and files; read back with pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from constellation.errors import EditConflictError

from .edits import Batch, Edit
from .task import Dependency, Task

T = TypeVar("T")

_TASK: TypeAdapter[Task] = TypeAdapter(Task)
_DEPENDENCY: TypeAdapter[Dependency] = TypeAdapter(Dependency)
_EDIT: TypeAdapter[Edit] = TypeAdapter(Edit)
_EDITS: TypeAdapter[list[Edit]] = TypeAdapter(list[Edit])
_BATCH: TypeAdapter[Batch] = TypeAdapter(Batch)


def task_to_plain(task: Task, *, full: bool = False) -> dict[str, Any]:
    """A task as plain data; fields at their default are left out unless ``full``."""
    plain: dict[str, Any] = _TASK.dump_python(task, exclude_defaults=not full)
    return plain


def task_from_plain(data: Mapping[str, Any]) -> Task:
    """Read a task.

    Raises:
        EditConflictError: names the field that is wrong.
    """
    return read(_TASK, data, "task")


def dependency_to_plain(dependency: Dependency) -> dict[str, Any]:
    """A dependency as plain data."""
    plain: dict[str, Any] = _DEPENDENCY.dump_python(dependency, exclude_defaults=True)
    return plain


def edit_to_plain(edit: Edit) -> dict[str, Any]:
    """An edit as plain data."""
    return {"op": edit.op, **_EDIT.dump_python(edit, exclude_defaults=True)}


def batch_to_plain(batch: Batch) -> dict[str, Any]:
    """A batch as plain data."""
    plain: dict[str, Any] = {"edits": [edit_to_plain(edit) for edit in batch.edits]}
    if batch.base_version is not None:
        plain["base_version"] = batch.base_version
    if batch.author:
        plain["author"] = batch.author
    if batch.note:
        plain["note"] = batch.note
    return plain


def batch_from_plain(data: Mapping[str, Any]) -> Batch:
    """Read a batch.

    Raises:
        EditConflictError: names the edit and the field that is wrong.
    """
    return read(_BATCH, data, "batch")


def edits_schema() -> dict[str, Any]:
    """JSON Schema of a list of edits."""
    return _EDITS.json_schema()


def read(adapter: TypeAdapter[T], data: Any, what: str) -> T:
    """Read plain data from outside.

    Raises:
        EditConflictError: names the field that is wrong.
    """
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        # What is a tuple here is a list where the data come from.
        what_is_wrong = first["msg"].replace("valid tuple", "valid list")
        raise EditConflictError(
            f"{what}{'.' if where else ''}{where}: {what_is_wrong}.",
            remedy="See the schema of edits in docs/protocol.md.",
            field=where,
            rule="schema",
        ) from None
