"""From a typed Python function to JSON Schemas, a reader of arguments and a writer of results."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticSerializationError

from constellation.errors import SkillError

from .context import Context
from .docstrings import read_docstring
from .incoming import READ, Items, items_of

Kind = Literal["thread", "coroutine", "stream"]

_STREAMS = (AsyncIterator, AsyncGenerator, AsyncIterable)
_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and gives, as JSON can say it.

    Attributes:
        name: of the skill, for messages.
        kind: how the function is run: in a thread, as a coroutine, or as an async generator.
        description: the first paragraph of its docstring.
        input, output: JSON Schemas.
        context: the name of the parameter that takes the `Context`, if there is one.
        parameters: the names of the others.
        streams: those of them that are read item by item.
    """

    name: str
    kind: Kind
    description: str
    input: dict[str, Any]
    output: dict[str, Any]
    context: str | None
    parameters: tuple[str, ...]
    streams: tuple[str, ...]
    _model: type[BaseModel]
    _result: TypeAdapter[Any]

    def read(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Check arguments and convert them to the function's types, defaults filled in.

        Raises:
            SkillError: names the field that is wrong.
        """
        try:
            model = self._model.model_validate(arguments)
        except ValidationError as error:
            raise self._bad_arguments(error) from None
        return dict(zip(self.parameters, model.__dict__.values(), strict=True))

    def connect(self, bound: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """The arguments with the items that they stand for."""
        return {
            name: value.open(context) if isinstance(value, Items) else value
            for name, value in bound.items()
        }

    def write(self, value: Any) -> Any:
        """A result as plain data.

        Raises:
            SkillError: the function returned something else than it declares.
        """
        try:
            return self._result.dump_python(value, mode="json", warnings="error")
        except UnicodeDecodeError:
            raise SkillError(
                f"{self.name} returned bytes that are not text in UTF-8.",
                remedy="Have it return base64, or hand the bytes over with Context.put_bytes.",
                skill=self.name,
            ) from None
        except PydanticSerializationError as error:
            raise SkillError(
                f"{self.name} returned what it does not declare: {' '.join(str(error).split())}.",
                remedy="Correct the skill's return type or what it returns.",
                skill=self.name,
            ) from None

    def _bad_arguments(self, error: ValidationError) -> SkillError:
        problems = [
            {"field": ".".join(map(str, each["loc"])), "problem": each["msg"]}
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        first = problems[0]
        return SkillError(
            f"{self.name} cannot take its argument {first['field']!r}: {first['problem']}.",
            remedy=f"Its arguments are {', '.join(self.parameters) or 'none'}.",
            skill=self.name,
            field=first["field"],
            problems=problems,
        )


def read_signature(name: str, function: Callable[..., Any]) -> Signature:
    """Understand a function.

    Raises:
        SkillError: it cannot be a skill; says which parameter or type stands in the way.
    """
    if not inspect.isroutine(function):
        raise _undeclarable(name, f"it is no function but {type(function).__name__}")
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise _undeclarable(name, f"a type hint names what its module lacks: {error}") from None
    except (SyntaxError, TypeError, AttributeError) as error:
        raise _undeclarable(name, f"a type hint is no type: {error}") from None
    description, explained = read_docstring(function.__doc__)
    parameters = inspect.signature(function).parameters
    context = next((each for each in parameters if hints.get(each) is Context), None)
    taken = tuple(each for each in parameters if each != context)
    fields: dict[str, Any] = {}
    streams: list[str] = []
    for index, each in enumerate(taken):
        parameter = parameters[each]
        if each == "self":
            raise _undeclarable(name, "it is a method; make a skill of a function that calls it")
        if parameter.kind not in _KEYWORD:
            raise _undeclarable(name, f"the parameter {each!r} cannot be given by name")
        default = ...
        if parameter.default is not parameter.empty:
            default = parameter.default
            _check_default(name, each, hints.get(each, Any), default)
        described: dict[str, Any] = {"description": explained[each]} if each in explained else {}
        # The alias keeps names such as "json" and "copy", which a model uses itself, free.
        info: Any = Field(default=default, alias=each, **described)
        hint = hints.get(each, Any)
        if get_origin(hint) in READ:
            hint = items_of(name, hint)
            streams.append(each)
        fields[f"field_{index}"] = (hint, info)
    kind, returned = _returned(name, function, hints.get("return", Any))
    try:
        model = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
        result: TypeAdapter[Any] = TypeAdapter(returned)
        taken_schema = _tidy(model.model_json_schema())
        given_schema = _tidy(result.json_schema(mode="serialization"))
    except PydanticUserError as error:
        raise _undeclarable(name, _first_sentence(error)) from None
    return Signature(
        name=name,
        kind=kind,
        description=description,
        input=taken_schema,
        output=given_schema,
        context=context,
        parameters=taken,
        streams=tuple(streams),
        _model=model,
        _result=result,
    )


def _returned(name: str, function: Callable[..., Any], hint: Any) -> tuple[Kind, Any]:
    if inspect.isasyncgenfunction(function):
        items = get_args(hint) if get_origin(hint) in _STREAMS else ()
        return "stream", items[0] if items else Any
    if inspect.isgeneratorfunction(function):
        raise _undeclarable(name, "it is a generator that is not async")
    return ("coroutine" if inspect.iscoroutinefunction(function) else "thread"), hint


def _check_default(name: str, parameter: str, hint: Any, default: Any) -> None:
    """Find a default that could never be given as an argument."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        adapter.dump_json(adapter.validate_python(default), warnings="error")
    except ValidationError:
        problem = f"the default {default!r} of {parameter!r} is not of its type"
        if default is None:
            problem += "; write the type as `… | None`"
        raise _undeclarable(name, problem) from None
    except PydanticSerializationError:
        raise _undeclarable(name, f"the default of {parameter!r} is no plain data") from None
    except PydanticUserError as error:
        raise _undeclarable(name, _first_sentence(error)) from None


def _first_sentence(error: Exception) -> str:
    return str(error).splitlines()[0].split(". ")[0].rstrip(".")


def _undeclarable(name: str, reason: str) -> SkillError:
    return SkillError(
        f"The function of {name!r} cannot be a skill: {reason}.",
        remedy="A skill takes plain typed parameters and returns plain typed data.",
        skill=name,
    )


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the titles that pydantic makes up from names: they tell nothing and cost bytes."""
    return {key: _tidy_value(key, value) for key, value in schema.items() if key != "title"}


def _tidy_value(key: str, value: Any) -> Any:
    if key in ("properties", "$defs"):
        return {name: _tidy(inner) for name, inner in value.items()}
    if isinstance(value, dict) and key != "default":
        return _tidy(value)
    if isinstance(value, list) and key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        return [_tidy(inner) for inner in value]
    return value
