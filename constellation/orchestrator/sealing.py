"""Secrets of tasks, sealed where they come in and opened only on their way to a device.

What a skill's schema marks as secret, and what looks like a credential, is replaced in edits before
the scheduler sees them: by the same value encrypted under a key of this hub, bound to its place
(constellation, task, skill, argument). Journal, snapshots, events and views hold that; a hub that
is started again still has the secret; and nobody learns it by copying it to another task, for there
it does not open. Of a skill that no device has yet, the names of arguments say what is secret.

The cipher is AES-SIV (RFC 5297): authenticated, and the same for the same secret in the same place,
so that an edit which repeats an argument changes nothing.
"""

from __future__ import annotations

import json
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constellation.aip.cards import SkillCard
from constellation.aip.private_files import write_private
from constellation.errors import ConfigError, EditConflictError, TaskFailed
from constellation.graph.edits import AddTask, Edit, ReplaceSubgraph, UpdateTask
from constellation.graph.task import Task
from constellation.redaction import (
    SEALED,
    SEALED_MARK,
    is_secret,
    part_schemas,
    without_credentials,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    from constellation.graph.node import Node

    from .run import Run

KEY_FILE = "secrets.key"
KEY_BYTES = 64
# What stays as it is in a text that is secret: references, which the graph must see, and seals.
_APART = re.compile(rf"(\$\$\{{|\$\{{[^{{}}]*\}}|{SEALED.pattern.replace('(', '(?:', 1)})")

# Names of arguments that are taken for secret as long as no device says what its skill takes.
_SECRET_NAMES = frozenset(
    {
        *("password", "passwd", "passphrase", "secret", "token", "api_key", "apikey"),
        *("access_token", "auth_token", "client_secret", "private_key", "credential"),
    }
)
_BY_NAME: list[Mapping[str, Any]] = [
    {"properties": {name: {"writeOnly": True} for name in sorted(_SECRET_NAMES)}}
]

Place = tuple[str, ...]
Skills = Callable[[str], Sequence[SkillCard]]


class SealBroken(TaskFailed):
    """A sealed secret does not open: its key is gone, or it is in another place."""

    code = "task.failed.secret"


class Vault:
    """Seals and opens the secrets of a hub.

    Args:
        file: of the key; made when the first secret is sealed.
        skills: what is known of a skill, by its name: the cards of all devices that have it.
    """

    def __init__(self, file: Path, skills: Skills) -> None:
        self._file = file
        self._skills = skills
        self._loaded: AESSIV | None = None
        self._schemas: dict[str, list[Mapping[str, Any]]] = {}

    # ── edits ───────────────────────────────────────────────────────────────────────────────────

    def seal(
        self, constellation: str, edits: Sequence[Edit], run: Run | None = None
    ) -> tuple[Edit, ...]:
        """Edits without secrets in the clear.

        Args:
            constellation: its id.
            edits: to be applied as one batch.
            run: what they change; None for a new constellation.

        Raises:
            EditConflictError: a secret that was sealed for another place stands in them.
            ConfigError: the key cannot be read or written.
        """
        nodes = {} if run is None else run.constellation.nodes
        tasks: dict[str, Task] = {}
        return tuple(self._edit(constellation, each, nodes, tasks) for each in edits)

    def _edit(
        self, constellation: str, edit: Edit, nodes: Mapping[str, Node], tasks: dict[str, Task]
    ) -> Edit:
        """One edit sealed; ``tasks`` gathers what the batch makes of tasks."""
        match edit:
            case AddTask(task):
                sealed = tasks[task.id] = self._task(constellation, task)
                return edit if sealed is task else AddTask(sealed)
            case ReplaceSubgraph(tasks=new):
                tasks |= {each.id: self._task(constellation, each) for each in new}
                return replace(edit, tasks=tuple(tasks[each.id] for each in new))
            case UpdateTask(name, changes) if _TOUCHED & changes.keys():
                before = tasks.get(name) or (nodes[name].task if name in nodes else Task(name))
                told = {key: changes[key] for key in _TOUCHED & changes.keys()}
                if not all(isinstance(value, _TYPES[key]) for key, value in told.items()):
                    return edit  # the graph refuses it
                after = tasks[name] = self._task(constellation, replace(before, **told))
                kept = {key: getattr(after, key) for key in told}
                return UpdateTask(name, {**changes, **kept})
        return edit

    def _task(self, constellation: str, task: Task) -> Task:
        place = (constellation, task.id, task.skill)
        marked = self._marked(task.skill)
        if marked is _BY_NAME and _SECRET_NAMES.isdisjoint(task.arguments):
            marked = []
        schemas = [(each, each) for each in marked]
        arguments = self._walk(task.arguments, place, schemas)
        words = self._text(task.instruction, (*place, "instruction"))
        if arguments is task.arguments and words == task.instruction:
            return task
        return replace(task, arguments=arguments, instruction=words)

    def _marked(self, skill: str) -> list[Mapping[str, Any]]:
        """The schemas of a skill that mark anything as secret."""
        found = self._schemas.get(skill)
        if found is None:
            cards = self._skills(skill) if skill else ()
            found = [card.input for card in cards if _marks(card.input)] if cards else _BY_NAME
            self._schemas[skill] = found
        return found

    def cards_changed(self) -> None:
        """A device came, went, or publishes something else."""
        self._schemas.clear()

    def _walk(self, value: Any, place: Place, schemas: list[tuple[Any, Any]]) -> Any:
        """Plain data with its secrets sealed; the very same object if there are none."""
        if any(is_secret(each, root) for each, root in schemas):
            return self._whole(value, place)
        if isinstance(value, str):
            return self._text(value, place)
        if not isinstance(value, Mapping | list | tuple):
            return value
        parts = dict(value) if isinstance(value, Mapping) else dict(enumerate(value))
        changed = False
        for key, part in parts.items():
            below = [(s, root) for each, root in schemas for s in part_schemas(each, root, key)]
            sealed = self._walk(part, (*place, str(key)), below)
            changed |= sealed is not part
            parts[key] = sealed
        if not changed:
            return value
        return parts if isinstance(value, Mapping) else list(parts.values())

    def _whole(self, value: Any, place: Place) -> Any:
        """A value that is secret; what refers to other tasks stays readable for the graph."""
        if value is None or value == "":
            return value
        if not isinstance(value, str):
            return self._encrypt(b"j" + json.dumps(value).encode(), place)
        self._check(value, place)
        parts = _APART.split(value)
        return "".join(
            part if not part or _APART.fullmatch(part) else self._encrypt(_data(part), place)
            for part in parts
        )

    def _text(self, text: str, place: Place) -> str:
        """A text with what looks like a credential sealed."""
        self._check(text, place)
        return without_credentials(text, lambda found: self._encrypt(_data(found), place))

    def _check(self, text: str, place: Place) -> None:
        """See that what is sealed in a text was sealed for its place."""
        if SEALED_MARK not in text:
            return
        try:
            for found in SEALED.finditer(text):
                self._decrypt(found[0], place)
        except SealBroken:
            raise EditConflictError(
                f"Task {place[1]} holds a secret that was sealed for another place.",
                remedy="Give the secret itself again.",
                task=place[1],
            ) from None

    # ── assignments ─────────────────────────────────────────────────────────────────────────────

    def opened(self, body: Mapping[str, Any], of: str) -> Mapping[str, Any]:
        """The body of an ``assign`` message with its secrets in the clear.

        Args:
            of: the task that its arguments were given to: the map task, of an element of one.

        Raises:
            SealBroken: one of them does not open.
        """
        arguments, words = body["arguments"], body.get("instruction", "")
        if not (_holds_sealed(arguments) or SEALED_MARK in words):
            return body
        place = (body["context"]["constellation"], of, body["skill"])
        clear = {**body, "arguments": self._open(arguments, place)}
        if words:
            clear["instruction"] = self._open(words, (*place, "instruction"))
        return clear

    def _open(self, value: Any, place: Place) -> Any:
        if isinstance(value, str):
            if SEALED_MARK not in value:
                return value
            if SEALED.fullmatch(value):
                return self._decrypt(value, place)
            return SEALED.sub(lambda found: str(self._decrypt(found[0], place)), value)
        if isinstance(value, Mapping):
            return {key: self._open(part, (*place, str(key))) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._open(part, (*place, str(at))) for at, part in enumerate(value)]
        return value

    # ── the cipher ──────────────────────────────────────────────────────────────────────────────

    def _encrypt(self, data: bytes, place: Place) -> str:
        sealed = self._cipher(make=True).encrypt(data, [json.dumps(place).encode()])
        return f"{SEALED_MARK}{urlsafe_b64encode(sealed).decode()}]"

    def _decrypt(self, token: str, place: Place) -> Any:
        from cryptography.exceptions import InvalidTag

        match = SEALED.fullmatch(token)
        try:
            sealed = urlsafe_b64decode(match[1] if match else "")
            data = self._cipher(make=False).decrypt(sealed, [json.dumps(place).encode()])
        except (InvalidTag, ValueError, ConfigError):
            raise SealBroken(
                f"A secret of task {place[1]} cannot be opened.",
                remedy=f"Give it again with an edit; {self._file.name} may have been replaced.",
            ) from None
        text = data[1:].decode("utf-8", "surrogatepass")
        return json.loads(text) if data[:1] == b"j" else text

    def _cipher(self, *, make: bool) -> AESSIV:
        if self._loaded is None:
            # Most hubs never meet a secret.
            from cryptography.hazmat.primitives.ciphers.aead import AESSIV

            self._loaded = AESSIV(self._key(make=make))
        return self._loaded

    def _key(self, *, make: bool) -> bytes:
        try:
            if make and not self._file.exists():
                write_private(self._file, os.urandom(KEY_BYTES))
            key = self._file.read_bytes()
            if os.name == "posix" and self._file.stat().st_mode & 0o077:
                raise PermissionError(1, f"others may read it; run chmod 600 {self._file}")
        except OSError as error:
            raise ConfigError(
                f"The key {self._file} cannot be used: {error.strerror}.",
                remedy="Let the hub's user read and write there.",
                file=str(self._file),
            ) from None
        if len(key) != KEY_BYTES:
            raise ConfigError(
                f"The key {self._file} is none: it has {len(key)} bytes, not {KEY_BYTES}.",
                remedy="Restore it; or remove it, and give secrets of open tasks again.",
                file=str(self._file),
            )
        return key


def _data(text: str) -> bytes:
    return b"s" + text.encode("utf-8", "surrogatepass")


def _marks(schema: Mapping[str, Any]) -> bool:
    """Whether a schema could mark anything at all as secret: most do not, and need no walk."""
    text = json.dumps(schema, default=str)
    return "writeOnly" in text or "password" in text


_TYPES: Mapping[str, type[Any]] = {"arguments": dict, "instruction": str, "skill": str}
_TOUCHED = frozenset(_TYPES)


def _holds_sealed(value: Any) -> bool:
    if isinstance(value, str):
        return SEALED_MARK in value
    if isinstance(value, Mapping):
        return any(map(_holds_sealed, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_sealed, value))
    return False
