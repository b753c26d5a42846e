"""An HTTP server on loopback that answers exactly the bytes a test wants, well-formed or not."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self


def answer(
    body: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    length: int | str | None = None,
) -> bytes:
    """A whole HTTP answer; the body is bytes, or anything JSON can write."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content) if length is None else length}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


class HangUp(Exception):
    """Raised by a script to close the connection at once."""


class Exchange:
    """One request that has arrived, and the means to answer it."""

    def __init__(self, connection: socket.socket, head: str, stop: threading.Event) -> None:
        self._connection = connection
        self._stop = stop
        self.head = head
        self.sent_all = False

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            found, _, value = line.partition(":")
            if found.lower() == name.lower():
                return value.strip()
        return None

    @property
    def target(self) -> str:
        return self.head.split(" ")[1]

    def send(self, content: bytes) -> None:
        self._connection.sendall(content)

    def drip(self, content: bytes, *, pause: float) -> None:
        """Send a byte at a time, until all is sent; hang up when the server is closed."""
        for byte in content:
            if self._stop.wait(pause):
                raise HangUp
            self.send(bytes([byte]))
        self.sent_all = True

    def hold(self) -> None:
        """Send nothing for 10 seconds, or until the server is closed."""
        self._stop.wait(10)

    def wait_for_the_end(self) -> None:
        """Send nothing until the other side has hung up, or the server is closed."""
        while self._connection.recv(4096):
            pass
        raise HangUp

    def reset(self) -> None:
        """Close the connection so that the other side is told of an error."""
        reset(self._connection)
        raise HangUp


Script = Callable[[Exchange], object]


def reset(connection: socket.socket) -> None:
    """Let the next close of the connection be an abortive one."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def always(content: bytes) -> Script:
    """Answer every request with the same bytes."""
    return lambda exchange: exchange.send(content)


def shut(connection: socket.socket) -> None:
    """End a connection that another thread may be using, for that thread to find out."""
    with contextlib.suppress(OSError):
        # An encrypted one's own method would take its means from under that thread.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class HostileServer:
    """Runs a script for each request; a connection stays open for the next one unless the script hangs up.

    Attributes:
        script: What to do with a request; may be changed between two.
        exchanges: The requests that have arrived.
        connections: How many connections were accepted.
    """

    def __init__(self, script: Script, host: str = "127.0.0.1", port: int = 0) -> None:
        self.script = script
        self._stop = threading.Event()
        self._listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.exchanges: list[Exchange] = []
        self.connections = 0

    @property
    def port(self) -> int:
        port = self._listener.getsockname()[1]
        assert isinstance(port, int)
        return port

    def url(self, path: str = "/v1/usage") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for opened in (self._listener, *self._open):
            shut(opened)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self.connections += 1
            self._start(lambda connection=connection: self._serve(connection))  # type: ignore[misc]

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, HangUp):
            while not self._stop.is_set():
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    received = connection.recv(1)
                    if not received:
                        return
                    head += received
                exchange = Exchange(connection, head.decode("latin-1"), self._stop)
                self.exchanges.append(exchange)
                self.script(exchange)
