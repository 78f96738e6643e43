"""What a device says of itself: its card, its skills, its capacity.

Cards come from outside, so these are pydantic models: read once at the edge, then used as data.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

Effect = Literal["read", "write", "dangerous"]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class SkillCard(BaseModel):
    """A typed capability of a device.

    Attributes:
        name: such as ``files.read``.
        description: one or two sentences; planners choose by it.
        input, output: JSON Schemas (2020-12) of arguments and result.
        effect: ``read`` changes nothing; ``write`` changes something a person can undo or expects;
            ``dangerous`` asks a person first unless the device's policy allows it.
        idempotent: True if running it twice does no harm.
        examples: requests in plain words that this skill serves.
        streams: True if it sends output while it runs.
        emits: True if it puts out items while it runs, for tasks that read along.
        reads: True if it can read what other tasks put out while they run.
        capacity: how many calls it takes at once; None for the device's own limit.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Name
    description: str = Field(default="", max_length=2000)
    input: dict[str, Any] = Field(default_factory=lambda: {"type": "object"})
    output: dict[str, Any] = Field(default_factory=dict)
    effect: Effect = "write"
    idempotent: bool = False
    examples: tuple[str, ...] = ()
    streams: bool = False
    emits: bool = False
    reads: bool = False
    capacity: StrictInt | None = Field(default=None, ge=0)


class DeviceCard(BaseModel):
    """A connected agent.

    Attributes:
        name: unique on its hub.
        kind: ``computer``, ``voice``, ``robot`` or the author's own word.
        platform: ``linux``, ``darwin``, ``windows``, ``android`` or the author's own word.
        description: a sentence for people and planners.
        labels: free key/value pairs that requirements can name.
        capabilities: free words that requirements can name, beside the skills' names.
        hardware: what it found out about itself: ``cpus``, ``memory_bytes``, ``gpu``, …
        skills: what it can do.
        capacity: how many tasks it takes at once (its credit).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Name
    kind: str = Field(default="computer", max_length=64)
    platform: str = Field(default="", max_length=64)
    description: str = Field(default="", max_length=2000)
    labels: dict[str, str] = Field(default_factory=dict, max_length=64)
    capabilities: tuple[str, ...] = ()
    hardware: dict[str, Any] = Field(default_factory=dict, max_length=64)
    skills: tuple[SkillCard, ...] = Field(default=(), max_length=512)
    capacity: StrictInt = Field(default=4, ge=0, le=10_000)
    version: str = Field(default="", max_length=64)

    def skill(self, name: str) -> SkillCard | None:
        """The skill of that name, if the device has it."""
        return next((skill for skill in self.skills if skill.name == name), None)
