"""Over https, the server must prove who it is."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from shmlimit.usage import HttpUsage, Usage, UsageError

from .hostile_server import Exchange, HangUp, HostileServer, answer

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, with its key in the same file."""
    directory = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "keyUsage=digitalSignature,keyCertSign"]
    names += ["-keyout", "key.pem", "-out", "certificate.pem"]
    try:
        subprocess.run([*command.split(), *names], cwd=directory, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs the openssl command")
    both = directory / "both.pem"
    both.write_bytes((directory / "certificate.pem").read_bytes() + (directory / "key.pem").read_bytes())
    return both


class TlsServer(HostileServer):
    """The same server behind TLS."""

    def __init__(self, certificate: Path) -> None:
        super().__init__(self._answer)
        self.polls = 0
        self.drips = False
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)

    def _answer(self, exchange: Exchange) -> None:
        self.polls += 1
        if self.drips:
            exchange.drip(answer(b'{"n": 1}' + b" " * 200), pause=0.05)
        else:
            exchange.send(answer({"n": 1}))

    def _serve(self, connection: socket.socket) -> None:
        try:
            encrypted = self._context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
        else:
            self._open.append(encrypted)
            super()._serve(encrypted)


@pytest.fixture
def server(certificate: Path) -> Iterator[TlsServer]:
    with TlsServer(certificate) as server:
        yield server


def poll(url: str, ca_file: Path | None = None, times: int = 1) -> Usage:
    with HttpUsage(url, in_flight="/n", ca_file=ca_file) as source:
        return [source.get_usage() for _ in range(times)][-1]


def test_a_certificate_that_nobody_vouches_for_is_refused(server: TlsServer) -> None:
    with pytest.raises(UsageError, match=r"^the server's certificate is not accepted: self.signed certificate"):
        poll(server.url().replace("http:", "https:"))
    assert server.polls == 0


@pytest.mark.usefixtures("patient_connection")
def test_a_ca_file_adds_to_what_is_accepted(server: TlsServer, certificate: Path) -> None:
    assert poll(server.url().replace("http:", "https:"), certificate, times=3) == Usage(1.0)
    assert (server.connections, server.polls) == (1, 3)


def test_an_answer_that_drips_under_tls_does_not_beat_the_deadline(server: TlsServer, certificate: Path) -> None:
    url = server.url().replace("http:", "https:")
    server.drips = True
    source = HttpUsage(url, in_flight="/n", ca_file=certificate, timeout=1)
    with source, pytest.raises(UsageError, match=r"^timed out after 1 s$"):
        source.get_usage()


def test_a_certificate_for_another_host_is_refused(server: TlsServer, certificate: Path) -> None:
    with pytest.raises(UsageError, match=r"^the server's certificate is not accepted: Hostname mismatch"):
        poll(f"https://localhost:{server.port}/", certificate)
    assert server.polls == 0


def test_a_server_that_speaks_no_tls_is_a_failed_poll() -> None:
    def script(exchange: Exchange) -> None:
        raise HangUp

    class Plain(HostileServer):
        def _serve(self, connection: socket.socket) -> None:
            with connection:
                connection.recv(1)
                connection.sendall(answer({"n": 1}))

    with Plain(script) as server, pytest.raises(UsageError, match=r"^(TLS failed|cannot connect): "):
        poll(server.url().replace("http:", "https:"))


@pytest.mark.parametrize(("content", "what"), [(None, "No such file"), (b"no certificate", "cannot be used")])
def test_an_unusable_ca_file_is_named(tmp_path: Path, content: bytes | None, what: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=what) as caught:
        poll("https://127.0.0.1:1/", path)
    assert str(path) in str(caught.value)
