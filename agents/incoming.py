"""Parameters of skills that are read item by item: a list, or what another task puts out."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from types import GenericAlias
from typing import Annotated, Any, get_args

from pydantic import TypeAdapter, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from constellation.errors import SkillError

from .context import Context

# Stands in arguments for what a task puts out while it runs: ``{"$items": task}``.
MARK = "$items"
READ = (AsyncIterator, AsyncIterable)


@dataclass(frozen=True, slots=True)
class Items:
    """An argument that is read item by item.

    Attributes:
        skill: for messages.
        source: the task that puts them out; empty if they are all here.
        here: those that are here.
    """

    skill: str
    source: str
    here: tuple[Any, ...]
    _item: TypeAdapter[Any]

    async def open(self, context: Context) -> AsyncIterator[Any]:
        """The items, as the type that the parameter declares.

        Raises:
            SkillError: one is of another type.
        """
        for item in self.here:
            yield item
        if self.source:
            async for item in context.inputs(self.source):
                yield self._read(item)

    def _read(self, item: Any) -> Any:
        try:
            return self._item.validate_python(item)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]["msg"]
            raise SkillError(
                f"{self.skill} cannot take an item of {self.source}: {problem}.", skill=self.skill
            ) from None

    def __str__(self) -> str:
        return f"items of {self.source}" if self.source else str(list(self.here))


def items_of(skill: str, hint: Any) -> Any:
    """The type by which pydantic reads such a parameter; to others it looks like a list."""
    (item,) = get_args(hint) or (Any,)
    adapter: TypeAdapter[Any] = TypeAdapter(item)

    def read(value: Any, listed: ValidatorFunctionWrapHandler) -> Items:
        if isinstance(value, dict) and value.keys() == {MARK}:
            return Items(skill, str(value[MARK]), (), adapter)
        return Items(skill, "", tuple(listed(value)), adapter)

    return Annotated[GenericAlias(list, (item,)), WrapValidator(read)]
