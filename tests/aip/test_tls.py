from __future__ import annotations

from pathlib import Path

import anyio
import pytest
import trustme

from constellation.aip.client import connect
from constellation.aip.tls import client_context, server_context
from constellation.errors import AuthenticationError, ConfigError, HubUnreachable

pytestmark = pytest.mark.anyio


class Files:
    """An authority and a certificate that it signed for 127.0.0.1, as PEM files."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        folder.mkdir()
        authority = trustme.CA()
        certificate = authority.issue_cert(host)
        self.authority = folder / "ca.pem"
        self.certificate = folder / "cert.pem"
        self.key = folder / "key.pem"
        authority.cert_pem.write_to_path(self.authority)
        certificate.private_key_pem.write_to_path(self.key)
        for part in certificate.cert_chain_pems:
            part.write_to_path(self.certificate, append=True)

    def server(self):
        return server_context(self.certificate, self.key)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "ours")


async def test_an_authority_that_was_named_is_trusted(hub, files: Files) -> None:
    async with hub.serving(ssl=files.server()) as server:
        assert server.url.startswith("wss://")
        async with connect(
            server.url,
            role="client",
            name="me",
            credential=hub.token("me", "client"),
            ssl=client_context(files.authority),
        ) as link:
            with anyio.fail_after(100):
                await link.ready()
            link.send("request", {"id": "1", "verb": "x" * 500_000})
            await link.drained()
    assert len(hub.app.bodies("me")[0]["verb"]) == 500_000


async def dial(url: str, token: str, ssl=None) -> None:
    async with connect(url, role="client", name="me", credential=token, ssl=ssl):
        with anyio.fail_after(100):
            await anyio.sleep_forever()


async def test_other_authorities_are_not_trusted(hub, files: Files, tmp_path: Path) -> None:
    other = Files(tmp_path / "theirs")
    token = hub.token("me", "client")
    async with hub.serving(ssl=files.server()) as server:
        for ssl in (client_context(other.authority), client_context(), None):
            with pytest.raises(AuthenticationError, match="not trusted"):
                await dial(server.url, token, ssl)
    assert hub.app.told == []


async def test_a_certificate_for_another_host_is_not_trusted(hub, tmp_path: Path) -> None:
    files = Files(tmp_path / "elsewhere", "elsewhere.example")
    token = hub.token("me", "client")
    async with hub.serving(ssl=files.server()) as server:
        with pytest.raises(AuthenticationError, match="not trusted"):
            await dial(server.url, token, client_context(files.authority))


async def test_plain_text_is_not_taken_where_tls_is_spoken(hub, files: Files) -> None:
    tried = anyio.Event()

    async def sleep(seconds: float) -> None:
        tried.set()
        await anyio.sleep_forever()

    async with (
        hub.serving(ssl=files.server()) as server,
        connect(
            server.url.replace("wss:", "ws:"),
            role="client",
            name="me",
            credential=hub.token("me", "client"),
            sleep=sleep,
        ) as link,
    ):
        with anyio.fail_after(100):
            await tried.wait()
        assert isinstance(link.trouble, HubUnreachable)


def test_files_that_are_no_certificates_are_named(tmp_path: Path, files: Files) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    missing = tmp_path / "missing.pem"
    for path in (empty, missing):
        with pytest.raises(ConfigError, match=path.name.replace(".", r"\.")):
            client_context(path)
        with pytest.raises(ConfigError, match=path.name.replace(".", r"\.")):
            server_context(path, files.key)


def test_a_key_that_belongs_to_another_certificate_is_refused(tmp_path: Path, files: Files) -> None:
    other = Files(tmp_path / "theirs")
    with pytest.raises(ConfigError, match="key values mismatch"):
        server_context(files.certificate, other.key)
