"""Runbooks: Markdown or YAML documents whose steps become a constellation, the same every time.

`load` reads one or raises with everything that is wrong; `lint` also points at what is unclear;
`Runbook.plan` gives the edits. `read_data` reads other JSON and YAML with the same care.
docs/howto/runbooks.md is the manual.
"""

from .data import read_data
from .findings import Finding
from .lint import lint
from .model import Input, Need, Runbook, Step, Target
from .reader import load

__all__ = ["Finding", "Input", "Need", "Runbook", "Step", "Target", "lint", "load", "read_data"]
