"""The server that real UFO³ device clients dial: their tools become skills of this device."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import anyio
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from constellation.errors import ConfigError, RemoteProtocolError, SkillError

from ..skills import Registry
from .device import ToolDevice
from .messages import ClientMessage, ServerMessage, read, stamp
from .tools import make_skill

MAX_FRAME_BYTES = 100 * 1024 * 1024
REGISTER_S = 10.0
# More skills do not fit on a card.
MAX_SKILLS = 512

log = logging.getLogger("constellation.agent")


class Gateway:
    """Takes UFO³ devices in; the skills of one are there as long as it is connected.

    Args:
        host, port: where to listen; port 0 takes a free one.
        token: what a device must show as ``?token=``.
        listening: called with the port when devices can come.

    Attributes:
        devices: those that are connected, by id.
    """

    def __init__(
        self,
        host: str,
        port: int,
        token: str,
        listening: Callable[[int], None] = lambda port: None,
    ) -> None:
        self.devices: dict[str, ToolDevice] = {}
        self._host = host
        self._port = port
        self._token = token.encode()
        self._listening = listening

    async def run(self, registry: Registry, changed: Callable[[], None]) -> None:
        """Serve until canceled; see `agents.skills.SkillSource`.

        Raises:
            ConfigError: the address cannot be listened at.
        """

        async def serve_one(connection: ServerConnection) -> None:
            try:
                await self._serve(connection, registry, changed)
            except ConnectionClosed:
                return

        try:
            server = await serve(
                serve_one,
                self._host,
                self._port,
                process_request=self._admit,
                max_size=MAX_FRAME_BYTES,
            )
        except OSError as error:
            raise ConfigError(
                f"UFO³ devices cannot be awaited at {self._host}:{self._port}: {error.strerror}.",
                remedy="Choose another address with --listen.",
            ) from None
        async with server:
            self._listening(server.sockets[0].getsockname()[1])
            await anyio.sleep_forever()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        url = urlsplit(request.path)
        shown = parse_qs(url.query).get("token", [""])[0]
        if url.path == "/ws" and hmac.compare_digest(shown.encode(), self._token):
            return None
        return connection.respond(HTTPStatus.FORBIDDEN, "")

    async def _serve(
        self, connection: ServerConnection, registry: Registry, changed: Callable[[], None]
    ) -> None:
        device = await self._register(connection)
        if device is None:
            return
        self.devices[device.id] = device
        published: list[str] = []
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._publish, device, registry, changed, published)
                async for frame in connection:
                    answer = device.received(frame)
                    if answer is not None:
                        await device.send(answer)
                tasks.cancel_scope.cancel()
        finally:
            del self.devices[device.id]
            device.lost()
            for name in published:
                registry.remove(name)
            if published:
                changed()
            log.info("The UFO³ device %s is gone.", device.id)

    async def _register(self, connection: ServerConnection) -> ToolDevice | None:
        """The device at the other end; None if it is none. A bad first frame gets no answer."""
        try:
            with anyio.fail_after(REGISTER_S):
                first = read(ClientMessage, await connection.recv())
        except (TimeoutError, RemoteProtocolError):
            return None
        if first.type != "register" or not first.client_id:
            return None
        if first.client_type != "device":
            problem = "Only devices may register here"
        elif first.client_id in self.devices:
            problem = f"client_id {first.client_id!r} is already registered"
        else:
            device = ToolDevice(first.client_id, first.metadata or {}, connection)
            await device.send(ServerMessage(type="heartbeat", status="ok"))
            # The greeting was sent with others at the door: who came first has the name.
            if device.id not in self.devices:
                return device
            problem = f"client_id {first.client_id!r} is already registered"
        refusal = ServerMessage(
            type="error",
            status="error",
            error=problem,
            timestamp=stamp(time.time()),
            response_id=str(uuid4()),
        )
        await connection.send(refusal.model_dump_json())
        return None

    async def _publish(
        self,
        device: ToolDevice,
        registry: Registry,
        changed: Callable[[], None],
        published: list[str],
    ) -> None:
        """Make skills of a device's tools."""
        for tool in await device.tools():
            try:
                skill = make_skill(device.id, tool, device.call)
                if len(registry) == MAX_SKILLS:
                    log.warning("%s is left out: there are %d already.", skill.name, MAX_SKILLS)
                    break
                registry.add(skill)
                published.append(skill.name)
            except SkillError as error:
                log.warning("%s", error)
        changed()
        log.info("The UFO³ device %s came with %d skills.", device.id, len(published))


def describe(gateway: Gateway) -> list[dict[str, Any]]:
    """The devices that are connected, as plain data; what they say of themselves is theirs."""
    return [{"id": each.id, "system_info": each.system_info} for each in gateway.devices.values()]
