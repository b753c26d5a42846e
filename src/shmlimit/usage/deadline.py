"""A network layer on which one deadline bounds a whole exchange.

HTTP clients bound each read and each connect on its own, so an upstream that sends a byte now and then is
never late. Here every call that may block gets only what is left of the exchange's time.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import httpcore

from shmlimit.usage.address import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_ADDRESSES = 8


class Deadline:
    """The instant at which the exchange under way must be over."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def start(self, at: float) -> None:
        """Set the instant, on the monotonic clock, for the next exchange."""
        self._at = at

    def remaining(self) -> float:
        """Return the seconds left, more than 0, without blocking.

        Raises:
            httpcore.TimeoutException: Nothing is left.
        """
        left = self._at - time.monotonic()
        if left <= 0:
            raise httpcore.TimeoutException
        return left


class HostNotFound(httpcore.ConnectError):
    """The host's name leads to no address that may be used."""


def _look_up(host: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _resolve(host: str, port: int, deadline: Deadline) -> list[str]:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return [host]
    # getaddrinfo() takes no time-out. The thread is left behind when it is late, and ends with its look-up.
    found: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(_look_up(host, port))
        except (OSError, UnicodeError) as error:
            found.put(error if isinstance(error, OSError) else OSError(str(error)))

    threading.Thread(target=look_up, name="shmlimit-resolve", daemon=True).start()
    try:
        answer = found.get(timeout=deadline.remaining())
    except queue.Empty:
        raise httpcore.ConnectTimeout from None
    if isinstance(answer, OSError):
        raise HostNotFound(f"the host name {host} cannot be resolved")
    addresses = list(dict.fromkeys(answer))[:_MAX_ADDRESSES]
    if host == "localhost":
        # Plain http is allowed to this name, so it must not lead elsewhere.
        addresses = [address for address in addresses if is_loopback(address)]
    if not addresses:
        raise HostNotFound(f"the host name {host} has no usable address")
    return addresses


class DeadlineStream(httpcore.NetworkStream):
    """A connection whose every call is bounded by the deadline, whatever time-out it is given.

    Args:
        stream: The connection underneath.
        deadline: The deadline of whatever exchange uses the connection at the time.

    Attributes:
        has_read: Whether anything was read since the last write.
    """

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline
        self.has_read = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has arrived, blocking until the deadline at most; *timeout* is not used."""
        self.has_read = True
        return self._stream.read(max_bytes, self._deadline.remaining())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send the whole buffer, blocking until the deadline at most; *timeout* is not used."""
        self.has_read = False
        self._stream.write(buffer, self._deadline.remaining())

    def close(self) -> None:
        """Close the connection underneath, without blocking."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return the connection under TLS, blocking until the deadline at most; *timeout* is not used."""
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.remaining())
        encrypted = stream.get_extra_info("socket")
        if isinstance(encrypted, ssl.SSLSocket):
            # An end that the server has not announced is then an error, not the end of the answer.
            encrypted.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        return DeadlineStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection underneath knows about itself, without blocking."""
        return self._stream.get_extra_info(info)


class DeadlineBackend(httpcore.NetworkBackend):
    """Opens connections within the deadline: the look-up of the name, and every address that is tried.

    Args:
        deadline: The deadline of the exchange under way.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers, blocking until the deadline at most.

        *timeout* is not used.
        """
        addresses = _resolve(host, port, self._deadline)
        options = list(socket_options or ())
        for position, address in enumerate(addresses):
            # An address that swallows packets must leave time for the ones after it.
            share = self._deadline.remaining() / (len(addresses) - position)
            try:
                stream = self._sockets.connect_tcp(address, port, share, local_address, options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(addresses) - 1:
                    raise
            else:
                return DeadlineStream(stream, self._deadline)
        raise HostNotFound(f"the host name {host} has no usable address")
