"""httpx transports that hold a permit from before the connection until the response's body is closed.

    client = httpx.Client(transport=LimitedTransport(Limiter("umans"), provider="umans"))

A streamed response holds its permit until the stream has been read or closed, and each chunk is a `touch()`. Options of
one request are in its extensions: `client.get(url, extensions={"shmlimit": {"weight": 2, "label": "big"}})`, with the
arguments of `Limiter.acquire`. A refusal for concurrency (429) is reported to the limiter; others are not.

For clients of httpx2, its successor, which the openai and anthropic SDKs are built on, there is `shmlimit.httpx2`: the
same names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from shmlimit.errors import AcquireTimeout
from shmlimit.transport import AsyncLimitedStream, Gate, Library, LimitedStream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shmlimit.limiter import Limiter

__all__ = ["AsyncLimitedTransport", "LimitedTransport", "PermitTimeout"]


class PermitTimeout(AcquireTimeout, httpx.PoolTimeout):
    """No permit within the request's `timeout`; httpx, and clients built on it, take it for a pool time-out."""


class _Stream(LimitedStream, httpx.SyncByteStream):
    pass


class _AsyncStream(AsyncLimitedStream, httpx.AsyncByteStream):
    pass


_LIBRARY = Library(
    "httpx", httpx.Request, httpx.Response, httpx.ByteStream, PermitTimeout, stream=_Stream, async_stream=_AsyncStream
)


class LimitedTransport(httpx.BaseTransport):
    """Limits the requests of an httpx.Client; blocks while there is no permit.

    Args:
        limiter: Whose permits the requests need.
        transport: What sends them. None: an httpx.HTTPTransport.
        provider: Whose refusals these are ("umans"); where its answers tell its count in their headers ("elevenlabs",
            "zenrows") each is a sample too. None: generic rules, which count a 429 only if it speaks of concurrency.
        rules: Refusal rules of your own (`shmlimit.refusal`), instead of a provider's.
        retries: How often a request refused for concurrency is sent again, when the pause that this brings is over, in
            its old place in the queue. Only requests with a body that can be sent twice.
        **options: Arguments of `Limiter.acquire` for every request: weight, priority, label, timeout ...

    Raises:
        PermitTimeout: (by a request) There was no permit within its `timeout`; nothing was sent.
        TypeError: (by a request) It is another httpx's.
    """

    def __init__(
        self,
        limiter: Limiter,
        transport: httpx.BaseTransport | None = None,
        *,
        provider: str | None = None,
        rules: Sequence[Mapping[str, Any]] | None = None,
        retries: int = 0,
        **options: Any,
    ) -> None:
        self._gate = Gate(limiter, _LIBRARY, provider, rules, retries, options)
        self._transport = transport if transport is not None else httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request with a permit, which the response's stream keeps until it is closed."""
        return self._gate.send(request, self._transport)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the transport that sends; the limiter stays open."""
        self._transport.close()


class AsyncLimitedTransport(httpx.AsyncBaseTransport):
    """Limits the requests of an httpx.AsyncClient; arguments and errors as LimitedTransport. Never blocks the loop."""

    def __init__(
        self,
        limiter: Limiter,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        provider: str | None = None,
        rules: Sequence[Mapping[str, Any]] | None = None,
        retries: int = 0,
        **options: Any,
    ) -> None:
        self._gate = Gate(limiter, _LIBRARY, provider, rules, retries, options)
        self._transport = transport if transport is not None else httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request with a permit, which the response's stream keeps until it is closed."""
        return await self._gate.send_async(request, self._transport)  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        """Close the transport that sends; the limiter stays open."""
        await self._transport.aclose()
