"""`http.*` against a real server on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest

from agents.computer import http
from agents.errors import HttpFailed
from agents.policy import Policy
from agents.testing import Trial
from constellation.errors import PermissionDenied, SkillError, TaskTimedOut

pytestmark = pytest.mark.anyio


class Handler(BaseHTTPRequestHandler):
    released = threading.Event()

    def do_GET(self) -> None:
        match self.path:
            case "/json":
                self.answer(200, b'{"temperature": 21}', "application/json; charset=utf-8")
            case "/away":
                self.send_response(302)
                self.send_header(
                    "location", f"http://localhost:{self.server.server_address[1]}/json"
                )
                self.end_headers()
            case "/slow":
                self.released.wait(20)
            case "/drip":
                self.send_response(200)
                self.send_header("content-length", "100000")
                self.end_headers()
                with suppress(OSError):  # they hung up
                    while not self.released.wait(0.02):
                        self.wfile.write(b"x")
            case "/large":
                self.answer(200, b"x" * 10_000)
            case "/latin":
                self.answer(200, "é".encode("latin-1"), "text/plain; charset=latin-1")
            case _:
                self.answer(404, b"nothing here")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        seen = {
            "body": body.decode(),
            "type": self.headers["content-type"],
            "extra": self.headers["x-extra"],
        }
        self.answer(201, json.dumps(seen).encode(), "application/json")

    def answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Handler.released.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        Handler.released.set()
        server.shutdown()
        thread.join()


async def test_get_returns_body_and_data(trial: Trial, url: str) -> None:
    answer = await trial.run(http.get, url=f"{url}/json")
    assert answer["status"] == 200
    assert answer["body"] == '{"temperature": 21}'
    assert answer["json"] == {"temperature": 21}
    assert answer["content_type"].startswith("application/json")
    assert answer["headers"]["content-length"] == "19"
    latin = await trial.run(http.get, url=f"{url}/latin")
    assert latin["body"] == "é"
    assert latin["json"] is None


async def test_post_sends_text_or_data(trial: Trial, url: str) -> None:
    answer = await trial.run(
        http.request, url=url, method="POST", body={"a": 1}, headers={"x-extra": "yes"}
    )
    assert answer["status"] == 201
    assert answer["json"] == {"body": '{"a": 1}', "type": "application/json", "extra": "yes"}
    plain = await trial.run(http.request, url=url, method="POST", body="x=1")
    assert plain["json"]["type"] == "text/plain; charset=utf-8"


async def test_an_error_status_is_a_failure_unless_it_is_not_checked(
    trial: Trial, url: str
) -> None:
    with pytest.raises(HttpFailed, match="answered 404") as caught:
        await trial.run(http.get, url=f"{url}/none")
    assert caught.value.details["body"] == "nothing here"
    assert (await trial.run(http.get, url=f"{url}/none", check=False))["status"] == 404


async def test_a_large_body_is_cut(trial: Trial, url: str) -> None:
    answer = await trial.run(http.get, url=f"{url}/large", max_bytes=100)
    assert (len(answer["body"]), answer["truncated"]) == (100, True)


async def test_a_server_that_answers_a_byte_at_a_time(trial: Trial, url: str) -> None:
    with anyio.fail_after(100), pytest.raises(TaskTimedOut, match=r"within 0\.2 s"):
        await trial.run(http.get, url=f"{url}/drip", timeout_s=0.2)


def test_an_address_that_cannot_be_read_is_the_callers_fault() -> None:
    assert http.get.intent is not None
    with pytest.raises(SkillError, match="cannot be asked: Invalid IPv6 URL"):
        http.get.intent(**http.get.bind({"url": "http://[oops/"}))


async def test_a_server_that_does_not_answer(trial: Trial, url: str) -> None:
    with pytest.raises(TaskTimedOut, match=r"within 0\.2 s"):
        await trial.run(http.get, url=f"{url}/slow", timeout_s=0.2)


async def test_a_server_that_is_not_there(trial: Trial) -> None:
    with pytest.raises(HttpFailed, match="cannot be reached"):
        await trial.run(http.get, url="http://127.0.0.1:9")
    for wrong in ("ftp://host", "http://", "nonsense"):
        with pytest.raises(SkillError, match="url"):
            await trial.run(http.get, url=wrong)


async def test_redirects_stay_within_the_policy(trial: Trial, url: str, root: object) -> None:
    answer = await trial.run(http.get, url=f"{url}/away")
    assert answer["url"].startswith("http://localhost")
    fenced = Trial(policy=Policy.model_validate({"hosts": {"allow": ["127.0.0.1"]}}))
    with pytest.raises(PermissionDenied, match="may not contact localhost"):
        await fenced.run(http.get, url=f"{url}/away")


def test_the_intent_names_host_and_body() -> None:
    assert http.get.intent is not None
    bound = http.get.bind({"url": "https://Example.org:8/x"})
    assert http.get.intent(**bound).host == "example.org"
    assert http.request.intent is not None
    bound = http.request.bind({"url": "http://a/b", "method": "PUT", "body": {"k": 1}})
    assert http.request.intent(**bound).prompt == 'Send PUT to http://a/b with the body:\n{"k": 1}'
