"""As `shmlimit.httpx`, for httpx2, on which `anthropic` (from version 1) and `openai` (from version 3) are built.

    client = anthropic.Anthropic(http_client=httpx2.Client(transport=LimitedTransport(Limiter("anthropic", limit=4))))

The names and their arguments are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2

from shmlimit.errors import AcquireTimeout
from shmlimit.transport import AsyncLimitedStream, Gate, Library, LimitedStream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shmlimit.limiter import Limiter

__all__ = ["AsyncLimitedTransport", "LimitedTransport", "PermitTimeout"]


class PermitTimeout(AcquireTimeout, httpx2.PoolTimeout):
    """No permit within the request's `timeout`; httpx2, and clients built on it, take it for a pool time-out."""


class _Stream(LimitedStream, httpx2.SyncByteStream):
    pass


class _AsyncStream(AsyncLimitedStream, httpx2.AsyncByteStream):
    pass


_LIBRARY = Library(
    "httpx2",
    httpx2.Request,
    httpx2.Response,
    httpx2.ByteStream,
    PermitTimeout,
    stream=_Stream,
    async_stream=_AsyncStream,
)


class LimitedTransport(httpx2.BaseTransport):
    """Limits the requests of an httpx2.Client; arguments and errors as `shmlimit.httpx.LimitedTransport`."""

    def __init__(
        self,
        limiter: Limiter,
        transport: httpx2.BaseTransport | None = None,
        *,
        provider: str | None = None,
        rules: Sequence[Mapping[str, Any]] | None = None,
        retries: int = 0,
        **options: Any,
    ) -> None:
        self._gate = Gate(limiter, _LIBRARY, provider, rules, retries, options)
        self._transport = transport if transport is not None else httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request with a permit, which the response's stream keeps until it is closed."""
        return self._gate.send(request, self._transport)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the transport that sends; the limiter stays open."""
        self._transport.close()


class AsyncLimitedTransport(httpx2.AsyncBaseTransport):
    """Limits the requests of an httpx2.AsyncClient; arguments and errors as LimitedTransport. Never blocks the loop."""

    def __init__(
        self,
        limiter: Limiter,
        transport: httpx2.AsyncBaseTransport | None = None,
        *,
        provider: str | None = None,
        rules: Sequence[Mapping[str, Any]] | None = None,
        retries: int = 0,
        **options: Any,
    ) -> None:
        self._gate = Gate(limiter, _LIBRARY, provider, rules, retries, options)
        self._transport = transport if transport is not None else httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request with a permit, which the response's stream keeps until it is closed."""
        return await self._gate.send_async(request, self._transport)  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        """Close the transport that sends; the limiter stays open."""
        await self._transport.aclose()
