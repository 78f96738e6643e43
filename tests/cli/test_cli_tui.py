"""The command `tui` where there is no terminal; tests/tui has the rest."""

from __future__ import annotations

from cli_terminal import Terminal


def test_without_a_terminal_it_says_so_at_once(alone: Terminal) -> None:
    assert "needs a terminal" in alone.run("tui", exits=2).stderr
