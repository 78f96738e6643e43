"""Who is at the other end of a connection, and what that permits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from constellation.errors import PermissionDenied

Kind = Literal["device", "client", "admin"]
Permission = Literal["serve", "observe", "operate", "admin"]

PERMISSIONS: dict[Kind, frozenset[Permission]] = {
    "device": frozenset({"serve"}),
    "client": frozenset({"observe", "operate"}),
    "admin": frozenset({"serve", "observe", "operate", "admin"}),
}
# What a session of each role in `hello` needs at least.
ROLE_PERMISSION: dict[str, Permission] = {"device": "serve", "client": "observe"}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is at the other end.

    Attributes:
        name: the credential's name.
        kind: what the credential was made for.
        credential: its id, which stays the same when it is rotated.
        expires_at: Unix seconds at which its sessions end; None for never.
    """

    name: str
    kind: Kind
    credential: str
    expires_at: float | None = None

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
