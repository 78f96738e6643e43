"""What processes say of themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

SAYS = """
import logging
from constellation.config import load_settings
from constellation.logs import log_to_stderr

log_to_stderr(load_settings().log_format)
log = logging.getLogger("constellation.agent")
log.info("%s is über the moon.\\nTruly.", "desk")
logging.getLogger("websockets.server").info("connection open")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("It broke.")
"""


def said(home: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SAYS],
        env={**os.environ, "XDG_CONFIG_HOME": str(home), **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=True,
    )
    return done.stderr.splitlines()


def test_people_read_sentences(tmp_path: Path) -> None:
    lines = said(tmp_path)
    assert lines[:3] == ["desk is über the moon.", "Truly.", "It broke."]
    assert lines[-1].startswith("ZeroDivisionError")


def test_machines_read_an_object_a_line(tmp_path: Path) -> None:
    first, second = map(json.loads, said(tmp_path, CONSTELLATION_LOG_FORMAT="json"))
    assert first["message"] == "desk is über the moon.\nTruly."
    assert (first["level"], first["logger"]) == ("info", "constellation.agent")
    assert datetime.fromisoformat(first["time"]).tzinfo is not None
    assert "exception" not in first
    assert second["level"] == "error"
    assert second["exception"].endswith("ZeroDivisionError: division by zero")


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        said(tmp_path, CONSTELLATION_LOG_FORMAT="xml")
    assert "log_format" in caught.value.stderr
