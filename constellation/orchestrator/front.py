"""How a hub is reached: its names, and TLS with files of its own or with its own authority."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import psutil

from constellation.aip.server import PATH
from constellation.aip.tls import server_context
from constellation.config import HubSettings
from constellation.errors import ConfigError

if TYPE_CHECKING:
    from constellation.aip.authority import Authority

AUTHORITY_FOLDER = "authority"
# Addresses of a machine that moves change, and certificates come of age.
LOOK_AGAIN_S = 3600.0
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})

log = logging.getLogger("constellation.hub")


class Front:
    """What stands at a hub's door. Made by `Front.of`.

    Attributes:
        ssl: for the listening socket; None for plain text.
    """

    def __init__(
        self, options: HubSettings, context: ssl.SSLContext | None, authority: Authority | None
    ) -> None:
        self.ssl = context
        self._options = options
        self._authority = authority

    @classmethod
    def of(cls, options: HubSettings, state: Path) -> Front:
        """The front that settings describe; makes an authority and a certificate if need be.

        Args:
            state: the hub's state directory.

        Raises:
            ConfigError: the settings contradict each other, or files cannot be read or written.
        """
        if (options.tls_cert is None) != (options.tls_key is None):
            raise ConfigError(
                "hub.tls_cert and hub.tls_key go together.", remedy="Set both or none."
            )
        if options.tls == "off":
            if not is_loopback(options.host):
                log.warning(
                    "The hub speaks plain text on %s: whoever is on the way reads credentials, "
                    "and can change what travels.",
                    options.host,
                )
            return cls(options, None, None)
        if options.tls_cert is not None and options.tls_key is not None:
            return cls(options, server_context(options.tls_cert, options.tls_key), None)
        if options.tls == "auto" and is_loopback(options.host):
            return cls(options, None, None)
        # Most hubs serve one machine alone, and need no cryptography to start.
        from constellation.aip.authority import Authority

        now = time.time()
        authority = Authority(state / AUTHORITY_FOLDER, now)
        files = authority.certify(names_of(options), now)
        return cls(options, server_context(*files), authority)

    @property
    def authority_file(self) -> Path | None:
        """Our own authority's certificate, a PEM file."""
        return None if self._authority is None else self._authority.file

    @property
    def authority_text(self) -> str | None:
        """The same as text."""
        return None if self._authority is None else self._authority.file.read_text()

    @property
    def fingerprint(self) -> str:
        """What devices compare the authority with; empty without one."""
        return "" if self._authority is None else self._authority.fingerprint

    def url(self, port: int) -> str:
        """What others dial."""
        host = self._options.host
        if self._options.known_as or host in _EVERYWHERE:
            host = names_of(self._options)[0]
        return self._address(host, port)

    def local_url(self, port: int) -> str:
        """What programs of this machine dial."""
        host = self._options.host
        if host in _EVERYWHERE:
            host = "::1" if host == "::" else "127.0.0.1"
        return self._address(host, port)

    def _address(self, host: str, port: int) -> str:
        shown = f"[{host}]" if ":" in host else host
        return f"{'ws' if self.ssl is None else 'wss'}://{shown}:{port}{PATH}"

    async def keep_fresh(self) -> None:
        """Renew the certificate in good time, for as long as the hub runs."""
        if self._authority is None or self.ssl is None:
            return
        while True:
            await anyio.sleep(LOOK_AGAIN_S)
            self.renew(time.time())

    def renew(self, now: float) -> None:
        """Take a new certificate if the old one ends soon, or names what has changed.

        Connections that are open go on; whoever comes next meets the new one.
        """
        if self._authority is None or self.ssl is None:
            return
        try:
            files = self._authority.certify(names_of(self._options), now)
            self.ssl.load_cert_chain(*files)
        except (ConfigError, OSError) as error:
            # There are weeks left to mend it.
            log.warning("The hub's certificate could not be renewed: %s", error)


def is_loopback(host: str) -> bool:
    """True if only this machine reaches that address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(options: HubSettings) -> list[str]:
    """Names and addresses by which a hub is reached, the one that others are told first."""
    host = options.host
    own = [host] if host not in _EVERYWHERE else [*_addresses(), *_host_names()]
    return list(dict.fromkeys([*options.known_as, *own, "localhost", "127.0.0.1", "::1"]))


def _addresses() -> list[str]:
    """This machine's addresses, those of version 4 first; those of one link alone are left out."""
    found = []
    up = psutil.net_if_stats()
    for name, addresses in psutil.net_if_addrs().items():
        if name not in up or not up[name].isup:
            continue
        for each in addresses:
            if each.family in (socket.AF_INET, socket.AF_INET6):
                address = ip_address(each.address.partition("%")[0])
                if not address.is_loopback and not address.is_link_local:
                    found.append(address)
    return [str(each) for each in sorted(found, key=lambda each: each.version)]


def _host_names() -> list[str]:
    name = socket.gethostname()
    short = name.split(".")[0]
    return [each for each in (name, f"{short}.local") if each.isascii() and len(each) <= 253]
