"""Over https: nothing is sent to a server that does not prove who it is, nothing that was cut is believed."""

from __future__ import annotations

import datetime
import ssl
import warnings
from typing import TYPE_CHECKING

import pytest
import trustme

from shmlimit.usage import HttpUsage
from tests.hostile_server.scene import Scene
from tests.hostile_server.transport_faults import (
    BROKEN,
    LATE,
    TIMEOUT,
    hang_up,
    hangs_up_after,
    reset_at_once,
    say_nothing,
    speak_first,
)
from tests.hostile_server.upstream import COUNT, Fault, Greeting, Upstream
from tests.support.processes import wait_for
from tests.usage.hostile_server import answer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.hostile_server.conftest import Place

HOST = "127.0.0.1"
KEY = "SHMLIMIT_TEST_KEY"


def year(number: int) -> datetime.datetime:
    return datetime.datetime(number, 1, 1, tzinfo=datetime.timezone.utc)


def showing(*files: trustme.Blob) -> ssl.SSLContext:
    """A server's side that shows the certificate in these files and has the key in them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Weak ones too: it is the client that must refuse them.
    context.set_ciphers("ALL:@SECLEVEL=0")
    together = trustme.Blob(b"".join(file.bytes() for file in files))
    with together.tempfile() as path:
        context.load_cert_chain(path)
    return context


def showing_leaf(leaf: trustme.LeafCert) -> ssl.SSLContext:
    return showing(leaf.private_key_pem, *leaf.cert_chain_pems)


def without_the_chain(ca: trustme.CA) -> ssl.SSLContext:
    leaf = ca.create_child_ca().issue_cert(HOST)
    return showing(leaf.private_key_pem, leaf.cert_chain_pems[0])


def self_signed(_: trustme.CA) -> ssl.SSLContext:
    other = trustme.CA()
    return showing(other.private_key_pem, other.cert_pem)


def at_most_tls_1_1(ca: trustme.CA) -> ssl.SSLContext:
    context = showing_leaf(ca.issue_cert(HOST))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def asking_for_a_certificate(ca: trustme.CA) -> ssl.SSLContext:
    context = showing_leaf(ca.issue_cert(HOST))
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


NOT_ACCEPTED = "^the server's certificate is not accepted: "
CONTEXTS: dict[str, tuple[str, Callable[[trustme.CA], ssl.SSLContext]]] = {
    "expired": (
        f"{NOT_ACCEPTED}certificate has expired",
        lambda ca: showing_leaf(ca.issue_cert(HOST, not_before=year(2019), not_after=year(2020))),
    ),
    "not yet valid": (
        f"{NOT_ACCEPTED}certificate is not yet valid",
        lambda ca: showing_leaf(ca.issue_cert(HOST, not_before=year(2090), not_after=year(2091))),
    ),
    "for another host": (f"{NOT_ACCEPTED}IP address mismatch", lambda ca: showing_leaf(ca.issue_cert("h.example"))),
    "for another address": (f"{NOT_ACCEPTED}IP address mismatch", lambda ca: showing_leaf(ca.issue_cert("127.0.0.2"))),
    "for a name that looks like it": (
        f"{NOT_ACCEPTED}IP address mismatch", lambda ca: showing_leaf(ca.issue_cert("127.0.0.1.h.example")),
    ),
    "self-signed": (f"{NOT_ACCEPTED}self.signed certificate", self_signed),
    "of an unknown authority": (
        f"{NOT_ACCEPTED}unable to get local issuer certificate|{NOT_ACCEPTED}self.signed certificate",
        lambda _: showing_leaf(trustme.CA().issue_cert(HOST)),
    ),
    "without its chain": (f"{NOT_ACCEPTED}unable to get local issuer certificate", without_the_chain),
    "over TLS 1.1 at most": ("^TLS failed: ", at_most_tls_1_1),
    "from a server that asks for one": ("^TLS failed: |^the connection was lost", asking_for_a_certificate),
}  # fmt: skip
"""What a server shows, by what is wrong with it, and what people are told."""


def record(kind: int, version: bytes, content: bytes) -> bytes:
    return bytes([kind]) + version + len(content).to_bytes(2, "big") + content


def server_hello(version: bytes) -> bytes:
    hello = version + bytes(32) + b"\0" + b"\xc0\x13" + b"\0"
    return record(22, version, b"\x02" + len(hello).to_bytes(3, "big") + hello)


def greets_with(content: bytes) -> Greeting:
    def greeting(connection: socket.socket) -> None:
        connection.sendall(content)
        say_nothing(connection)

    return greeting


def cut_after(content: bytes) -> Greeting:
    def greeting(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(content)

    return greeting


FAILED = "^(TLS failed|cannot connect|the connection was lost)\\b"
HANDSHAKES = {
    "closed at once": Fault(FAILED, greeting=hang_up),
    "reset at once": Fault(FAILED, greeting=reset_at_once),
    "closed after the client's greeting": Fault(FAILED, greeting=cut_after(b"")),
    "cut in the server's greeting": Fault(FAILED, greeting=cut_after(server_hello(b"\x03\x03")[:20])),
    "cut after the server's greeting": Fault(FAILED, greeting=cut_after(server_hello(b"\x03\x03"))),
    "left alone": Fault(LATE, greeting=say_nothing),
    "left alone after the server's greeting": Fault(
        f"{LATE}|^TLS failed: ", greeting=greets_with(server_hello(b"\x03\x03"))
    ),
    "SSL 3": Fault("^TLS failed: ", greeting=greets_with(server_hello(b"\x03\x00"))),
    "TLS 1.0": Fault("^TLS failed: ", greeting=greets_with(server_hello(b"\x03\x01"))),
    "TLS 1.1": Fault("^TLS failed: ", greeting=greets_with(server_hello(b"\x03\x02"))),
    "an alert": Fault("^TLS failed: ", greeting=cut_after(record(21, b"\x03\x03", b"\x02\x28"))),
    "plain HTTP": Fault("^TLS failed: ", greeting=cut_after(answer({"n": 0}))),
    "another protocol": Fault("^TLS failed: ", greeting=speak_first),
}
"""Ways in which no TLS comes about."""

# Over plain HTTP the end of the connection may end an answer; over TLS anybody on the way can bring that about.
CLOSED_BY = b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"n": 0}'
ENCRYPTED = {
    "an answer that is cut in its body": Fault(f"{FAILED}|{BROKEN}", hangs_up_after(answer({"n": 0})[:-2])),
    "an answer without a length that ends without a farewell": Fault("^TLS failed: ", hangs_up_after(CLOSED_BY)),
}


class TlsUpstream(Upstream):
    """The same behind TLS, with whatever certificate the test wants."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self._context = context

    def show(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._hang_up()

    def _serve(self, connection: socket.socket) -> None:
        if self._greeting is not None:
            super()._serve(connection)
            return
        # Not while connections are hung up: one that is, is not wrapped, and one that is wrapped can be hung up.
        with self._hanging_up:
            try:
                connection.getpeername()
                encrypted = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            except OSError:
                connection.close()
                return
            self._open.append(encrypted)
        try:
            encrypted.do_handshake()
        except OSError:
            encrypted.close()
        else:
            super()._serve(encrypted)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def good(ca: trustme.CA) -> ssl.SSLContext:
    return showing_leaf(ca.issue_cert(HOST))


@pytest.fixture(scope="module")
def upstream(good: ssl.SSLContext) -> Iterator[TlsUpstream]:
    with TlsUpstream(good) as one:
        yield one


@pytest.fixture(scope="module")
def scene(
    place: Place, upstream: TlsUpstream, ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    ca_file = tmp_path_factory.mktemp("authority") / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    url = upstream.url().replace("http:", "https:")
    name, log = place()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, "never to be shown to anybody else")
        usage = HttpUsage(
            url, in_flight="/n", auth=f"header:X-Key:env:{KEY}", timeout=TIMEOUT, min_interval=0.05, ca_file=ca_file
        )
        with Scene(name, usage, log) as one:
            yield one


@pytest.mark.parametrize(("reason", "make"), CONTEXTS.values(), ids=CONTEXTS)
def test_a_server_with_a_bad_certificate_is_told_nothing(
    scene: Scene, upstream: TlsUpstream, ca: trustme.CA, good: ssl.SSLContext, reason: str,
    make: Callable[[trustme.CA], ssl.SSLContext],
) -> None:  # fmt: skip
    bad = make(ca)
    upstream.recover()
    upstream.show(good)
    wait_for(lambda: scene.wait_until_live().usage.count == COUNT)
    upstream.show(bad)
    scene.wait_until_failing(reason)
    told = len(upstream.exchanges)
    connections = upstream.connections
    wait_for(lambda: upstream.connections > connections)
    assert len(upstream.exchanges) == told
    upstream.show(good)
    scene.wait_until_live()


FAULTS = {**HANDSHAKES, **ENCRYPTED}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_does_not_become_tls_or_ends_within_is_a_failed_poll(
    scene: Scene, upstream: TlsUpstream, good: ssl.SSLContext, fault: Fault
) -> None:
    upstream.recover()
    upstream.show(good)
    wait_for(lambda: scene.wait_until_live().usage.count == COUNT)
    upstream.have(fault)
    scene.wait_until_failing(fault.reason)
    upstream.recover()
    wait_for(lambda: scene.wait_until_live().usage.count == COUNT)


def test_a_server_that_renews_its_certificate_is_still_believed(
    scene: Scene, upstream: TlsUpstream, ca: trustme.CA
) -> None:
    upstream.recover()
    upstream.show(showing_leaf(ca.issue_cert(HOST)))
    asked = len(upstream.exchanges)
    wait_for(lambda: len(upstream.exchanges) > asked + 1)
    scene.wait_until_live()


def test_the_keys_of_a_session_are_not_logged(
    upstream: TlsUpstream, ca: trustme.CA, good: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that is set for some other program would let anybody who has seen the packets read the key."""
    log = tmp_path / "sessions"
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    upstream.recover()
    upstream.show(good)
    with HttpUsage(upstream.url().replace("http:", "https:"), in_flight="/n", ca_file=ca_file) as source:
        assert source.get_usage().concurrent_sessions == COUNT
    assert not log.exists() or "CLIENT" not in log.read_text()
