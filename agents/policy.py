"""What a device allows: a TOML file of rules for skills, commands and network hosts.

::

    [effects]                     # what holds where nothing else does; these are the defaults
    read = "allow"
    write = "allow"
    dangerous = "ask"

    [skills]                      # patterns over skill names; the longest that matches counts
    "files.delete" = "allow"
    "http.*" = "ask"

    [commands]                    # patterns over the program, or over the whole command line
    allow = ["ls", "git status*", "python3 -m pytest*"]
    ask = ["git push*"]
    deny = ["rm", "shutdown"]

    [hosts]                       # patterns over host names; with `allow`, all others are refused
    allow = ["*.example.org", "localhost"]
    deny = ["169.254.*"]

``deny`` refuses, ``ask`` waits for a person's approval, ``allow`` runs. A rule on commands or
hosts goes before one on skills, ``deny`` before ``ask`` before ``allow``. In a shell line every
command is judged; a line whose commands cannot be known beforehand (substitutions, redirections)
is never allowed by a rule on commands. ``deny`` on commands guards against accidents, not against
malice: a program that is allowed may start any other.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from constellation.aip.cards import Effect
from constellation.errors import ConfigError, PermissionDenied

Rule = Literal["allow", "ask", "deny"]

_STRICTNESS: dict[Rule, int] = {"allow": 0, "ask": 1, "deny": 2}


@dataclass(frozen=True, slots=True)
class Intent:
    """What a call would do, for the policy to judge and a person to approve.

    Attributes:
        prompt: says exactly what would be done.
        commands: the programs that would be run, each with its arguments.
        opaque: True if more may be run than ``commands`` says.
        altered: True if the call changes the environment in which commands are found and run.
        host: the network host that would be contacted.
    """

    prompt: str
    commands: tuple[tuple[str, ...], ...] = ()
    opaque: bool = False
    altered: bool = False
    host: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """A rule, and the part of the policy that it comes from.

    Attributes:
        named: True if that part names the skill, command or host, and not its effect alone.
    """

    rule: Rule
    reason: str
    named: bool = True

    def in_doubt(self, effect: Effect, intent: Intent | None) -> Decision:
        """What holds if something that was read may have talked a planner into the call.

        A person is asked before it changes anything, or tells a network host anything, unless a
        rule names the skill, command or host.
        """
        tells = intent is not None and bool(intent.host)
        if self.rule == "allow" and (effect != "read" or tells) and not self.named:
            return Decision("ask", f"{self.reason} to one that names it", named=False)
        return self


@cache
def _by_effect(rule: Rule, effect: Effect) -> Decision:
    return Decision(rule, f"the rule on skills with the effect {effect!r}", named=False)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Effects(_Section):
    read: Rule = "allow"
    write: Rule = "allow"
    dangerous: Rule = "ask"


class Patterns(_Section):
    allow: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class Hosts(_Section):
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class Policy(_Section):
    """The rules of a device. Read a file with `load_policy`."""

    effects: Effects = Effects()
    skills: dict[str, Rule] = Field(default_factory=dict)
    commands: Patterns = Patterns()
    hosts: Hosts = Hosts()

    def for_skill(self, name: str, effect: Effect) -> Decision:
        """What holds for a skill, whatever its arguments."""
        if self.skills:
            matching = [pattern for pattern in self.skills if fnmatchcase(name, pattern)]
            if matching:
                pattern = max(matching, key=len)
                return Decision(self.skills[pattern], f"the rule on skills {pattern!r}")
        return _by_effect(getattr(self.effects, effect), effect)

    def decide(self, name: str, effect: Effect, intent: Intent | None) -> Decision:
        """What holds for one call."""
        decision = self.for_skill(name, effect)
        if intent is None or decision.rule == "deny":
            return decision
        if intent.host:
            decision = self.for_host(intent.host) or decision
        if intent.commands or intent.opaque:
            decision = self._for_commands(intent) or decision
        return decision

    def for_host(self, host: str) -> Decision | None:
        """What the rules on hosts say; None if they say nothing."""
        name = host.lower().rstrip(".")
        for pattern in self.hosts.deny:
            if fnmatchcase(name, pattern.lower()):
                return Decision("deny", f"the rule on hosts {pattern!r}")
        for pattern in self.hosts.allow:
            if fnmatchcase(name, pattern.lower()):
                return Decision("allow", f"the rule on hosts {pattern!r}")
        if self.hosts.allow:
            return Decision("deny", "the list of allowed hosts")
        return None

    def _for_commands(self, intent: Intent) -> Decision | None:
        decisions = [self._for_command(command, intent) for command in intent.commands]
        stated = [decision for decision in decisions if decision is not None]
        strictest = max(stated, key=lambda decision: _STRICTNESS[decision.rule], default=None)
        if strictest is not None and strictest.rule != "allow":
            return strictest
        if intent.opaque and self.commands.deny:
            return Decision("ask", "the rules on commands: what would be run cannot be known")
        if intent.opaque or None in decisions:
            return None
        return strictest

    def _for_command(self, command: Sequence[str], intent: Intent) -> Decision | None:
        said = _forms(command[0], command)
        # Who denies "rm" means /bin/rm as well; who allows "ls" does not mean /tmp/ls.
        meant = said | _forms(PurePath(command[0]).name, command)
        for pattern in self.commands.deny:
            if _any_match(meant, pattern):
                return Decision("deny", f"the rule on commands {pattern!r}")
        for pattern in self.commands.ask:
            if _any_match(meant, pattern):
                return Decision("ask", f"the rule on commands {pattern!r}")
        for pattern in self.commands.allow:
            if not intent.altered and _any_match(said, pattern):
                return Decision("allow", f"the rule on commands {pattern!r}")
        return None


def _forms(program: str, command: Sequence[str]) -> frozenset[str]:
    return frozenset({program, " ".join((program, *command[1:]))})


def _any_match(forms: frozenset[str], pattern: str) -> bool:
    return any(fnmatchcase(form, pattern) for form in forms)


def refusal(skill: str, decision: Decision) -> PermissionDenied:
    """What is said where the policy denies a call."""
    return PermissionDenied(
        f"This device does not allow {skill} with these arguments: {decision.reason}.",
        remedy="Change the device's policy file, or ask another device.",
        skill=skill,
    )


def load_policy(file: Path) -> Policy:
    """Read a policy file.

    Raises:
        ConfigError: names the file, the place in it and what is wrong there.
    """
    try:
        return Policy.model_validate(tomllib.loads(file.read_text()))
    except OSError as error:
        raise ConfigError(
            f"The policy {file} cannot be read: {error.strerror}.",
            remedy="Name a readable file with --policy.",
            file=str(file),
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"{file}: {key}: {first['msg']}.",
            remedy='A rule is "allow", "ask" or "deny".',
            file=str(file),
            key=key,
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{file} is not TOML: {error}.", remedy="Mend that line.", file=str(file)
        ) from None
