"""A small upstream on loopback whose usage answer the test sets at will."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from shmlimit.usage import HttpUsage
from tests.support.processes import HANG

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self


class Upstream:
    """Answers `GET /usage`; every attribute may be changed between two requests.

    Attributes:
        count: The number reported, or a function that returns it at each request.
        more: Members of the answer besides the count.
        fault: None; a status to answer instead of 200; or "drop": the connection is closed without an answer.
        headers: Headers of the answer.
        date: Its Date; None: now.
        requests: When each request arrived, on the monotonic clock.
    """

    def __init__(self) -> None:
        self.count: object | Callable[[], object] = 0
        self.more: dict[str, object] = {}
        self.fault: int | str | None = None
        self.headers: dict[str, str] = {}
        self.date: str | None = None
        self.requests: list[float] = []
        self.answered = 0
        self._changed = threading.Condition()
        self._tickets: float = float("inf")
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/usage"

    def usage(self, **options: Any) -> HttpUsage:
        """The source that asks it."""
        return HttpUsage(self.url, in_flight="/count", **{"min_interval": 0.05, **options})

    def hold(self) -> None:
        """From now on no request is answered until a test says so."""
        with self._changed:
            self._tickets = 0

    def wait_until_held(self) -> int:
        """Wait for a request that is not answered; which one it is, from 1."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) > self.answered, HANG), "nobody asks"
            return len(self.requests)

    def answer_one(self) -> None:
        """Answer the oldest held request, or the next one."""
        with self._changed:
            self._tickets += 1
            self._changed.notify_all()

    def go_on(self) -> None:
        with self._changed:
            self._tickets = float("inf")
            self._changed.notify_all()

    def wait_for_request(self, n: int) -> float:
        """When the n-th request (from 1) arrived; waits for it."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= n, HANG), f"only {len(self.requests)} requests"
            return self.requests[n - 1]

    def wait_for_polls(self, more: int) -> None:
        """Wait until that many polls have begun and ended, and what they said has been written."""
        # A poll begins only after what the last one said was written.
        self.wait_for_request(len(self.requests) + more + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.go_on()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self) -> None:
        """A request has arrived; returns when it may be answered."""
        with self._changed:
            self.requests.append(time.monotonic())
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._tickets > 0)
            self._tickets -= 1
            self.answered += 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A poller that is killed in the middle of an exchange is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        upstream = self.server.upstream
        upstream.take()
        if upstream.fault == "drop":
            self.close_connection = True
            return
        count = upstream.count() if callable(upstream.count) else upstream.count
        body = json.dumps({"count": count, **upstream.more}).encode()
        self.send_response(upstream.fault if isinstance(upstream.fault, int) else 200)
        for name, value in upstream.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """What the library sends as the Date."""
        return self.server.upstream.date or super().date_time_string(timestamp)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the library's name)
        pass
