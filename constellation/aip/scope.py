"""What a credential may be used for, beyond what its kind says. Pure.

Of a device: the skills that it may be given. Of a client: the skills that its tasks may name, whose
constellations it sees and changes, and whether it changes anything at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .cards import DeviceCard

# Patterns of skills, such as ``files.*``.
SkillPattern = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.*?-]{1,128}$")]
# Tasks in plain words go to this skill.
IN_WORDS = "agent.do"


class Scope(BaseModel):
    """What a credential may be used for.

    Attributes:
        skills: patterns of the skills that it may be given (device) or may name (client); None for
            any. Whoever may use ``agent.do`` may have a device's model use any of its skills.
        constellations: those of a client: its ``own``, which its credential's name submitted, or
            ``all``.
        read_only: True if a client may only look.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    skills: tuple[SkillPattern, ...] | None = Field(default=None, max_length=256)
    constellations: Literal["all", "own"] = "all"
    read_only: bool = False

    def permits(self, skill: str) -> bool:
        """True if that skill is allowed."""
        return self.skills is None or any(fnmatchcase(skill, each) for each in self.skills)

    def filtered(self, card: DeviceCard) -> DeviceCard:
        """A card with those of its skills alone that are allowed."""
        if self.skills is None:
            return card
        kept = tuple(skill for skill in card.skills if self.permits(skill.name))
        return card.model_copy(update={"skills": kept})

    def cards(self, cards: Iterable[DeviceCard]) -> list[DeviceCard]:
        """Cards as `filtered` shows them."""
        return [self.filtered(card) for card in cards]

    def in_words(self) -> str:
        """As a clause for people."""
        skills = "any skill" if self.skills is None else ", ".join(self.skills) or "no skill"
        whose = "its own constellations" if self.constellations == "own" else ""
        return "; ".join(filter(None, (skills, whose, "only looks" if self.read_only else "")))


UNLIMITED = Scope()
NOTHING = Scope(skills=(), constellations="own", read_only=True)
