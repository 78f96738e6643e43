"""A hub elsewhere that this machine's user has joined: `constellation join` keeps it.

What the commands then find is that hub, as if it stood in the settings, until `constellation
leave`.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, SecretStr, ValidationError, field_serializer

from .aip.private_files import write_private
from .errors import ConfigError

JOINED_FILE = "joined.json"


class JoinedHub(BaseModel):
    """What joining left in the state directory, in a file for its owner only (0600).

    Attributes:
        url: the hub's address.
        name: of our credential.
        token: the credential.
        authority: the one authority trusted, as PEM; None for those of the system.
    """

    url: str
    name: str
    token: SecretStr
    authority: str | None = None

    @field_serializer("token", when_used="json")
    def _in_the_clear(self, token: SecretStr) -> str:
        return token.get_secret_value()

    def keep(self, state_dir: Path) -> None:
        """Write the file, which must not be lost: it is the only copy of the credential."""
        write_private(state_dir / JOINED_FILE, self.model_dump_json().encode())

    @classmethod
    def find(cls, state_dir: Path) -> JoinedHub | None:
        """The hub that was joined, or None.

        Raises:
            ConfigError: the file is there but cannot be used.
        """
        path = state_dir / JOINED_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValidationError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not what joining writes"
            raise ConfigError(
                f"{path} cannot be used: {reason}.",
                remedy="Leave the hub with `constellation leave`, and join it again.",
                file=str(path),
            ) from None
