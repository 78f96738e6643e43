"""`@skill`: a typed Python function becomes something that a device can do.

::

    @skill("lamp.set", effect="write", idempotent=True, examples=["turn the lamp on"])
    def set_lamp(on: bool, brightness: float = 1.0) -> dict[str, bool]:
        \"""Turn the lamp on or off.

        Args:
            on: whether it shall shine.
            brightness: from 0 to 1.
        \"""

Name, schemas, description and the meaning of each argument are read from the function. A plain
function runs in a worker thread, an async one on the event loop; each value that an async generator
yields is sent as output, and the last one is the result. Where another task reads them while they
come, a parameter annotated with ``AsyncIterator`` gets them there. A parameter annotated with
`agents.context.Context` is filled in by the runtime and does not appear in the schema.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from functools import partial
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from pydantic import ValidationError

from constellation.aip.cards import Effect, SkillCard
from constellation.errors import SkillError, TaskFailed

from .context import Context
from .policy import Intent
from .signature import read_signature

P = ParamSpec("P")
R = TypeVar("R")

# As many as a device's capacity may be, made when they are needed: a function that never returns
# must not stand in the way of others.
_THREADS = ThreadPoolExecutor(max_workers=10_000, thread_name_prefix="skill")
_in_threads: set[asyncio.Future[Any]] = set()


class AnySkill(Protocol):
    """What the runtime needs of a skill, wherever it comes from.

    Attributes:
        card: what is published.
        timeout_s: bound of one call unless the task has its own; None for no bound.
        intent: says, from the arguments, what a call would do; None if the arguments alone say it.
    """

    card: SkillCard
    timeout_s: float | None
    intent: Callable[..., Intent] | None

    @property
    def name(self) -> str: ...

    def bind(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Check arguments as they come from a hub.

        Raises:
            SkillError: names the field that is wrong.
        """
        ...

    async def run(self, bound: Mapping[str, Any], context: Context) -> Any:
        """Do it, with what `bind` returned; the result is plain data."""
        ...


