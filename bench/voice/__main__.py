"""`python -m bench.voice packages`: what to install for the bench."""

from __future__ import annotations

import typer

from .speakers import BABBLE, TEST

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """What belongs to the bench of the voice agent."""


@app.command()
def packages() -> None:
    """Print the Debian packages that have the recordings, a line each."""
    for package in sorted({place.package for place in (*TEST.values(), *BABBLE.values())}):
        print(package)


if __name__ == "__main__":
    app(prog_name="python -m bench.voice")
