"""The body of ``hello``, read once for each connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictInt, ValidationError

from constellation.errors import RemoteProtocolError

from .cards import DeviceCard


class ResumeToken(BaseModel):
    """Names a session and proves that it is one's own."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1, max_length=128)
    token: SecretStr = Field(max_length=256)


class PairingOffer(BaseModel):
    """A pairing code in a hello."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: str = Field(min_length=1, max_length=64)


class Hello(BaseModel):
    """The body of ``hello``, read at the edge."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: tuple[StrictInt, ...]
    role: str = Field(pattern=r"^(device|client)$")
    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    card: DeviceCard | None = None
    credential: SecretStr | None = None
    pair: PairingOffer | None = None
    session: ResumeToken | None = None
    received: StrictInt = Field(default=0, ge=0)
    limits: dict[str, Any] | None = None
    running: tuple[str, ...] = Field(default=(), max_length=100_000)
    held: tuple[str, ...] = Field(default=(), max_length=100_000)

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Hello:
        """Read a hello.

        Raises:
            RemoteProtocolError: names the field that is wrong.
        """
        version = body.get("version")
        try:
            return cls.model_validate(
                {**body, "version": [version] if type(version) is int else version}
            )
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise RemoteProtocolError(f"hello: {where}: {first['msg']}.", field=where) from None
