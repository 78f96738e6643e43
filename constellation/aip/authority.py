"""A certificate authority of a hub's own, so that beyond this machine nothing travels in the clear.

It is made once and signs the hub's certificate, which is renewed long before it ends. Nobody else
trusts it: a device learns its fingerprint with its pairing code, from a person, and pins it
(`constellation.aip.trust`). Times are Unix seconds and are passed in.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from constellation.errors import ConfigError

from .private_files import write_private
from .spelling import spell

AUTHORITY_DAYS = 7300
CERTIFICATE_DAYS = 90
RENEW_DAYS = 30
# Clocks of devices may be behind the hub's.
LENIENCE = timedelta(days=1)
# Of the 256 bits of a SHA-256; nobody finds another authority with the same 130.
_FINGERPRINT_CHARS = 26


class Authority:
    """An authority in a folder for its owner alone, made if it is not there.

    Args:
        folder: holds ``authority.pem``, ``authority-key.pem``, ``hub.pem`` and ``hub-key.pem``.
        now: Unix seconds.

    Attributes:
        file: its certificate, a PEM file.
        expires_at: Unix seconds at which nothing that it signed is valid any more.

    Raises:
        ConfigError: the folder cannot be used, what is in it is no authority, or it has expired.
    """

    def __init__(self, folder: Path, now: float) -> None:
        self.file = folder / "authority.pem"
        self._key_file = folder / "authority-key.pem"
        self._host_file = folder / "hub.pem"
        self._host_key_file = folder / "hub-key.pem"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self.file.exists():
                self._make(_time(now))
            self._certificate = x509.load_pem_x509_certificate(self.file.read_bytes())
            self._key = _load_key(self._key_file)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"The hub's authority in {folder} cannot be used: {error}.",
                remedy="Restore the folder, or remove it and pair every device again.",
                file=str(folder),
            ) from None
        self.expires_at = self._certificate.not_valid_after_utc.timestamp()
        if now >= self.expires_at:
            raise ConfigError(
                f"The hub's authority in {folder} has expired.",
                remedy="Remove the folder and pair every device again.",
                file=str(folder),
            )

    @property
    def fingerprint(self) -> str:
        """What a person may read out to a device; see `fingerprint_of`."""
        return fingerprint_of(self.file.read_text())

    def certify(self, names: Sequence[str], now: float) -> tuple[Path, Path]:
        """A certificate for a host, and its key: the ones at hand if they will do for long enough.

        Args:
            names: host names and addresses by which devices reach the hub.
            now: Unix seconds.

        Returns:
            PEM files of the certificate and of its private key.

        Raises:
            ConfigError: they cannot be written.
        """
        wanted = list(dict.fromkeys(names))
        if not self._is_good(wanted, _time(now)):
            try:
                self._issue(wanted, _time(now))
            except OSError as error:
                raise ConfigError(
                    f"The certificate {self._host_file} cannot be written: {error.strerror}.",
                    remedy="Let the hub's user write there, or free disk space.",
                    file=str(self._host_file),
                ) from None
        return self._host_file, self._host_key_file

    def _is_good(self, names: list[str], now: datetime) -> bool:
        try:
            found = x509.load_pem_x509_certificate(self._host_file.read_bytes())
            key = _load_key(self._host_key_file)
            found.verify_directly_issued_by(self._certificate)
            covered = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except Exception:  # noqa: BLE001  whatever is wrong with them: they are made anew
            return False
        return (
            key.public_key() == found.public_key()
            and set(_general_names(names)) <= set(covered)
            and found.not_valid_before_utc <= now
            and now < found.not_valid_after_utc - timedelta(days=RENEW_DAYS)
        )

    def _make(self, now: datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key()
        # The name is nobody's: its own key tells one authority from another.
        digest = x509.SubjectKeyIdentifier.from_public_key(public).digest.hex()[:8]
        name = _name(f"Constellation hub {digest}")
        certificate = (
            _builder(name, name, public, now, timedelta(days=AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(key, hashes.SHA256())
        )
        # The key first: an authority without one would be taken for whole at the next start.
        write_private(self._key_file, _pem_of_key(key))
        write_private(self.file, certificate.public_bytes(serialization.Encoding.PEM))

    def _issue(self, names: list[str], now: datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key()
        life = timedelta(days=CERTIFICATE_DAYS)
        if now + life > self._certificate.not_valid_after_utc:
            life = self._certificate.not_valid_after_utc - now
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            _builder(self._certificate.subject, _name(names[0][:64]), public, now, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        write_private(self._host_key_file, _pem_of_key(key))
        write_private(self._host_file, certificate.public_bytes(serialization.Encoding.PEM))


def fingerprint_of(pem: str) -> str:
    """The SHA-256 of a certificate, shortened to 130 bits, in the letters of pairing codes.

    Raises:
        ValueError: it is no certificate.
    """
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.strip())).digest()
    return spell(int.from_bytes(digest), 256, _FINGERPRINT_CHARS)


def _time(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC).replace(microsecond=0)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LENIENCE)
        .not_valid_after(now + life)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_general_name(name) for name in names]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _load_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{file} holds another kind of key")
    if os.name == "posix" and file.stat().st_mode & 0o077:
        raise ValueError(f"others may read {file}; run chmod 600 on it")
    return key


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
