"""A device in plain Python, written from docs/protocol.md alone: a websocket library and JSON.

    python tiny_device.py ws://127.0.0.1:8470/aip CODE-FROM-PAIR tiny

It resumes its session after a cut, keeps each result until the hub has secured it, never runs an
attempt twice, and stops what it is told to. Its credential lies in ``NAME.token``.
"""

import asyncio
import json
import sys
import time
from contextlib import suppress
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException


async def echo(text):
    return {"text": str(text)}


async def add(a, b, after_s=0):
    await asyncio.sleep(after_s)
    return {"sum": a + b}


FINAL = (4001, 4002, 4005, 4006)  # close codes after which dialing again is of no use
NUMBER, TEXT = {"type": "number"}, {"type": "string"}
SKILLS = {
    "tiny.echo": (echo, "Say a text back.", {"text": TEXT}),
    "tiny.add": (add, "Add two numbers.", {"a": NUMBER, "b": NUMBER}),
}


def card(name):
    skills = []
    for skill, (_, description, fields) in SKILLS.items():
        about = {"name": skill, "description": description, "effect": "read", "idempotent": True}
        schema = {"type": "object", "properties": fields, "required": list(fields)}
        skills.append({**about, "input": schema})
    return {"name": name, "kind": "tiny", "capacity": 2, "skills": skills}


class Device:
    def __init__(self, name, code):
        self.name, self.code = name, code
        self.token_file = Path(f"{name}.token")
        self.socket = None  # while a session is open on it
        self.session = None  # {"id", "token"} of the welcome
        self.received = 0  # the last numbered message of the hub, which is secured here too
        self.sent = 0
        self.unsecured = {}  # our numbered messages that the hub has not acknowledged
        self.seen = set()  # attempts that were given to us
        self.running = {}  # those that run, and what runs them

    async def serve(self, url):
        pause = 0.1
        while True:
            try:
                async with connect(url, subprotocols=["aip.v1+json"], compression=None) as socket:
                    silence = 3 * await self.greet(socket)
                    pause = 0.1
                    while True:
                        async with asyncio.timeout(silence):
                            frame = await socket.recv()
                        await self.take(*json.loads(frame))
            except (OSError, EOFError, WebSocketException) as error:  # a timeout is an OSError
                if getattr(getattr(error, "rcvd", None), "code", None) in FINAL:
                    raise SystemExit(f"the hub does not want us: {error}") from None
            self.socket = None
            await asyncio.sleep(pause)
            pause = min(pause * 2, 30.0)

    async def greet(self, socket):
        """Open the session or resume it; return how often the hub is to be heard, seconds."""
        hello = {"version": [1], "role": "device", "name": self.name, "card": card(self.name)}
        hello |= {"received": self.received, "running": list(self.running), "session": self.session}
        hello["held"] = [body["attempt"] for _, _, body in self.unsecured.values()]
        if self.token_file.exists():
            hello["credential"] = self.token_file.read_text()
        else:
            hello["pair"] = {"code": self.code}
        await socket.send(json.dumps([0, ["hello", 0, hello]]))
        ack, (kind, _, welcome), *more = json.loads(await socket.recv())
        if kind != "welcome":
            raise SystemExit(f"refused: {welcome.get('message')}")
        self.session = welcome["session"]
        if welcome.get("credential"):
            self.token_file.touch(0o600)
            self.token_file.write_text(welcome["credential"])
        if not welcome["resumed"]:
            held, self.unsecured, self.received, self.sent = self.unsecured, {}, 0, 0
            for kind, _, body in held.values():
                self.number(kind, body)
        self.socket = socket
        await self.send(*(m for n, m in self.unsecured.items() if n > welcome["received"]))
        await self.take(ack, *more)
        return welcome["heartbeat_s"]

    def number(self, kind, body):
        self.sent += 1
        return self.unsecured.setdefault(self.sent, [kind, self.sent, body])

    async def send(self, *messages):
        if self.socket is not None:
            await self.socket.send(json.dumps([self.received, *messages]))

    async def take(self, ack, *messages):
        self.unsecured = {n: message for n, message in self.unsecured.items() if n > ack}
        answers = []
        for kind, number, body in messages:
            if number and number <= self.received:
                continue
            self.received = number or self.received
            if kind == "ping":
                now = time.time()
                answers.append(["pong", 0, {"t0": body["t0"], "t1": now, "t2": now}])
            elif kind == "assign" and body["attempt"] not in self.seen:
                self.seen.add(body["attempt"])
                if body["skill"] in SKILLS:
                    self.running[body["attempt"]] = asyncio.create_task(self.run(**body))
                else:
                    error = {"code": "task.rejected", "message": "There is no such skill."}
                    refusal = {"attempt": body["attempt"], "error": error}
                    answers.append(self.number("reject", refusal))
            elif kind == "cancel" and body["attempt"] in self.running:
                # Soon, not now: it is to have begun, so that it says how it ended.
                asyncio.get_running_loop().call_soon(self.running[body["attempt"]].cancel)
        if messages:
            await self.send(*answers)

    async def run(self, attempt, skill, arguments, **_):
        try:
            result = {"state": "completed", "output": await SKILLS[skill][0](**arguments)}
        except asyncio.CancelledError:
            result = {"state": "canceled"}
        except TypeError as problem:
            error = {"code": "task.failed", "message": f"Bad arguments: {problem}."}
            result = {"state": "failed", "error": error}
        del self.running[attempt]
        with suppress(WebSocketException):  # then it is said again after the next hello
            await self.send(self.number("result", {"attempt": attempt, **result}))


if __name__ == "__main__":
    _, url, code, name = sys.argv
    asyncio.run(Device(name, code).serve(url))
