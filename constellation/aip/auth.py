"""Who may connect: credentials, pairing codes, and what each kind of credential permits.

A credential is a bearer token ``cst_<id>_<secret>`` with 256 random bits. The hub keeps only the
SHA-256 of the secret: a plain hash is enough, because nobody can guess that many bits. Times are
Unix seconds and are passed in.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from constellation.errors import AuthenticationError, ConfigError, PermissionDenied

Kind = Literal["device", "client", "admin"]
Permission = Literal["serve", "observe", "operate", "admin"]

PERMISSIONS: dict[Kind, frozenset[Permission]] = {
    "device": frozenset({"serve"}),
    "client": frozenset({"observe", "operate"}),
    "admin": frozenset({"serve", "observe", "operate", "admin"}),
}
# What a session of each role in `hello` needs at least.
ROLE_PERMISSION: dict[str, Permission] = {"device": "serve", "client": "observe", "hub": "operate"}

_PREFIX = "cst"
_NOTHING = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is at the other end.

    Attributes:
        name: the credential's name.
        kind: what the credential was made for.
        credential: its id, which stays the same when it is rotated.
    """

    name: str
    kind: Kind
    credential: str

    @property
    def permissions(self) -> frozenset[Permission]:
        """What it may do."""
        return PERMISSIONS[self.kind]

    def allows(self, permission: str) -> bool:
        """True if it may do that."""
        return permission in PERMISSIONS[self.kind]

    def check_role(self, role: str, name: str) -> None:
        """Check that it may open a session in that role under that name.

        A device is known by its credential's name, so that none can take another's work. Only an
        administrator may stand in for a device.

        Raises:
            PermissionDenied: it may not.
        """
        if not self.allows(ROLE_PERMISSION[role]):
            raise PermissionDenied(
                f"A {self.kind} credential may not connect as a {role}.",
                remedy=f"Pair again with a code for a {role}.",
            )
        if role == "device" and name != self.name and not self.allows("admin"):
            raise PermissionDenied(
                f"This credential belongs to {self.name}, not to {name}.",
                remedy=f"Connect as {self.name}, or pair {name} with a code of its own.",
            )


