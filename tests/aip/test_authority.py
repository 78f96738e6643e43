from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from constellation.aip.authority import CERTIFICATE_DAYS, RENEW_DAYS, Authority, fingerprint_of
from constellation.errors import ConfigError

NOW = 1_800_000_000.0
DAY_S = 86_400.0
NAMES = ("hub.example", "192.0.2.7", "::1")


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "authority"
    first = Authority(folder, NOW)
    files = first.certify(NAMES, NOW)
    again = Authority(folder, NOW + DAY_S)
    assert again.fingerprint == first.fingerprint
    assert again.certify(NAMES, NOW + DAY_S) == files
    assert len(first.fingerprint) == 26
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_two_authorities_have_different_fingerprints(tmp_path: Path) -> None:
    assert Authority(tmp_path / "a", NOW).fingerprint != Authority(tmp_path / "b", NOW).fingerprint


def test_the_certificate_is_kept_while_it_is_good(tmp_path: Path) -> None:
    authority = Authority(tmp_path, NOW)
    cert, _ = authority.certify(NAMES, NOW)
    before = certificate(cert).serial_number
    authority.certify(NAMES[:2], NOW + DAY_S)
    assert certificate(cert).serial_number == before


def test_it_is_renewed_long_before_it_ends(tmp_path: Path) -> None:
    authority = Authority(tmp_path, NOW)
    cert, _ = authority.certify(NAMES, NOW)
    before = certificate(cert)
    due = NOW + (CERTIFICATE_DAYS - RENEW_DAYS) * DAY_S
    authority.certify(NAMES, due - DAY_S)
    assert certificate(cert) == before
    authority.certify(NAMES, due + 1)
    assert certificate(cert) != before
    assert certificate(cert).not_valid_after_utc.timestamp() >= due + CERTIFICATE_DAYS * DAY_S


def test_it_is_made_anew_for_a_name_that_it_lacks(tmp_path: Path) -> None:
    authority = Authority(tmp_path, NOW)
    cert, _ = authority.certify(NAMES, NOW)
    before = certificate(cert)
    authority.certify((*NAMES, "attic.local"), NOW)
    assert certificate(cert) != before


@pytest.mark.parametrize("name", ["hub.pem", "hub-key.pem"])
def test_it_is_made_anew_if_it_is_spoilt(tmp_path: Path, name: str) -> None:
    authority = Authority(tmp_path, NOW)
    authority.certify(NAMES, NOW)
    (tmp_path / name).write_text("nothing")
    files = authority.certify(NAMES, NOW)
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*files)


def test_it_signs_nothing_beyond_its_own_life(tmp_path: Path) -> None:
    authority = Authority(tmp_path, NOW)
    late = authority.expires_at - 10 * DAY_S
    cert, _ = authority.certify(NAMES, late)
    assert certificate(cert).not_valid_after_utc.timestamp() <= authority.expires_at


def test_an_expired_authority_says_what_to_do(tmp_path: Path) -> None:
    ends = Authority(tmp_path, NOW).expires_at
    with pytest.raises(ConfigError, match="expired") as caught:
        Authority(tmp_path, ends)
    assert "pair every device again" in caught.value.remedy


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    Authority(tmp_path, NOW)
    (tmp_path / "authority-key.pem").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        Authority(tmp_path, NOW)


def test_what_is_no_authority_is_refused(tmp_path: Path) -> None:
    Authority(tmp_path, NOW)
    (tmp_path / "authority.pem").write_text("nothing")
    with pytest.raises(ConfigError, match="cannot be used"):
        Authority(tmp_path, NOW)


def test_a_fingerprint_is_of_a_certificate() -> None:
    with pytest.raises(ValueError, match="PEM"):
        fingerprint_of("nothing")
