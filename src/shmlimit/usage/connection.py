"""One GET to a usage endpoint, over a connection that is kept for the next one.

This speaks through httpcore, the layer that httpx itself sends with: httpx's client cannot bound an exchange
as a whole, logs every URL (a key in the query included), and keeps the cookies it is given. Not having
redirects, cookies, proxies from the environment or netrc at all is surer than having turned them off.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpcore
import httpx

from shmlimit.usage.deadline import Deadline, DeadlineBackend, HostNotFound
from shmlimit.usage.reading import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shmlimit.usage.address import Address
    from shmlimit.usage.credential import Presentation


_KEEP_ALIVE = 2.0
"""Seconds an idle connection is used again: less than servers keep theirs, or a poll would now and then meet
one that is just being closed, and fail for nothing."""


_exchanging = threading.local()


def _may_be_logged(_: logging.LogRecord) -> bool:
    return not getattr(_exchanging, "now", False)


# httpcore logs response headers and malformed lines at DEBUG, and a server may give back the key in them.
# Only what our own exchanges log is dropped: other users of the library in this process keep their lines.
for _name in ("httpcore.connection", "httpcore.http11"):
    logging.getLogger(_name).addFilter(_may_be_logged)


def _never(_: bytes | bytearray) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a body is read.

    Attributes:
        most: Bytes; a longer answer is refused as soon as it is seen to be longer.
        is_enough: True of what has been read when the rest does not matter.
    """

    most: int = 64 * 1024
    is_enough: Callable[[bytes | bytearray], bool] = _never


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: The HTTP status.
        headers: Every value of each header, by its name in lower case.
        body: The body, or None when it was not wanted or could not be read.
        failure: Why a body that was wanted is None.
    """

    status: int
    headers: dict[str, list[str]] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    failure: str | None = None

    def header(self, name: str) -> str | None:
        """Return the value of a header that occurs once, else None."""
        values = self.headers.get(name, [])
        return values[0] if len(values) == 1 else None


def _certificates(ca_file: str | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # An end of the connection that the server has not announced may be anybody's, and cut the answer (see deadline.py).
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    # What SSLKEYLOGFILE names, for some other program perhaps, would let whoever saw the packets read the key.
    context.keylog_filename = None  # type: ignore[assignment]
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:
            raise UsageError(f"ca_file {ca_file!r} cannot be used: {error.strerror or error}") from None
    return context


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _describe(error: Exception) -> str:
    """Say what went wrong in our own words: a library's text may quote the request or the answer."""
    for cause in _causes(error):
        if isinstance(cause, HostNotFound):
            return str(cause)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the server's certificate is not accepted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason or 'protocol error'}"
        if isinstance(cause, OSError) and cause.strerror:
            verb = "cannot connect" if isinstance(error, httpcore.ConnectError) else "the connection was lost"
            return f"{verb}: {cause.strerror}"
    if isinstance(error, httpcore.ConnectError):
        return "cannot connect"
    return "the answer is not valid HTTP, or was cut short"


class Connection:
    """The connection of one process to one endpoint; one exchange at a time.

    Args:
        address: Where the endpoint is.
        ca_file: Path of certificates to accept besides the usual ones, or None.

    Raises:
        UsageError: *ca_file* cannot be used.
    """

    def __init__(self, address: Address, ca_file: str | None) -> None:
        self._address = address
        self._deadline = Deadline()
        self._one_at_a_time = threading.Lock()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_certificates(ca_file) if address.scheme == "https" else None,
            max_connections=1,
            keepalive_expiry=_KEEP_ALIVE,
            network_backend=DeadlineBackend(self._deadline),
        )

    def get(
        self,
        headers: dict[str, str],
        presentation: Presentation,
        *,
        with_body: frozenset[int],
        extent: Extent,
        deadline: float,
        timeout: float,
    ) -> Answer:
        """Send one GET and read its answer, blocking until *deadline* at most.

        Args:
            headers: Constant headers to send besides the usual ones.
            presentation: The secret to present.
            with_body: The statuses whose body is of interest.
            extent: How much of the body.
            deadline: The instant, on the monotonic clock, at which the exchange must be over.
            timeout: What to call the time allowed in a message, in seconds.

        Raises:
            UsageError: There is no answer; the reason holds no word of the request or of the answer.
        """
        late = f"timed out after {timeout:g} s"
        if not self._one_at_a_time.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise UsageError(late)
        try:
            self._deadline.start(deadline)
            _exchanging.now = True
            return self._exchange(headers, presentation, with_body, extent)
        except httpcore.TimeoutException:
            failure = late
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            failure = _describe(error)
        finally:
            _exchanging.now = False
            self._one_at_a_time.release()
        raise UsageError(failure)

    def _exchange(
        self, headers: dict[str, str], presentation: Presentation, with_body: frozenset[int], extent: Extent
    ) -> Answer:
        address, target = self._address, self._address.target
        if presentation.query:
            target += ("&" if "?" in target else "?") + presentation.query
        url = httpcore.URL(
            scheme=address.scheme.encode(),
            host=address.host.encode(),
            port=address.port,
            target=target.encode(),
        )
        usual = {
            "Host": address.authority,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "User-Agent": "shmlimit",
        }
        chosen = {name.lower() for name in headers} | {name.decode().lower() for name, _ in presentation.headers}
        sent = {name: value for name, value in usual.items() if name.lower() not in chosen} | headers
        lines = [(name.encode(), value.encode()) for name, value in sent.items()]
        waits = {"pool": self._deadline.remaining()}
        with self._pool.stream(
            "GET", url, headers=[*lines, *presentation.headers], extensions={"timeout": waits}
        ) as response:
            # What followed the last answer would be read as the one to this request, and be older than it.
            if not response.extensions["network_stream"].has_read:
                raise UsageError("the answer came before the request")
            received: dict[str, list[str]] = {}
            for name, value in response.headers:
                received.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
            answer = Answer(response.status, received)
            if response.status not in with_body:
                return answer
            return self._with_body(answer, response, extent)

    def _with_body(self, answer: Answer, response: httpcore.Response, extent: Extent) -> Answer:
        encoding = ", ".join(answer.headers.get("content-encoding", [])).strip().lower()
        if encoding not in {"", "identity"}:
            return Answer(answer.status, answer.headers, failure="the answer is compressed, which was not asked for")
        too_long = Answer(answer.status, answer.headers, failure=f"the answer is longer than {extent.most} bytes")
        declared = answer.header("content-length")
        if declared is not None and declared.isdecimal() and int(declared) > extent.most:
            return too_long
        body = bytearray()
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > extent.most:
                return too_long
            if extent.is_enough(body):
                break  # the rest may never come; the connection is closed with it
        return Answer(answer.status, answer.headers, bytes(body))

    def close(self) -> None:
        """Close the connection, blocking until an exchange under way in another thread is over."""
        with self._one_at_a_time:
            self._pool.close()
