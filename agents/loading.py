"""Finding skills: those that are installed, by entry point, those of a file, and MCP servers'.

A package adds skills to every agent with an entry point in the group ``constellation.skills``, and
a whole set of its own kind with one in ``constellation.agents``. Either names a skill, a module
with skills, or a function that returns them. What a file or a kind that was asked for gets wrong
ends the agent, with a reason; a package that is merely installed is left out, and the log says why.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from constellation.aip.endpoint import Guard
from constellation.errors import ConfigError, ConstellationError

from .settings import AgentSettings
from .skills import AnySkill, Registry, Skill

if TYPE_CHECKING:
    from .mcp import ToolServer

KINDS = "constellation.agents"
PLUGINS = "constellation.skills"

log = logging.getLogger("constellation.agent")


def load_skills(
    kind: str,
    files: Iterable[Path] = (),
    given: Iterable[AnySkill] = (),
    *,
    others_follow: bool = False,
) -> Registry:
    """All skills of a device.

    Args:
        kind: name of an installed set; if none has that name, only the others count.
        files: Python files.
        given: skills that are already here.
        others_follow: there may be none yet, for tool servers bring theirs.

    Raises:
        ConfigError: a file or the kind cannot be loaded, or nothing was found.
        SkillError: a skill is declared wrongly, or two have one name.
    """
    registry = Registry(given)
    for point in entry_points(group=KINDS, name=kind):
        for found in _from_entry_point(point):
            registry.add(found)
    for file in files:
        for found in load_file(file):
            registry.add(found)
    for point in entry_points(group=PLUGINS):
        try:
            for found in _from_entry_point(point):
                registry.add(found)
        except ConstellationError as error:
            log.error("The skills of %r are left out: %s", point.name, error.message)
    if not len(registry) and not others_follow:
        known = ", ".join(sorted(entry_points(group=KINDS).names)) or "none"
        raise ConfigError(
            f"There are no skills of the kind {kind!r}.",
            remedy=f"Name a file with --skills, or one of the installed kinds: {known}.",
            kind=kind,
        )
    return registry


def tool_servers(
    settings: AgentSettings, registry: Registry, changed: Callable[[], None]
) -> list[ToolServer]:
    """The MCP servers whose tools are to be skills; `ToolServer.run` has yet to be run.

    Raises:
        ConfigError: there are such, but the extra ``mcp`` is not installed.
    """
    if not settings.mcp_servers:
        return []
    try:
        from .mcp import ToolServer
    except ImportError as error:
        raise ConfigError(
            f"Tools of MCP servers need the extra 'mcp': {error}.",
            remedy="Install it: pip install 'constellation-fabric[mcp]'.",
        ) from None
    return [
        ToolServer(name, server, registry, changed) for name, server in settings.mcp_servers.items()
    ]


def load_module(file: Path) -> ModuleType:
    """A Python file of others.

    Raises:
        ConfigError: it cannot be read or run.
    """
    name = f"constellation_skills_{file.stem}"
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(
            f"{file} is no Python file.", remedy="Name a file that ends in .py.", file=str(file)
        )
    if not file.is_file():
        raise ConfigError(
            f"There is no file {file}.", remedy="Name one that is there.", file=str(file)
        )
    module = module_from_spec(spec)
    # Type hints are looked up where the module is registered.
    sys.modules[name] = module
    with contained(f"in {file}"):
        spec.loader.exec_module(module)
    return module


def load_file(file: Path) -> list[AnySkill]:
    """The skills that a Python file declares, in their order.

    Raises:
        ConfigError: the file cannot be read or run, or has no skills.
        SkillError: it declares a skill wrongly.
    """
    found = list(_in_module(load_module(file)))
    if not found:
        raise ConfigError(
            f"{file} declares no skills.",
            remedy="Put @skill(…) above a function in it.",
            file=str(file),
        )
    return found


def _from_entry_point(point: EntryPoint) -> Iterator[AnySkill]:
    what = f"{point.name!r} ({point.value})"
    with contained(what, "Install their package again, or remove it."):
        yield from list(_skills_of(point.load()))


@contextmanager
def contained(what: str, remedy: str = "Correct the file.") -> Iterator[None]:
    """Run code of others: whatever it raises becomes an error that says where, even an exit.

    Args:
        what: of whom, such as ``in arm.py``.

    Raises:
        ConfigError: it failed.
    """

    def explain(error: BaseException) -> NoReturn:
        if isinstance(error, ConstellationError):
            raise error
        last = extract_tb(error.__traceback__)[-1]
        is_theirs = "importlib" not in last.filename
        where = f" ({last.filename}, line {last.lineno})" if is_theirs else ""
        raise ConfigError(
            f"The code {what} cannot be loaded: {type(error).__name__}: {error}{where}.",
            remedy=remedy,
        ) from error

    try:
        with Guard(explain):
            yield
    except SystemExit as error:
        explain(error)


def _skills_of(named: Any) -> Iterator[AnySkill]:
    if isinstance(named, Skill):
        yield named
    elif isinstance(named, ModuleType):
        yield from _in_module(named)
    else:
        yield from named()


def _in_module(module: ModuleType) -> Iterator[AnySkill]:
    """The skills that a module declares itself, and those it imports and names in ``__all__``."""
    passed_on = vars(module).get("__all__", ())
    for name, value in vars(module).items():
        if isinstance(value, Skill) and (value.module == module.__name__ or name in passed_on):
            yield value
