"""httpx transports that hold a permit from before the connection until the response's body is closed.

    client = httpx.Client(transport=LimitedTransport(Limiter("umans"), provider="umans"))
    openai.OpenAI(http_client=httpx.Client(transport=LimitedTransport(limiter)))

A streamed response holds its permit until the stream has been read or closed, and each chunk is a `touch()`. Options of
one request are in its extensions: `client.get(url, extensions={"shmlimit": {"weight": 2, "label": "big"}})`, with the
arguments of `Limiter.acquire`. A refusal for concurrency (429) is reported to the limiter; others are not.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import httpx

from shmlimit.errors import AcquireTimeout
from shmlimit.refusal import BODY_MAX, GENERIC_RULES, STATUSES, Classifier, Refusal
from shmlimit.usage.catalogue import refusal_rules
from shmlimit.usage.moment import parse_retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from shmlimit._core import Permit
    from shmlimit.limiter import Limiter

__all__ = ["AsyncLimitedTransport", "LimitedTransport", "PermitTimeout"]

_log = logging.getLogger("shmlimit")
_OPTIONS = frozenset({"timeout", "weight", "priority", "since", "label", "on_queued"})


class PermitTimeout(AcquireTimeout, httpx.PoolTimeout):
    """No permit within the request's `timeout`; httpx, and clients built on it, take it for a pool time-out."""


class _Gate:
    """What both transports do alike: a request's options, and what to make of an answer."""

    def __init__(
        self,
        limiter: Limiter,
        provider: str | None,
        rules: Sequence[Mapping[str, Any]] | None,
        retries: int,
        options: dict[str, Any],
    ) -> None:
        if provider is not None and rules is not None:
            raise TypeError("give the provider or the rules, not both")
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise ValueError(f"retries must be a whole number from 0, not {retries!r}")
        if rules is None:
            rules = refusal_rules(provider) if provider is not None else GENERIC_RULES
        self.limiter = limiter
        self.retries = retries
        self._classifier = Classifier(rules)
        self._options = _checked(options)

    def options_of(self, request: httpx.Request) -> dict[str, Any]:
        """The arguments of acquire for one request; `since` is fixed, so that a retry keeps its place."""
        own = request.extensions.get("shmlimit", {})
        return {"since": time.time(), **self._options, **_checked(own)}

    def may_retry(self, request: httpx.Request, tries: int) -> bool:
        """Whether the request can be sent once more: a body that is an iterator is used up."""
        return tries < self.retries and isinstance(request.stream, httpx.ByteStream)

    def refusal(self, response: httpx.Response, body: bytes, permit: Permit) -> Refusal | None:
        """Tell the limiter of an answer that refused the call for concurrency."""
        kind = self._classifier.classify(response.status_code, response.headers, body)
        if kind is Refusal.CONCURRENCY:
            wait = parse_retry_after(
                response.headers.get("retry-after"), date=response.headers.get("date"), now=time.time()
            )
            self.limiter.report_429(wait, permit)
        elif kind is not None:
            _log.info("%s: HTTP %d, a refusal for %s", response.request.url.host, response.status_code, kind.value)
        return kind


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(set(options) - _OPTIONS):
        raise TypeError(f"unknown shmlimit option {unknown[0]!r}: known are {', '.join(sorted(_OPTIONS))}")
    return dict(options)


def _timed_out(error: AcquireTimeout, request: httpx.Request) -> PermitTimeout:
    timed_out = PermitTimeout(str(error))
    timed_out.request = request
    return timed_out


class _Held:
    """A permit that goes when its stream is closed, or nobody has the stream any more."""

    def __init__(self, permit: Permit) -> None:
        self._permit = permit

    def touch(self) -> bool:
        return self._permit.touch()

    def let_go(self) -> None:
        self._permit.release()

    def __del__(self) -> None:
        self._permit.release()


class _LimitedStream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, held: _Held) -> None:
        self._stream = stream
        self._held = held

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._held.touch()
            yield chunk

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._held.let_go()


class _AsyncLimitedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, held: _Held) -> None:
        self._stream = stream
        self._held = held

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._held.touch()
            yield chunk

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._held.let_go()


