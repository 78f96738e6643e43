"""Runbooks out of prose: a guide written for people becomes a draft that the linter accepts.

`outline` finds the blocks of a Markdown document, `sentences` what a sentence says (where, if, what
to run), `commands` which commands change something, `extract` puts them in order, and `writing`
writes the draft. All of that is pure and deterministic; `with_model` has a model read the document
in their place, and believes of it only what the document itself says.
"""

from .draft import Draft, Extraction
from .extract import extract

__all__ = ["Draft", "Extraction", "extract"]
