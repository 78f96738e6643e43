"""The command line: one file for each group of commands; `main` is the entry point."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it; `exits.ExitCode` has the others."""


def main() -> None:
    """Run the command `constellation` with the arguments of this process."""
    try:
        from .app import main as run  # within, since Ctrl-C may come while it is imported

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
