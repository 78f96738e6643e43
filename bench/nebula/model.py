"""The requests of the benchmark, as their files describe them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from constellation.planner.runbook import read_data

FOLDER = Path(__file__).with_name("requests")

Device = Literal["desktop", "laptop", "server", "phone", "edge"]
Files = dict[Device, dict[str, str]]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _OnDevices(_Strict):
    on: Device | list[Device] | None = None

    @property
    def devices(self) -> list[Device | None]:
        """One subtask each; None stands for any device."""
        return list(self.on) if isinstance(self.on, list) else [self.on]


class Ran(_OnDevices):
    """A task of this skill ended there in this state."""

    ran: str
    state: str = "completed"


class Never(_OnDevices):
    """No task of this skill has completed there."""

    never: str


class Count(_OnDevices):
    """So many tasks of this skill ended there in this state."""

    count: str
    equal: Annotated[int, Field(alias="is")]
    state: str = "completed"


class Output(_OnDevices):
    """A task of this skill completed there with an output for which a predicate holds."""

    output: str
    where: str


class FileIs(_Strict):
    """A file on a device: its content, parts of it, or that there is none."""

    file: str
    on: Device
    contains: Annotated[list[str], BeforeValidator(_listed)] = []
    equals: str | None = None
    absent: bool = False


class Refused(_Strict):
    """The request is refused, and no file has changed."""

    refused: Literal[True]


Check = Ran | Never | Count | Output | FileIs | Refused


class Later(_Strict):
    """Files that appear while the request is at work."""

    after_s: float
    on: Device
    files: dict[str, str]


class Request(_Strict):
    """One request.

    Attributes:
        id: its name.
        category: of what kind it is.
        request: the words; ``{site}`` stands for the address of a website.
        oracle: the steps of a runbook, written by a person; None where nothing can be done.
        checks: what must be so afterwards; each is a subtask, for each device that it names.
        files: what lies on the devices beside the usual.
        later: what appears there while it runs.
        heldout: whoever tunes a planner does not look at this one.
    """

    id: str
    category: str
    request: str
    oracle: list[dict[str, Any]] | None = None
    checks: list[Check]
    files: Files = {}
    later: list[Later] = []
    heldout: bool = False


def load(prefix: str = "") -> list[Request]:
    """The requests whose name begins so, by category."""
    return [request for request in _all() if request.id.startswith(prefix)]


def _all() -> Iterator[Request]:
    read = TypeAdapter(list[Request]).validate_python
    for path in sorted(FOLDER.glob("*.yaml"), key=lambda path: int(path.name.partition("-")[0])):
        document = read_data(path.read_text(), path.name)
        category = {"category": document["category"]}
        yield from read([{**category, **each} for each in document["requests"]])
