"""A device in plain Python, written from docs/protocol.md alone: a websocket library and JSON.

    python tiny_device.py ws://127.0.0.1:8470/aip CODE-FROM-PAIR tiny

It resumes its session after a cut, keeps each result until the hub has secured it, and never runs
an attempt twice. Its credential lies in ``NAME.token``.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

SKILLS = {
    "tiny.echo": lambda arguments: {"text": str(arguments.get("text", ""))},
    "tiny.add": lambda arguments: {"sum": arguments["a"] + arguments["b"]},
}


def card(name):
    number = {"type": "number"}
    return {
        "name": name,
        "kind": "tiny",
        "capacity": 2,
        "skills": [
            {
                "name": "tiny.echo",
                "description": "Say a text back.",
                "effect": "read",
                "idempotent": True,
                "input": {"type": "object", "properties": {"text": {"type": "string"}}},
            },
            {
                "name": "tiny.add",
                "description": "Add two numbers.",
                "effect": "read",
                "idempotent": True,
                "input": {
                    "type": "object",
                    "properties": {"a": number, "b": number},
                    "required": ["a", "b"],
                },
            },
        ],
    }


class Device:
    def __init__(self, name, code):
        self.name, self.code = name, code
        self.token_file = Path(f"{name}.token")
        self.session = None  # {"id", "token"} of the welcome
        self.received = 0  # the last numbered message of the hub, which is secured here too
        self.sent = 0
        self.unsecured = {}  # our numbered messages that the hub has not acknowledged
        self.seen = set()  # attempts that were given to us

    async def serve(self, url):
        wait = 0.1
        while True:
            try:
                async with connect(url, subprotocols=["aip.v1+json"], compression=None) as socket:
                    await self.greet(socket)
                    wait = 0.1
                    async for frame in socket:
                        await self.take(socket, json.loads(frame))
            except (OSError, EOFError, WebSocketException) as error:
                code = getattr(getattr(error, "rcvd", None), "code", None)
                if code in (4001, 4002, 4005, 4006):
                    raise SystemExit(f"the hub does not want us: {error}") from None
            await asyncio.sleep(wait)
            wait = min(wait * 2, 30.0)

    async def greet(self, socket):
        hello = {"version": [1], "role": "device", "name": self.name, "card": card(self.name)}
        hello["received"] = self.received
        if self.token_file.exists():
            hello["credential"] = self.token_file.read_text()
        else:
            hello["pair"] = {"code": self.code}
        if self.session:
            hello["session"] = self.session
        # What we hold will be handed in, whether the session goes on or not.
        hello["held"] = [body["attempt"] for _, body in self.unsecured.values()]
        await socket.send(json.dumps([0, ["hello", 0, hello]]))
        _, (kind, _, welcome), *more = json.loads(await socket.recv())
        if kind != "welcome":
            raise SystemExit(f"refused: {welcome.get('message')}")
        self.session = welcome["session"]
        if welcome.get("credential"):
            self.token_file.touch(0o600)
            self.token_file.write_text(welcome["credential"])
        if not welcome["resumed"]:
            held = [message for _, message in sorted(self.unsecured.items())]
            self.received, self.sent, self.unsecured, self.seen = 0, 0, {}, set()
            for kind, body in held:
                self.number(kind, body)
        again = [n for n in sorted(self.unsecured) if n > welcome["received"]]
        await self.send(socket, [[*self.unsecured[n][:1], n, self.unsecured[n][1]] for n in again])
        await self.take(socket, [0, *more])

    def number(self, kind, body):
        self.sent += 1
        self.unsecured[self.sent] = (kind, body)
        return [kind, self.sent, body]

    async def send(self, socket, messages):
        await socket.send(json.dumps([self.received, *messages]))

    async def take(self, socket, frame):
        ack, *messages = frame
        for number in [n for n in self.unsecured if n <= ack]:
            del self.unsecured[number]
        answers = []
        for kind, number, body in messages:
            if number:
                if number <= self.received:
                    continue
                self.received = number
            if kind == "ping":
                now = time.time()
                answers.append(["pong", 0, {"t0": body["t0"], "t1": now, "t2": now}])
            elif kind == "assign" and body["attempt"] not in self.seen:
                self.seen.add(body["attempt"])
                answers.append(self.number(*self.run(body)))
        if messages:
            await self.send(socket, answers)

    def run(self, body):
        attempt, skill = body["attempt"], SKILLS.get(body["skill"])
        if skill is None:
            error = {"code": "task.rejected", "message": f"There is no skill {body['skill']}."}
            return "reject", {"attempt": attempt, "error": error}
        try:
            output = skill(body["arguments"])
        except (KeyError, TypeError) as problem:
            error = {"code": "task.failed", "message": f"Bad arguments: {problem!r}."}
            return "result", {"attempt": attempt, "state": "failed", "error": error}
        return "result", {"attempt": attempt, "state": "completed", "output": output}


if __name__ == "__main__":
    _, url, code, name = sys.argv
    asyncio.run(Device(name, code).serve(url))
