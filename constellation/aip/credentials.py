"""Bearer credentials, and the file that they are checked against.

A token is ``cst_<id>_<secret>`` with 256 random bits. Only the SHA-256 of the secret is kept: a
plain hash is enough, because nobody can guess that many bits. Times are Unix seconds and are passed
in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from constellation.errors import AuthenticationError, ConfigError

from .identity import Identity, Kind
from .private_files import write_private
from .scope import UNLIMITED, Scope

_PREFIX = "cst"
_NOTHING = hashlib.sha256(b"").hexdigest()


class Credential(BaseModel):
    """What is kept of a credential: everything but its secret.

    Attributes:
        id: names it in its token.
        name: unique in a store.
        kind: what it permits.
        sha256: of the secret, in hexadecimal.
        created_at: Unix seconds; set anew when it is rotated.
        expires_at: when it ends to be accepted; None for never.
        scope: what it may be used for beyond what its kind says; of an admin, anything.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    kind: Kind
    sha256: str
    created_at: float
    expires_at: float | None = None
    scope: Scope = UNLIMITED


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    credentials: list[Credential] = []


_FILE = TypeAdapter(_File)


class CredentialStore:
    """Credentials in a JSON file for its owner only (0600), replaced as a whole at each change.

    Changes are rare and small, so they are written and synced before the call returns.

    Args:
        path: the file; missing means empty.

    Raises:
        ConfigError: the file is there and cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._watchers: list[Callable[[str], None]] = []
        self._by_id: dict[str, Credential] = {}
        self._by_name: dict[str, Credential] = {}
        self._replace({credential.id: credential for credential in _load(path)})

    def list(self) -> tuple[Credential, ...]:
        """All of them, the oldest first."""
        return tuple(self._by_id.values())

    def find(self, name: str) -> Credential | None:
        """The credential of that name."""
        return self._by_name.get(name)

    def scope(self, name: str) -> Scope | None:
        """What the credential of that name may be used for; None if there is none."""
        found = self._by_name.get(name)
        if found is None:
            return None
        return UNLIMITED if found.kind == "admin" else found.scope

    def issue(
        self,
        name: str,
        kind: Kind,
        now: float,
        *,
        expires_at: float | None = None,
        scope: Scope | None = None,
    ) -> tuple[Identity, str]:
        """Make a credential; one of the same name and kind is replaced and so revoked.

        Args:
            scope: what it may be used for; None for what the one that it replaces was, else any.

        Returns:
            the identity, and the token, which is shown this once.

        Raises:
            ConfigError: the name belongs to a credential of another kind.
        """
        older = self.find(name)
        if older is not None and older.kind != kind:
            raise ConfigError(
                f"There is already a {older.kind} credential named {name}.",
                remedy="Choose another name, or revoke that one.",
                name=name,
            )
        if older is not None:
            del self._by_id[older.id]
            scope = scope or older.scope
        identity = Identity(name, kind, secrets.token_hex(6), expires_at)
        token = self._keep(identity, now, scope or UNLIMITED)
        if older is not None:
            self._tell(older.id)
        return identity, token

    def rotate(self, name: str, now: float) -> str:
        """Give a credential a new secret; return its token. Sessions that are open stay open.

        Raises:
            ConfigError: there is none of that name.
        """
        old = self._known(name)
        return self._keep(Identity(name, old.kind, old.id, old.expires_at), now, old.scope)

    def restrict(self, name: str, scope: Scope) -> None:
        """Change what a credential may be used for; it holds at once, for open sessions too.

        Raises:
            ConfigError: there is none of that name, or it is an admin's.
        """
        old = self._known(name)
        if old.kind == "admin":
            raise ConfigError(
                f"{name} is an admin, and may do anything.",
                remedy="Pair a client for whoever shall do less.",
                name=name,
            )
        self._put(old.model_copy(update={"scope": scope}))
        self._save()

    def _known(self, name: str) -> Credential:
        found = self.find(name)
        if found is None:
            raise ConfigError(f"There is no credential named {name}.", name=name)
        return found

    def revoke(self, name: str) -> bool:
        """Forget a credential; sessions opened with it are closed. False if there was none."""
        credential = self.find(name)
        if credential is None:
            return False
        del self._by_id[credential.id], self._by_name[name]
        self._save()
        self._tell(credential.id)
        return True

    def verify(self, token: str, now: float) -> Identity:
        """Whose token this is. Takes the same time whatever part of a token is wrong.

        Raises:
            AuthenticationError: unknown, expired or revoked.
        """
        prefix, _, rest = token.partition("_")
        identifier, _, secret = rest.partition("_")
        credential = self._by_id.get(identifier)
        kept = _NOTHING if credential is None else credential.sha256
        matches = hmac.compare_digest(_digest(secret), kept)
        if credential is None or not matches or prefix != _PREFIX:
            raise AuthenticationError(
                "The hub does not know this credential.",
                remedy="It may have been revoked: pair again.",
            )
        if credential.expires_at is not None and now >= credential.expires_at:
            raise AuthenticationError("This credential has expired.", remedy="Pair again.")
        return Identity(credential.name, credential.kind, credential.id, credential.expires_at)

    def on_revoked(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Have the id of each credential that is revoked told; returns how to stop that."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def _keep(self, identity: Identity, now: float, scope: Scope) -> str:
        secret = secrets.token_urlsafe(32)
        self._put(
            Credential(
                id=identity.credential,
                name=identity.name,
                kind=identity.kind,
                sha256=_digest(secret),
                created_at=now,
                expires_at=identity.expires_at,
                scope=scope,
            )
        )
        self._save()
        return f"{_PREFIX}_{identity.credential}_{secret}"

    def _replace(self, by_id: dict[str, Credential]) -> None:
        self._by_id = by_id
        self._by_name = {credential.name: credential for credential in by_id.values()}

    def _put(self, credential: Credential) -> None:
        self._by_id[credential.id] = self._by_name[credential.name] = credential

    def _tell(self, credential: str) -> None:
        for watcher in tuple(self._watchers):
            watcher(credential)

    def _save(self) -> None:
        data = pack(list(self._by_id.values()))
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self._path, data)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def pack(credentials: list[Credential]) -> bytes:
    """Credentials as they stand in the file."""
    return _FILE.dump_json(_File(credentials=credentials), indent=2)


def unpack(data: bytes) -> list[Credential]:
    """Read what `pack` made; `ValidationError` of pydantic if it is something else."""
    return _FILE.validate_json(data).credentials


def _load(path: Path) -> list[Credential]:
    try:
        return unpack(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not what a hub writes"
        raise ConfigError(
            f"The credentials in {path} cannot be used: {reason}.",
            remedy="Restore the file, or remove it and pair every device again.",
            file=str(path),
        ) from None
