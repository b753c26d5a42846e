"""One deadline bounds a whole poll, however the time is lost.

The slow servers here come to a good end if they are waited for, so that a deadline which does not hold shows
as a reading and not as a test that hangs.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from shmlimit.usage import HttpUsage, Usage, UsageError

from .hostile_server import Exchange, HostileServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Serve

TIMEOUT = 0.3
PAUSE = 0.05
BODY = b'{"n": 1}' + b" " * 200
LATE = "^timed out after 0.3 s$"


def poll(url: str, timeout: float = TIMEOUT) -> Usage:
    with HttpUsage(url, in_flight="/n", timeout=timeout) as source:
        return source.get_usage()


def test_headers_that_drip_do_not_beat_the_deadline(serve: Serve) -> None:
    server = serve(lambda exchange: exchange.drip(answer(BODY), pause=PAUSE))
    with pytest.raises(UsageError, match=LATE):
        poll(server.url())
    assert not any(exchange.sent_all for exchange in server.exchanges)


def test_a_body_that_drips_does_not_beat_the_deadline(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        head, _, body = answer(BODY).partition(b"\r\n\r\n")
        exchange.send(head + b"\r\n\r\n")
        exchange.drip(body, pause=PAUSE)

    with pytest.raises(UsageError, match=LATE):
        poll(serve(script).url())


def test_chunks_that_drip_do_not_beat_the_deadline(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n" + BODY[:8] + b"\r\n")
        exchange.drip(b"1\r\n \r\n" * 40 + b"0\r\n\r\n", pause=PAUSE)

    with pytest.raises(UsageError, match=LATE):
        poll(serve(script).url())


def test_endless_informational_answers_do_not_beat_the_deadline(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        for _ in range(40):
            exchange.drip(b"HTTP/1.1 102 Processing\r\n\r\n", pause=PAUSE / 10)
        exchange.send(answer(BODY))

    with pytest.raises(UsageError, match=LATE):
        poll(serve(script).url())


def test_a_server_that_says_nothing_is_late(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        exchange.hold()
        exchange.send(answer(BODY))

    with pytest.raises(UsageError, match=LATE):
        poll(serve(script).url())


def test_a_server_that_stops_after_its_headers_is_late(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(answer(b"", length=8))
        exchange.hold()
        exchange.send(BODY[:8])

    with pytest.raises(UsageError, match=LATE):
        poll(serve(script).url())


def test_a_server_that_never_greets_in_tls_is_late(serve: Serve) -> None:
    class Mute(HostileServer):
        def _serve(self, connection: socket.socket) -> None:
            # Whoever waits longer than this is told that the connection has ended, which is another reason.
            with connection:
                self._stop.wait(10)

    with Mute(Exchange.hold) as server, pytest.raises(UsageError, match=LATE):
        poll(server.url().replace("http:", "https:"))


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port whose connects are neither accepted nor refused."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_a_host_that_swallows_connects_is_late() -> None:
    with full_backlog() as port, pytest.raises(UsageError, match=LATE):
        poll(f"http://127.0.0.1:{port}/")


def test_an_address_that_swallows_connects_leaves_time_for_the_next(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answer(BODY))
    create = socket.create_connection
    shares = []

    def connect(address: tuple[str, int], timeout: float, **options: Any) -> socket.socket:
        shares.append(timeout)
        if address[0] == "127.9.9.9":
            raise TimeoutError
        return create(address, timeout, **options)

    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, server.port)) for ip in ("127.9.9.9", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: both)
    monkeypatch.setattr(socket, "create_connection", connect)
    assert poll(f"http://localhost:{server.port}/", timeout=30) == Usage(1.0)
    assert shares[0] <= 15


def test_a_look_up_that_hangs_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(*_args: Any, **_options: Any) -> Any:
        released.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        with pytest.raises(UsageError, match=LATE):
            poll("https://usage.invalid/")
    finally:
        released.set()
        for thread in threading.enumerate():
            if thread.name == "shmlimit-resolve":
                thread.join()


@pytest.mark.usefixtures("patient_connection")
def test_the_deadline_starts_anew_with_each_poll_on_a_kept_connection(serve: Serve) -> None:
    first_done = threading.Event()

    def script(exchange: Exchange) -> None:
        if not first_done.is_set():
            exchange.send(answer(BODY))
        else:
            exchange.drip(answer(BODY), pause=PAUSE)

    server = serve(script)
    with HttpUsage(server.url(), in_flight="/n", timeout=3) as source:
        for _ in range(3):
            assert source.get_usage() == Usage(1.0)
        first_done.set()
        with pytest.raises(UsageError, match=r"^timed out after 3 s$"):
            source.get_usage()
    assert server.connections == 1


def test_a_poll_waits_for_another_thread_within_its_own_deadline(serve: Serve) -> None:
    arrived = threading.Event()
    let_go = threading.Event()

    def script(exchange: Exchange) -> None:
        arrived.set()
        let_go.wait()
        exchange.send(answer(BODY))

    first: list[Usage] = []
    with HttpUsage(serve(script).url(), in_flight="/n", timeout=60) as slow:
        quick = HttpUsage(slow.url, in_flight="/n", timeout=TIMEOUT)
        # The same connection behind both: only the time allowed differs.
        quick._connection, quick._connection_pid = slow._open(), slow._connection_pid
        thread = threading.Thread(target=lambda: first.append(slow.get_usage()))
        thread.start()
        try:
            assert arrived.wait(60)
            with pytest.raises(UsageError, match=LATE):
                quick.get_usage()
        finally:
            let_go.set()
            thread.join()
    assert first == [Usage(1.0)]