class Authenticator(Protocol):
    """What the server asks when somebody connects."""

    def authenticate(self, token: str, now: float) -> Identity:
        """Whose token this is.

        Raises:
            AuthenticationError: unknown, expired or revoked.
        """
        ...

    def pair(self, code: str, name: str, role: str, now: float) -> tuple[Identity, str]:
        """Exchange a pairing code for a credential of its own; return it with its token.

        Raises:
            AuthenticationError: the code is wrong or used up, or the name is taken.
            PermissionDenied: the code is for another role.
        """
        ...

    def on_revoked(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Have the id of each credential that is revoked told; returns how to stop that."""
        ...


# ── credentials ─────────────────────────────────────────────────────────────────────────────────


class Credential(BaseModel):
    """What is kept of a credential: everything but its secret.

    Attributes:
        id: names it in its token.
        name: unique in a store.
        kind: what it permits.
        sha256: of the secret, in hexadecimal.
        created_at: Unix seconds; set anew when it is rotated.
        expires_at: when it ends to be accepted; None for never.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    kind: Kind
    sha256: str
    created_at: float
    expires_at: float | None = None


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
        self._by_id = {credential.id: credential for credential in _load(path)}

    def list(self) -> tuple[Credential, ...]:
        """All of them, the oldest first."""
        return tuple(self._by_id.values())

    def find(self, name: str) -> Credential | None:
        """The credential of that name."""
        return next((each for each in self._by_id.values() if each.name == name), None)

    def issue(
        self, name: str, kind: Kind, now: float, *, expires_at: float | None = None
    ) -> tuple[Identity, str]:
        """Make a credential; one of the same name and kind is replaced and so revoked.

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
        identity = Identity(name, kind, secrets.token_hex(6))
        token = self._keep(identity, now, expires_at)
        if older is not None:
            self._tell(older.id)
        return identity, token

    def rotate(self, name: str, now: float) -> str:
        """Give a credential a new secret; return its token. Sessions that are open stay open.

        Raises:
            ConfigError: there is none of that name.
        """
        old = self.find(name)
        if old is None:
            raise ConfigError(f"There is no credential named {name}.", name=name)
        return self._keep(Identity(name, old.kind, old.id), now, old.expires_at)

    def revoke(self, name: str) -> bool:
        """Forget a credential; sessions opened with it are closed. False if there was none."""
        credential = self.find(name)
        if credential is None:
            return False
        del self._by_id[credential.id]
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
        return Identity(credential.name, credential.kind, credential.id)

    def on_revoked(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Have the id of each credential that is revoked told; returns how to stop that."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def _keep(self, identity: Identity, now: float, expires_at: float | None) -> str:
        secret = secrets.token_urlsafe(32)
        self._by_id[identity.credential] = Credential(
            id=identity.credential,
            name=identity.name,
            kind=identity.kind,
            sha256=_digest(secret),
            created_at=now,
            expires_at=expires_at,
        )
        self._save()
        return f"{_PREFIX}_{identity.credential}_{secret}"

    def _tell(self, credential: str) -> None:
        for watcher in tuple(self._watchers):
            watcher(credential)

    def _save(self) -> None:
        data = _FILE.dump_json(_File(credentials=list(self._by_id.values())), indent=2)
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _replace(self._path, data)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _load(path: Path) -> list[Credential]:
    try:
        return _FILE.validate_json(path.read_bytes()).credentials
    except FileNotFoundError:
        return []
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not what a hub writes"
        raise ConfigError(
            f"The credentials in {path} cannot be used: {reason}.",
            remedy="Restore the file, or remove it and pair every device again.",
            file=str(path),
        ) from None


def _replace(path: Path, data: bytes) -> None:
    """Replace a file so that a reader, or a crash, meets the old or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# ── pairing ─────────────────────────────────────────────────────────────────────────────────────

# Crockford's base32: no I, L, O, U; what people mistype is read as what was meant.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MEANT = str.maketrans("OIL", "011", "- ")
_CODE_CHARS = 8


@dataclass(slots=True)
class Offer:
    """An open pairing code.

    Attributes:
        code: as people read it, such as ``K7QX-93FM``.
        kind: of the credential it is exchanged for.
        name: of that credential; None lets the one who pairs choose a name that is free.
        expires_at: Unix seconds.
        tries_left: wrong tries until it is burnt.
    """

    code: str
    kind: Kind
    name: str | None
    expires_at: float
    tries_left: int

    def matches(self, code: str) -> bool:
        """True if that is the code, in any spelling."""
        return hmac.compare_digest(
            _normal(self.code).encode(), _normal(code).encode("utf-8", "replace")
        )

    def is_open(self, now: float) -> bool:
        """True if it can still be used."""
        return now < self.expires_at and self.tries_left > 0


class PairingDesk:
    """Hands out short-lived pairing codes and takes each back once.

    A code has 40 random bits. Each wrong try counts against every open code, and a code that saw
    too many is burnt: a guesser has at most ``tries`` guesses in each code's life.

    Args:
        tries: wrong tries after which a code is burnt.
    """

    def __init__(self, *, tries: int = 5) -> None:
        self._tries = tries
        self._offers: list[Offer] = []

    def offer(
        self, now: float, kind: Kind = "device", name: str | None = None, *, ttl_s: float = 600.0
    ) -> Offer:
        """Open a code for ``ttl_s`` seconds."""
        chars = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_CHARS))
        offer = Offer(f"{chars[:4]}-{chars[4:]}", kind, name, now + ttl_s, self._tries)
        self._offers = [*self._open(now), offer]
        return offer

    def redeem(self, code: str, now: float) -> Offer:
        """Take a code back; it cannot be used again.

        Raises:
            AuthenticationError: it is wrong, used, expired or burnt; which of them is not told.
        """
        self._offers = self._open(now)
        found = [offer for offer in self._offers if offer.matches(code)]
        if not found:
            for offer in self._offers:
                offer.tries_left -= 1
            raise AuthenticationError(
                "This pairing code is wrong or no longer valid.",
                remedy="Get a new one with `constellation pair`.",
            )
        self._offers.remove(found[0])
        return found[0]

    def _open(self, now: float) -> list[Offer]:
        return [offer for offer in self._offers if offer.is_open(now)]


def _normal(code: str) -> str:
    return code.upper().translate(_MEANT)


class StoreAuthenticator:
    """An `Authenticator` of a `CredentialStore` and a `PairingDesk`."""

    def __init__(self, credentials: CredentialStore, pairing: PairingDesk) -> None:
        self.credentials = credentials
        self.pairing = pairing

    def authenticate(self, token: str, now: float) -> Identity:
        """See `Authenticator.authenticate`."""
        return self.credentials.verify(token, now)

    def pair(self, code: str, name: str, role: str, now: float) -> tuple[Identity, str]:
        """See `Authenticator.pair`.

        A code that was offered for a name serves that name only, and replaces its credential.
        """
        offer = self.pairing.redeem(code, now)
        if offer.name is None and self.credentials.find(name) is not None:
            raise AuthenticationError(
                f"The name {name} is taken.",
                remedy=f"Choose another, or get a code for it: `constellation pair --name {name}`.",
            )
        if offer.name is not None and offer.name != name:
            raise AuthenticationError(
                f"This code is for {offer.name}, not for {name}.",
                remedy="Get a new code for the name you want.",
            )
        Identity(name, offer.kind, "").check_role(role, name)
        return self.credentials.issue(name, offer.kind, now)

    def on_revoked(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """See `Authenticator.on_revoked`."""
        return self.credentials.on_revoked(callback)
