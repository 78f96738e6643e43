"""The interface in a browser: a real server, asked by whom it may serve and by whom it may not."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

pytest.importorskip("textual_serve")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def tui(state: Path, port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "constellation.cli", "tui", "--serve", "--port", str(port)]
    return subprocess.Popen(
        [*command, "--state-dir", str(state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address that it says."""
    with tui(tmp_path_factory.mktemp("state"), free_port()) as process:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("Open ").strip()
        process.terminate()


def status(url: str, **headers: str) -> int:
    try:
        with urlopen(Request(url, headers=headers)) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def origin(url: str) -> str:
    return url.partition("/?")[0]


def cookie(url: str) -> str:
    with urlopen(url) as page:
        found = page.headers["Set-Cookie"]
    assert "HttpOnly" in found
    assert "SameSite=Strict" in found
    return str(found.partition(";")[0])


@contextmanager
def interface(url: str, **headers: str) -> Iterator[ClientConnection]:
    address = origin(url).replace("http", "ws") + "/ws?width=100&height=30"
    with connect(address, additional_headers=headers) as connection:
        yield connection


def test_who_has_the_address_gets_the_page(served: str) -> None:
    assert status(served) == 200
    assert status(origin(served)) == 403
    assert status(f"{origin(served)}/?key=guessed") == 403
    assert status(served, Host="evil.example") == 403
    assert status(f"{origin(served)}/download/x") == 403


def test_the_page_gets_the_interface(served: str) -> None:
    with interface(served, Cookie=cookie(served), Origin=origin(served)) as connection:
        seen = b""
        while b"No hub" not in seen:
            part = connection.recv(timeout=100)
            seen += part.encode() if isinstance(part, str) else part


@pytest.mark.parametrize("wrong", ["no cookie", "no origin", "another page"])
def test_other_pages_do_not(served: str, wrong: str) -> None:
    headers = {"Cookie": cookie(served), "Origin": origin(served)}
    match wrong:
        case "no cookie":
            del headers["Cookie"]
        case "no origin":
            del headers["Origin"]
        case _:
            headers["Origin"] = "http://127.0.0.1:1"
    with pytest.raises(InvalidStatus) as caught, interface(served, **headers):
        pass
    assert caught.value.response.status_code == 403


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with tui(tmp_path, port) as process:
            _, said = process.communicate(timeout=100)
    assert process.returncode == 2
    assert f"Port {port} cannot be used" in said
