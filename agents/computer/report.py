"""`report.write`: results of other tasks as a Markdown file that a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from ..context import Context
from ..skills import skill
from .content import Content
from .markdown import as_markdown


class Section(BaseModel):
    """A part of a report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    body: Annotated[Content, Field(description="Text (Markdown), or data to be shown.")] = None


class Report(TypedDict):
    path: Annotated[str, Field(description="Where it was written.")]
    size_bytes: int
    sections: Annotated[int, Field(description="How many sections it has.")]


@skill(
    "report.write",
    effect="write",
    idempotent=True,
    examples=(
        "write a report of the results to report.md",
        "make a report titled 'Disk space' from all results",
        "summarize everything in a report",
        "save a Markdown report",
    ),
)
def write(
    context: Context,
    path: Annotated[str, Field(min_length=1, max_length=4096)] = "report.md",
    title: str = "Report",
    body: Content = None,
    sections: Sequence[Section] = (),
) -> Report:
    """Write a report with a title and sections as a Markdown file.

    Args:
        path: the file; one that is there is replaced.
        title: the heading of the report.
        body: text or data that stands before the sections.
        sections: parts with a title and a body each.
    """
    parts = [f"# {_one_line(title)}"]
    if body is not None:
        parts.append(as_markdown(body))
    for section in sections:
        if section.title:
            parts.append(f"## {_one_line(section.title)}")
        parts.append(as_markdown(section.body))
    data = ("\n\n".join(part for part in parts if part) + "\n").encode()
    with context.open(path, "wb") as file:
        file.write(data)
    return Report(
        path=str(context.roots.resolve(path).path), size_bytes=len(data), sections=len(sections)
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
