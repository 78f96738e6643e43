"""TLS contexts for servers and clients, with errors that say what to mend."""

from __future__ import annotations

import ssl
from pathlib import Path

from constellation.errors import ConfigError


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS for a server.

    Args:
        certificate: PEM file with the certificate, then those that lead to its authority.
        key: PEM file with its private key.

    Raises:
        ConfigError: one of them cannot be read or they do not belong together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"TLS cannot use {certificate} with {key}: {_reason(error)}.",
            remedy="Name a PEM certificate and the private key that belongs to it.",
        ) from None
    return context


def client_context(authority: Path | str | None = None) -> ssl.SSLContext:
    """TLS for a client, which always checks the server's certificate and its name.

    Args:
        authority: PEM file, or text, with the one authority to trust; None trusts those of the
            system.

    Raises:
        ConfigError: the file cannot be read or holds no certificate.
    """
    try:
        if isinstance(authority, str):
            return ssl.create_default_context(cadata=authority)
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{_shown(authority)} holds no certificate to trust: {_reason(error)}.",
            remedy="Name a PEM file.",
        ) from None


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").replace("_", " ").lower()
    return error.strerror or str(error)


def _shown(authority: Path | str | None) -> str:
    return "What the hub showed" if isinstance(authority, str) else str(authority)
