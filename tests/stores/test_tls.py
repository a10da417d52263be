"""The way to a server elsewhere is encrypted and the server's name verified, on a real MariaDB."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from counted import STREAM, Call, one_batch
from mariadb import private_server

from memtap.errors import StoreAway, StoreError
from memtap.stores import open_store


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Certificates:
    """An authority of the tests' own, and a certificate that it gave the server: for 127.0.0.2, not for 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.ca, self.key, self.cert, self.other_ca = (folder / name for name in ("ca", "key", "cert", "other"))
        for authority in (self.ca, self.other_ca):
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={authority.name}",
                    "-keyout", folder / f"{authority.name}.key", "-out", authority)  # fmt: skip
        request, names = folder / "request", folder / "names"
        names.write_text("subjectAltName=IP:127.0.0.2\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=memtap", "-keyout", self.key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", folder / "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", names, "-out", self.cert)  # fmt: skip


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def port(certificates: Certificates) -> Iterator[int]:
    """Where a server with that certificate listens."""
    number = free_port()
    options = (f"--port={number}", "--bind-address=127.0.0.1,127.0.0.2", "--skip-networking=0")
    with private_server(*options, f"--ssl-cert={certificates.cert}", f"--ssl-key={certificates.key}") as server:
        server.execute("CREATE USER taps@'%'")
        server.execute("GRANT ALL ON *.* TO taps@'%'")
        yield number


def cipher(url: str) -> str:
    """How a store's connection is encrypted, once a batch went through it."""
    store = open_store(url)
    store.migrate()
    with closing(store.writer()) as writer:
        number = writer.open_stream(STREAM).stream_no
        writer.write(number, one_batch(Call(1)))
        return str(writer._session.rows("SHOW STATUS LIKE 'Ssl_cipher'")[0][1])  # type: ignore[attr-defined]


@pytest.mark.parametrize("prefix", ["tls", "ssl"])
@pytest.mark.parametrize("mode", ["VERIFY_IDENTITY", "VERIFY_CA"])
def test_a_server_that_the_authority_vouches_for_is_taken(
    port: int, certificates: Certificates, prefix: str, mode: str
) -> None:
    assert cipher(f"mysql://taps@127.0.0.2:{port}/x?{prefix}_mode={mode}&{prefix}_ca={certificates.ca}")


def test_one_for_which_nobody_vouches_is_refused_for_good(port: int) -> None:
    with pytest.raises(StoreError, match="check tls_ca") as caught:
        cipher(f"mysql://taps@127.0.0.2:{port}/x?tls_mode=VERIFY_IDENTITY")
    assert not isinstance(caught.value, StoreAway), "trying again would not help"


def test_so_is_one_that_another_authority_vouches_for(port: int, certificates: Certificates) -> None:
    with pytest.raises(StoreError, match="check tls_ca"):
        cipher(f"mysql://taps@127.0.0.2:{port}/x?tls_mode=VERIFY_IDENTITY&tls_ca={certificates.other_ca}")


def test_a_certificate_of_another_host_is_refused(port: int, certificates: Certificates) -> None:
    with pytest.raises(StoreError, match="check tls_ca"):
        cipher(f"mysql://taps@127.0.0.1:{port}/x?tls_mode=VERIFY_IDENTITY&tls_ca={certificates.ca}")


def test_an_option_file_says_it_as_well(port: int, certificates: Certificates, tmp_path: Path) -> None:
    options = tmp_path / "my.cnf"
    client = f"[client]\nuser = taps\nport = {port}\n"
    options.write_text(f"{client}host = 127.0.0.2\nssl-ca = {certificates.ca}\n")
    assert cipher(f"mysql:///x?option_file={options}"), "verified, as the file may name any host"
    options.write_text(f"{client}host = 127.0.0.2\nssl-ca = {certificates.other_ca}\n")
    with pytest.raises(StoreError, match="check tls_ca"):
        cipher(f"mysql:///x?option_file={options}")
    options.write_text(f"{client}host = 127.0.0.1\nssl-ca = {certificates.ca}\n")
    with pytest.raises(StoreError, match="check tls_ca"):
        cipher(f"mysql:///x?option_file={options}")
    options.write_text(f"{client}host = 127.0.0.2\n")
    with pytest.raises(StoreError, match="check tls_ca"):
        cipher(f"mysql:///x?option_file={options}")


def test_a_server_without_tls_is_refused_where_it_is_required(mysql_url: str) -> None:
    for mode in ("REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"):
        with pytest.raises(StoreError, match=r"offers no TLS|check tls_ca"):
            open_store(f"{mysql_url}&tls_mode={mode}").migrate()
