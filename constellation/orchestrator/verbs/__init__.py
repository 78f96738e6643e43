"""What clients may ask of a hub, by name. ``docs/protocol.md`` describes each verb."""

from __future__ import annotations

from . import access, changing, looking, planning
from .common import Verb

VERBS: dict[str, Verb] = {
    **planning.VERBS,
    **changing.VERBS,
    **looking.VERBS,
    **access.VERBS,
}
