"""Secrets in plain data and text: where a JSON Schema marks them, and what looks like one. Pure.

A field is secret if its schema says ``writeOnly`` or ``format: password``, as pydantic's
`SecretStr` does. What looks like a credential is taken for one wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

HIDDEN = "(secret)"
MAX_DEPTH = 64

# What a hub puts in the place of a secret; see `constellation.orchestrator.sealing`.
SEALED = re.compile(r"\[sealed:v1:([A-Za-z0-9_=-]{8,})\]")
SEALED_MARK = "[sealed:v1:"
_AROUND_SEALED = re.compile(r"(\[sealed:v1:[A-Za-z0-9_=-]{8,}\])")

# What a credential looks like, each after a text that any such one holds: looking for that first
# costs next to nothing, and there is hardly ever one.
_SHAPES = tuple(
    (hint, re.compile(pattern))
    for hint, pattern in (
        ("cst_", r"cst_[0-9a-f]{12}_[A-Za-z0-9_-]{43}"),  # our own
        ("sk-", r"\bsk-[A-Za-z0-9_-]{20,}"),  # OpenAI, Anthropic, …
        ("gh", r"\bgh[pousr]_[A-Za-z0-9]{36,}"),  # GitHub
        ("github_pat_", r"\bgithub_pat_\w{22,}"),
        ("glpat-", r"\bglpat-[\w-]{20,}"),  # GitLab
        ("xox", r"\bxox[abeprs]-[\w-]{10,}"),  # Slack
        ("AKIA", r"\bAKIA[0-9A-Z]{16}\b"),  # AWS
        ("ASIA", r"\bASIA[0-9A-Z]{16}\b"),
        ("AIza", r"\bAIza[\w-]{35}"),  # Google
        ("hf_", r"\bhf_[A-Za-z0-9]{30,}"),  # Hugging Face
        ("npm_", r"\bnpm_[A-Za-z0-9]{30,}"),
        ("eyJ", r"\beyJ[\w-]{8,2000}\.eyJ[\w-]{8,}\.[\w-]{8,}"),  # JSON Web Token
        ("earer ", r"(?<=\b[Bb]earer )[\w.~+/-]{16,}=*"),  # in a header
        ("EARER ", r"(?<=\bBEARER )[\w.~+/-]{16,}=*"),
        ("://", r"(?<=://)[^\s/:@]{1,256}:[^\s/@]{1,256}(?=@)"),  # password in an address
        (
            "PRIVATE KEY-----",
            r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----"
            r"[^-]*(?:-(?!----)[^-]*)*-----END [A-Z ]{0,32}PRIVATE KEY-----",
        ),
    )
)


def without_credentials(text: str, instead: Callable[[str], str]) -> str:
    """A text with each part that looks like a credential replaced; what is sealed stays.

    Args:
        instead: of such a part.
    """
    parts = _AROUND_SEALED.split(text) if SEALED_MARK in text else [text]
    return "".join(
        part if place % 2 else _replaced(part, instead) for place, part in enumerate(parts)
    )


def _replaced(text: str, instead: Callable[[str], str]) -> str:
    shapes = [shape for hint, shape in _SHAPES if hint in text]
    spans = sorted(found.span() for shape in shapes for found in shape.finditer(text))
    kept, done = [], 0
    for start, end in spans:
        if start >= done:
            kept += [text[done:start], instead(text[start:end])]
            done = end
    return "".join([*kept, text[done:]]) if kept else text


def redact(text: str) -> str:
    """A text without what looks like a credential, and without what was sealed."""
    return without_credentials(hide_sealed(text), lambda found: HIDDEN)


def hide_sealed(text: str) -> str:
    """A text in which sealed secrets are said to be such."""
    return SEALED.sub(HIDDEN, text) if SEALED_MARK in text else text


def is_secret(schema: Any, root: Mapping[str, Any], depth: int = 0) -> bool:
    """True if a schema marks what it describes as secret, itself or in one of its choices.

    Args:
        schema: of a value.
        root: the whole schema, in which its references lead somewhere.
    """
    schema = _followed(schema, root)
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return False
    if schema.get("writeOnly") is True or schema.get("format") == "password":
        return True
    return any(is_secret(each, root, depth + 1) for each in _choices(schema))


def part_schemas(schema: Any, root: Mapping[str, Any], key: str | int) -> Iterator[Any]:
    """The schemas that say something of a part of a value: a field, or an element of a list."""
    pending, seen = [schema], 0
    while pending and seen < MAX_DEPTH:
        seen += 1
        found = _followed(pending.pop(), root)
        if not isinstance(found, Mapping):
            continue
        pending += _choices(found)
        if isinstance(key, int):
            yield found.get("items")
        else:
            properties = found.get("properties")
            if isinstance(properties, Mapping) and key in properties:
                yield properties[key]
            else:
                yield found.get("additionalProperties")


def secrets_in(value: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    """The values that a schema marks as secret, each as a whole."""
    pending: list[tuple[Any, list[Any], int]] = [(value, [schema], 0)]
    while pending:
        found, schemas, depth = pending.pop()
        if any(is_secret(each, schema) for each in schemas):
            yield found
        elif depth < MAX_DEPTH and isinstance(found, Mapping | list | tuple):
            parts = found.items() if isinstance(found, Mapping) else enumerate(found)
            for key, part in parts:
                below = [each for s in schemas for each in part_schemas(s, schema, key)]
                pending.append((part, below, depth + 1))


def _choices(schema: Mapping[str, Any]) -> list[Any]:
    return [
        each
        for word in ("anyOf", "oneOf", "allOf")
        if isinstance(schema.get(word), list)
        for each in schema[word]
    ]


def _followed(schema: Any, root: Mapping[str, Any]) -> Any:
    """Where a reference within the same document leads; None if nowhere."""
    for _ in range(MAX_DEPTH):
        if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
            return schema
        place: Any = root
        for part in schema["$ref"].removeprefix("#").split("/")[1:]:
            place = place.get(part) if isinstance(place, Mapping) else None
        schema = place
    return None
