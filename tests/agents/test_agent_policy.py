"""What a device allows, asks about and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.policy import Intent, Policy, load_policy
from constellation.errors import ConfigError

POLICY = """
[effects]
write = "ask"

[skills]
"files.*" = "allow"
"files.delete" = "deny"
"python.run" = "allow"

[commands]
allow = ["ls", "git status*"]
ask = ["git push*"]
deny = ["rm", "git push --force*"]

[hosts]
allow = ["*.example.org", "localhost"]
deny = ["internal.example.org"]
"""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    file = tmp_path / "policy.toml"
    file.write_text(POLICY)
    return load_policy(file)


def runs(*commands: tuple[str, ...], opaque: bool = False, altered: bool = False) -> Intent:
    return Intent("Run it", commands=commands, opaque=opaque, altered=altered)


def test_without_rules_only_what_is_dangerous_asks() -> None:
    policy = Policy()
    assert policy.for_skill("files.read", "read").rule == "allow"
    assert policy.for_skill("files.write", "write").rule == "allow"
    assert policy.for_skill("shell.run", "dangerous").rule == "ask"


def test_the_longest_pattern_for_a_skill_counts(policy: Policy) -> None:
    assert policy.for_skill("files.write", "write").rule == "allow"
    assert policy.for_skill("files.delete", "dangerous").rule == "deny"
    assert policy.for_skill("notify.send", "write").rule == "ask"
    assert policy.for_skill("system.info", "read").rule == "allow"


@pytest.mark.parametrize(
    ("intent", "rule"),
    [
        (runs(("ls",)), "allow"),
        (runs(("ls", "-l", "/")), "allow"),
        (runs(("git", "status", "-s")), "allow"),
        (runs(("git", "push")), "ask"),
        (runs(("git", "push", "--force")), "deny"),
        (runs(("git", "commit")), "ask"),
        (runs(("rm", "-rf", "/")), "deny"),
        (runs(("/bin/rm", "x")), "deny"),
        (runs(("/tmp/ls",)), "ask"),
        (runs(("ls",), ("git", "status")), "allow"),
        (runs(("ls",), ("rm", "x")), "deny"),
        (runs(("ls",), ("make",)), "ask"),
        (runs(("ls",), opaque=True), "ask"),
        (runs(("rm",), opaque=True), "deny"),
        (runs(("ls",), altered=True), "ask"),
        (runs(opaque=True), "ask"),
    ],
)
def test_commands_are_judged_one_by_one(policy: Policy, intent: Intent, rule: str) -> None:
    assert policy.decide("shell.run", "dangerous", intent).rule == rule


def test_a_line_that_cannot_be_read_asks_even_where_the_skill_is_allowed() -> None:
    allowed = {"skills": {"shell.run": "allow"}}
    hidden = runs(("eval",), opaque=True)
    free = Policy.model_validate(allowed)
    assert free.decide("shell.run", "dangerous", hidden).rule == "allow"
    fenced = Policy.model_validate({**allowed, "commands": {"deny": ["rm"]}})
    assert fenced.decide("shell.run", "dangerous", hidden).rule == "ask"
    assert fenced.decide("shell.run", "dangerous", runs(("make",))).rule == "allow"


@pytest.mark.parametrize(
    ("host", "rule"),
    [
        ("api.example.org", "allow"),
        ("API.Example.ORG.", "allow"),
        ("localhost", "allow"),
        ("internal.example.org", "deny"),
        ("example.com", "deny"),
    ],
)
def test_hosts_are_judged(policy: Policy, host: str, rule: str) -> None:
    assert policy.decide("http.get", "read", Intent("Fetch", host=host)).rule == rule


def test_a_denied_skill_is_denied_whatever_it_would_do(policy: Policy) -> None:
    decision = policy.decide("files.delete", "dangerous", runs(("ls",)))
    assert decision.rule == "deny"
    assert "files.delete" in decision.reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[skills]\nx = 'maybe'", "skills.x: Input should be 'allow', 'ask' or 'deny'"),
        ("[skill]\nx = 'ask'", "skill: Extra inputs are not permitted"),
        ("[commands]\nallow = 'ls'", "commands.allow"),
        ("[skills", "is not TOML"),
    ],
)
def test_a_wrong_policy_is_explained(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
        load_policy(file)


def test_a_missing_policy_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_policy(tmp_path / "none.toml")


def test_in_doubt_a_person_is_asked_unless_a_rule_names_the_call() -> None:
    intent = Intent("Fetch it.", host="www.example.org")
    bare = Policy()
    for effect, told, rule in (
        ("read", None, "allow"),
        ("write", None, "ask"),
        # What is read from a host is told to it first.
        ("read", intent, "ask"),
    ):
        decision = bare.decide("some.skill", effect, told)
        assert decision.rule == "allow"
        assert decision.in_doubt(effect, told).rule == rule
    named = Policy(skills={"some.*": "allow"})
    assert named.decide("some.skill", "write", None).in_doubt("write", None).rule == "allow"
    known = Policy.model_validate({"hosts": {"allow": ["*.example.org"]}})
    assert known.decide("http.get", "read", intent).in_doubt("read", intent).rule == "allow"
    denied = Policy.model_validate({"effects": {"write": "deny"}})
    assert denied.decide("some.skill", "write", None).in_doubt("write", None).rule == "deny"
