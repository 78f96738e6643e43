"""Run the benches of the performance pages anew and put what they print in its place.

Each table of a page stands in a block that follows the command it comes from::

    <!-- python -m bench graph -->
    ```text
    …
    ```

Give the names of benches to run only those. A block whose command fails is left as it is.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGES = tuple(HERE / f"performance{each}.md" for each in ("", "-scheduling", "-robot", "-voice"))
_BLOCK = re.compile(
    r"<!-- python (?P<command>-m bench (?P<name>\w+)[^>]*?) -->\n```text\n.*?```", re.DOTALL
)


def measured(block: re.Match[str], wanted: list[str]) -> str:
    """A block with what its command prints now; as it is if it is not wanted."""
    command = block["command"]
    if wanted and block["name"] not in wanted:
        return block[0]
    sys.stderr.write(f"python {command}\n")
    done = subprocess.run(
        [sys.executable, *command.split()],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        # Such as one for which this machine lacks something.
        sys.stderr.write(f"{done.stderr.strip()}\nIts table is left as it is.\n")
        return block[0]
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return f"<!-- python {command} -->\n```text\n{text}\n```"


def main(wanted: list[str]) -> None:
    """Measure block by block, and keep each result as soon as there is one."""
    for page in PAGES:
        for block in list(_BLOCK.finditer(page.read_text())):
            found = measured(block, wanted)
            # Read again, for it takes minutes.
            page.write_text(page.read_text().replace(block[0], found))


if __name__ == "__main__":
    main(sys.argv[1:])