class Skill(Generic[P, R]):
    """A function that devices can call, with what the fabric knows of it.

    Calling the object calls the function, so that skills can be used and tested as they are.

    The attributes are those of `AnySkill`.
    """

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str,
        effect: Effect,
        idempotent: bool | None,
        examples: Sequence[str],
        emits: bool | None,
        reads: bool | None,
        capacity: int | None,
        timeout_s: float | None,
        one_of: Sequence[str],
        intent: Callable[..., Intent] | None,
    ) -> None:
        self._function = function
        self._signature = read_signature(name, function)
        self._one_of = tuple(one_of)
        _check(name, self._signature.parameters, one_of, capacity, timeout_s)
        self.timeout_s = timeout_s
        self.intent: Callable[..., Intent] | None = intent
        schema = self._signature.input
        if one_of:
            schema = {**schema, "oneOf": [{"required": [field]} for field in one_of]}
        try:
            self.card = SkillCard(
                name=name,
                description=self._signature.description,
                input=schema,
                output=self._signature.output,
                effect=effect,
                idempotent=effect == "read" if idempotent is None else idempotent,
                examples=tuple(examples),
                streams=self._signature.kind == "stream",
                emits=self._signature.kind == "stream" if emits is None else emits,
                reads=bool(self._signature.streams) if reads is None else reads,
                capacity=capacity,
            )
        except ValidationError as error:
            first = error.errors()[0]
            raise SkillError(
                f"The skill {name!r} is declared wrongly: {first['loc'][0]}: {first['msg']}.",
                remedy="Correct the arguments of @skill.",
                skill=name,
            ) from None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._function(*args, **kwargs)

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def module(self) -> str:
        """The name of the module that declares it."""
        return self._function.__module__

    def bind(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Check arguments and convert them to the function's types, defaults filled in.

        Raises:
            SkillError: names the field that is wrong.
        """
        if self._one_of and sum(field in arguments for field in self._one_of) != 1:
            raise SkillError(
                f"{self.name} takes exactly one of the arguments {' and '.join(self._one_of)}.",
                remedy=f"Give one of {', '.join(self._one_of)}.",
                skill=self.name,
                field=self._one_of[0],
            )
        return self._signature.read(arguments)

    async def run(self, bound: Mapping[str, Any], context: Context) -> Any:
        """Call the function with what `bind` returned; the result is plain data.

        Raises:
            SkillError: the function returned something else than it declares.
            Exception: whatever the function raises.
        """
        signature = self._signature
        given = {**bound, signature.context: context} if signature.context else bound
        if signature.streams:
            given = signature.connect(given, context)
        # The kind was read from the function: what it returns is an awaitable or an iterator.
        function: Callable[..., Any] = self._function
        if signature.kind == "thread":
            return signature.write(await _in_thread(partial(function, **given), context))
        with _no_exit():
            if signature.kind == "coroutine":
                return signature.write(await function(**given))
            return await self._stream(function(**given), context)

    async def _stream(self, values: AsyncGenerator[Any, None], context: Context) -> Any:
        """Send what a generator yields; return the last. It is closed however this ends.

        Where another task reads it, it goes there and nowhere else.
        """
        last = None
        async with aclosing(values):
            async for value in values:
                last = self._signature.write(value)
                if context.emits:
                    await context.emit(last)
                else:
                    context.output(last)
        return last


async def _in_thread(function: Callable[[], R], context: Context) -> R:
    """Run a function in a thread; when canceled, tell it so and wait for its end."""
    thread = asyncio.get_running_loop().run_in_executor(_THREADS, _no_exit()(function))
    _in_threads.add(thread)
    thread.add_done_callback(_in_threads.discard)
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        context.canceled = True
        await asyncio.wait([thread])
        raise


def threads_are_busy() -> bool:
    """True if a plain function still runs, though its attempt may be over."""
    return bool(_in_threads)


@contextmanager
def _no_exit() -> Iterator[None]:
    try:
        yield
    except SystemExit as error:
        # It would end the agent.
        raise TaskFailed(f"The skill called exit({error.code}).") from error


def skill(
    name: str | None = None,
    *,
    effect: Effect = "write",
    idempotent: bool | None = None,
    examples: Sequence[str] = (),
    emits: bool | None = None,
    reads: bool | None = None,
    capacity: int | None = None,
    timeout_s: float | None = None,
    one_of: Sequence[str] = (),
    intent: Callable[..., Intent] | None = None,
) -> Callable[[Callable[P, R]], Skill[P, R]]:
    """Make a skill of the function below.

    Args:
        name: such as ``files.read``; the function's name if None.
        effect: ``read`` changes nothing; ``write`` changes what a person expects or can undo;
            ``dangerous`` asks a person first unless the device's policy allows it.
        idempotent: True if running it twice does no harm; None means: if its effect is ``read``.
        examples: requests in plain words that it serves; planners find it by them.
        emits: True if it puts out items for other tasks while it runs, with `Context.emit`, so that
            planners let them read along; None means: if it is an async generator.
        reads: True if it reads what other tasks put out while they run, with `Context.inputs`; None
            means: if it has a parameter of type ``AsyncIterator``.
        capacity: how many calls the device takes at once; None for the device's own limit.
        timeout_s: bound of one call unless the task has its own.
        one_of: names of parameters of which exactly one must be given.
        intent: takes the bound arguments and says what the call would do, for policy and people.

    Raises:
        SkillError: the function cannot be a skill.
    """
    if callable(name):
        raise SkillError(
            "@skill stands above a function without its parentheses.",
            remedy='Write @skill("a.name") or @skill().',
        )

    def decorate(function: Callable[P, R]) -> Skill[P, R]:
        return Skill(
            function,
            name=name or str(getattr(function, "__name__", "")),
            effect=effect,
            idempotent=idempotent,
            examples=examples,
            emits=emits,
            reads=reads,
            capacity=capacity,
            timeout_s=timeout_s,
            one_of=one_of,
            intent=intent,
        )

    return decorate


def _check(
    name: str,
    parameters: Sequence[str],
    one_of: Sequence[str],
    capacity: int | None,
    timeout_s: float | None,
) -> None:
    """Find arguments of `skill` with which it could never be called."""
    problem = ""
    if unknown := [each for each in one_of if each not in parameters]:
        problem = f"one_of: it has no parameter {unknown[0]!r}"
    elif capacity is not None and capacity < 1:
        problem = f"capacity: {capacity} calls at once are none"
    elif timeout_s is not None and not timeout_s > 0:
        problem = f"timeout_s: {timeout_s:g} s are no time"
    if problem:
        raise SkillError(
            f"The skill {name!r} is declared wrongly: {problem}.",
            remedy="Correct the arguments of @skill.",
            skill=name,
        )


class Registry:
    """The skills of a device, by name."""

    def __init__(self, skills: Iterable[AnySkill] = ()) -> None:
        self._skills: dict[str, AnySkill] = {}
        for each in skills:
            self.add(each)

    def add(self, new: AnySkill) -> None:
        """Take in a skill.

        Raises:
            SkillError: there is another one of that name.
        """
        if self._skills.setdefault(new.name, new) is not new:
            raise SkillError(
                f"There are two skills named {new.name!r}.",
                remedy="Rename one of them in its @skill(…).",
                skill=new.name,
            )

    def remove(self, name: str) -> None:
        """Forget a skill; what runs of it runs on."""
        del self._skills[name]

    def get(self, name: str) -> AnySkill | None:
        return self._skills.get(name)

    def __iter__(self) -> Iterator[AnySkill]:
        return iter(self._skills.values())

    def __len__(self) -> int:
        return len(self._skills)

    def cards(self) -> tuple[SkillCard, ...]:
        """What the device publishes."""
        return tuple(each.card for each in self)


SkillSource = Callable[[Registry, Callable[[], None]], Coroutine[Any, Any, None]]
"""Runs beside the agent until canceled; skills come into the registry and go from it, and it calls
the second argument after each change."""
