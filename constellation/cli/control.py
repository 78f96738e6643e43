"""Commands that change what runs: edit, cancel, retry, pause, resume, approve."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from constellation.errors import UnknownTaskError
from constellation.telling.text import clean
from constellation.telling.values import say_answer

from .connection import ask_for_run, ask_hub
from .files import read_tree
from .options import ConstellationId
from .output import Json, emit
from .questions import open_questions, read_answer

Reason = Annotated[str | None, typer.Option(help="Why, for the record.")]


def edit(
    constellation: ConstellationId,
    file: Annotated[
        Path | None,
        typer.Argument(help="Edits as JSON or YAML: a list, or a map with `edits`.", exists=True),
    ] = None,
    add: Annotated[
        list[Path] | None,
        typer.Option(help="Add the task or tasks in this JSON or YAML file.", exists=True),
    ] = None,
    remove: Annotated[list[str] | None, typer.Option(help="Remove this task.")] = None,
    cancel: Annotated[list[str] | None, typer.Option(help="Cancel this task.")] = None,
    retry: Annotated[list[str] | None, typer.Option(help="Run this task again.")] = None,
    base_version: Annotated[
        int | None, typer.Option(help="Refuse if what is touched changed after this version.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    as_json: Json = False,
) -> None:
    """Change a constellation while it runs; all edits are applied together or not at all.

    \b
    Examples:
      constellation edit c-7f3k9q --cancel backup --retry upload
      constellation edit c-7f3k9q --add more-tasks.yaml --note "one more machine"
      constellation edit c-7f3k9q edits.json --base-version 4
    """
    batch = _read_batch(file) if file is not None else {"edits": []}
    edits = list(batch["edits"])
    for path in add or ():
        content = read_tree(path, "--add")
        tasks = content if isinstance(content, list) else [content]
        edits += [{"op": "add_task", "task": task} for task in tasks]
    for op, ids in (("remove_task", remove), ("cancel_task", cancel), ("retry_task", retry)):
        edits += [{"op": op, "id": task} for task in ids or ()]
    if not edits:
        raise typer.BadParameter("Nothing to change: give a file of edits or an option.")
    if base_version is None:
        base_version = batch.get("base_version")
    answer = ask_hub(
        "edit", constellation=constellation, edits=edits, base_version=base_version, note=note
    )
    emit(answer, f"{constellation} is now at version {answer['version']}.", as_json=as_json)


def _read_batch(path: Path) -> Mapping[str, Any]:
    content = read_tree(path, "FILE")
    batch = content if isinstance(content, Mapping) else {"edits": content}
    if not isinstance(batch.get("edits"), list):
        raise typer.BadParameter(f"{path} holds no list of edits.", param_hint="FILE")
    return batch


def cancel(
    constellation: ConstellationId,
    task: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="Only this task; default: everything.")
    ] = None,
    subtree: Annotated[
        bool, typer.Option("--subtree", help="Also cancel everything that descends from the task.")
    ] = False,
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Cancel a constellation, or one task of it; running work is stopped.

    \b
    Examples:
      constellation cancel c-7f3k9q
      constellation cancel c-7f3k9q upload --subtree --reason "wrong bucket"
    """
    if subtree and task is None:
        raise typer.BadParameter("--subtree needs a task.", param_hint="--subtree")
    answer = ask_hub(
        "cancel", constellation=constellation, task=task, subtree=subtree, reason=reason
    )
    emit(answer, f"Canceled {task or constellation}.", as_json=as_json)


def retry(
    constellation: ConstellationId,
    task: Annotated[
        str | None,
        typer.Argument(
            metavar="[TASK]", help="Only this task; default: all that ended without success."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run what ended without success again, with what was skipped because of it.

    A constellation that has ended goes on by it.

    \b
    Examples:
      constellation retry c-7f3k9q
      constellation retry c-7f3k9q upload
    """
    answer = ask_hub("retry", constellation=constellation, task=task)
    emit(answer, *(f"{each} runs again." for each in answer["tasks"]), as_json=as_json)


def pause(constellation: ConstellationId, as_json: Json = False) -> None:
    """Start nothing more of a constellation; what runs goes on.

    \b
    Example:
      constellation pause c-7f3k9q
    """
    answer = ask_hub("pause", constellation=constellation)
    emit(answer, f"{constellation} is paused.", as_json=as_json)


def resume(constellation: ConstellationId, as_json: Json = False) -> None:
    """Go on with a paused constellation.

    \b
    Example:
      constellation resume c-7f3k9q
    """
    answer = ask_hub("resume", constellation=constellation)
    emit(answer, f"{constellation} goes on.", as_json=as_json)


def approve(
    constellation: ConstellationId,
    task: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="Needed if several tasks ask.")
    ] = None,
    deny: Annotated[bool, typer.Option("--deny", help="Refuse instead.")] = False,
    answer: Annotated[
        str | None, typer.Option(help="The answer to a question that is not a yes or no.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer a task that asks: approve what it wants to run, or refuse it, or give it its answer.

    \b
    Examples:
      constellation approve c-7f3k9q
      constellation approve c-7f3k9q wipe --deny
      constellation approve c-7f3k9q choose --answer staging
    """
    if deny and answer is not None:
        raise typer.BadParameter("Give --deny or --answer, not both.", param_hint="--deny")
    question = _choose(open_questions(ask_for_run(constellation)), task)
    value = read_answer(question, answer) if answer is not None else not deny
    ask_hub(
        "answer",
        constellation=constellation,
        task=question["task"],
        question=question["id"],
        answer=value,
    )
    emit(
        {"constellation": constellation, "question": question, "answer": value},
        f"{question['task']} asked: {clean(question['prompt'])}",
        f"Answered: {say_answer(value)}.",
        as_json=as_json,
    )


def _choose(asking: list[dict[str, Any]], task: str | None) -> dict[str, Any]:
    found = [question for question in asking if task in (None, question["task"])]
    if not found:
        raise UnknownTaskError(
            "Nothing here waits for an answer."
            if task is None
            else f"Task {task!r} waits for no answer.",
            remedy="See which tasks ask with `constellation show ID`.",
        )
    if len(found) > 1:
        names = ", ".join(question["task"] for question in found)
        raise typer.BadParameter(f"Several tasks ask: {names}. Name one.", param_hint="TASK")
    return found[0]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (edit, cancel, retry, pause, resume, approve):
        app.command(rich_help_panel="Change what runs")(command)
