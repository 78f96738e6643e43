"""A device inside a program of your own: no command, no files with skills.

Pair it once: `python examples/own_process.py ws://127.0.0.1:8470/aip K7QX-93FM`.
Afterwards the credential is kept, and the address alone will do.
"""

from __future__ import annotations

import sys
from pathlib import Path

from agents.service import serve
from agents.settings import AgentSettings
from agents.skills import skill

visits = 0


@skill("door.count", effect="read", examples=["how many people came in"])
def count() -> dict[str, int]:
    """Tell how many people came in."""
    return {"visits": visits}


def main(hub: str, code: str | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; return the exit code."""
    settings = AgentSettings(
        hub=hub,
        name="door",
        kind="door",
        pair=code,
        state_dir=Path.home() / ".local/state/constellation",
        labels={"room": "hall"},
    )
    return serve(settings, skills=[count], ready=lambda: print("The door is connected."))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if sys.argv[1:] else __doc__)
