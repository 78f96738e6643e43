"""What a person reads before allowing something."""

from __future__ import annotations

from typing import Any

import pytest

from agents.computer.files import delete
from agents.policy import Intent
from agents.prompts import approval_prompt
from agents.skills import skill


@skill("mail.send", effect="dangerous")
def send(to: str, copies: list[str], urgent: bool = False, note: str = "") -> None:
    """Send a letter; it cannot be called back. It is put into an envelope."""


@skill("mute", effect="dangerous")
def mute() -> None: ...


def test_without_words_of_its_own_the_description_and_each_argument_are_told() -> None:
    prompt = approval_prompt(send.card, send.bind({"to": "Ann", "copies": ["Bo"]}), None)
    assert prompt.splitlines() == [
        "Send a letter; it cannot be called back (mail.send)",
        "to: Ann",
        'copies: ["Bo"]',
        "urgent: no",
        "note: (empty)",
    ]
    assert approval_prompt(mute.card, {}, None) == "Do something that it does not explain (mute)"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"path": "old.log"}, "Delete 'old.log'."),
        ({"path": "cache", "recursive": True}, "Delete 'cache' with everything in it."),
    ],
)
def test_a_deletion_is_a_sentence(arguments: dict[str, Any], expected: str) -> None:
    assert delete.intent is not None
    bound = delete.bind(arguments)
    assert approval_prompt(delete.card, bound, delete.intent(**bound)) == expected


def test_nothing_in_it_acts_on_a_terminal() -> None:
    prompt = approval_prompt(mute.card, {}, Intent("Fetch \x1b[2Jhttp://a/\u202e"))
    assert prompt == "Fetch \\x1b[2Jhttp://a/\\u202e"
    assert "\x1b" not in approval_prompt(send.card, {"to": "\x1b[1A"}, None)
