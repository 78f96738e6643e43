"""The command line: one file for each group of commands; `main` is the entry point."""

from __future__ import annotations


def main() -> None:
    """Run the command `constellation` with the arguments of this process."""
    from .app import main as run

    run()