class _Reread(httpx.SyncByteStream):
    """A stream of which the first chunks have been read already."""

    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream
        self._rest = iter(stream)
        self._chunks: list[bytes] = []

    def start(self) -> bytes:
        for chunk in self._rest:
            self._chunks.append(chunk)
            if sum(map(len, self._chunks)) >= BODY_MAX:
                break
        return b"".join(self._chunks)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        yield from self._rest

    def close(self) -> None:
        self._stream.close()


class _AsyncReread(httpx.AsyncByteStream):
    """A stream of which the first chunks have been read already."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream
        self._rest = stream.__aiter__()
        self._chunks: list[bytes] = []

    async def start(self) -> bytes:
        async for chunk in self._rest:
            self._chunks.append(chunk)
            if sum(map(len, self._chunks)) >= BODY_MAX:
                break
        return b"".join(self._chunks)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
        async for chunk in self._rest:
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def _with_stream(response: httpx.Response, stream: Any) -> httpx.Response:
    return httpx.Response(response.status_code, headers=response.headers, stream=stream, extensions=response.extensions)


class LimitedTransport(httpx.BaseTransport):
    """Limits the requests of an httpx.Client; blocks while there is no permit.

    Args:
        limiter: Whose permits the requests need.
        transport: What sends them. None: an httpx.HTTPTransport.
        provider: The preset whose refusals are known ("umans"). None: generic rules, which count a 429 only if it
            speaks of concurrency.
        rules: Refusal rules of your own (`shmlimit.refusal`), instead of a provider's.
        retries: How often a request refused for concurrency is sent again, when the pause that this brings is over, in
            its old place in the queue. Only requests with a body that can be sent twice.
        **options: Arguments of `Limiter.acquire` for every request: weight, priority, label, timeout ...

    Raises:
        PermitTimeout: (by a request) There was no permit within its `timeout`; nothing was sent.
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
        self._gate = _Gate(limiter, provider, rules, retries, options)
        self._transport = transport if transport is not None else httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request with a permit, which the response's stream keeps until it is closed."""
        options = self._gate.options_of(request)
        tries = 0
        while True:
            response, kind = self._send(request, options)
            if kind is not Refusal.CONCURRENCY or not self._gate.may_retry(request, tries):
                return response
            response.close()
            tries += 1

    def _send(self, request: httpx.Request, options: dict[str, Any]) -> tuple[httpx.Response, Refusal | None]:
        try:
            permit = self._gate.limiter.acquire(**options)
        except AcquireTimeout as error:
            raise _timed_out(error, request) from None
        try:
            response = self._transport.handle_request(request)
            response.request = request
            if response.status_code not in STATUSES:
                return _with_stream(response, _LimitedStream(response.stream, _Held(permit))), None  # type: ignore[arg-type]
            rest = _Reread(response.stream)  # type: ignore[arg-type]
            kind = self._gate.refusal(response, rest.start(), permit)
            return _with_stream(response, _LimitedStream(rest, _Held(permit))), kind
        except BaseException:
            permit.release()
            raise

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
        self._gate = _Gate(limiter, provider, rules, retries, options)
        self._transport = transport if transport is not None else httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request with a permit, which the response's stream keeps until it is closed."""
        options = self._gate.options_of(request)
        tries = 0
        while True:
            response, kind = await self._send(request, options)
            if kind is not Refusal.CONCURRENCY or not self._gate.may_retry(request, tries):
                return response
            await response.aclose()
            tries += 1

    async def _send(self, request: httpx.Request, options: dict[str, Any]) -> tuple[httpx.Response, Refusal | None]:
        try:
            permit = await self._gate.limiter.acquire_async(**options)
        except AcquireTimeout as error:
            raise _timed_out(error, request) from None
        try:
            response = await self._transport.handle_async_request(request)
            response.request = request
            if response.status_code not in STATUSES:
                return _with_stream(response, _AsyncLimitedStream(response.stream, _Held(permit))), None  # type: ignore[arg-type]
            rest = _AsyncReread(response.stream)  # type: ignore[arg-type]
            kind = self._gate.refusal(response, await rest.start(), permit)
            return _with_stream(response, _AsyncLimitedStream(rest, _Held(permit))), kind
        except BaseException:
            permit.release()
            raise

    async def aclose(self) -> None:
        """Close the transport that sends; the limiter stays open."""
        await self._transport.aclose()
