"""One HTTP request under a permit, for whichever httpx: what the transports of `httpx` and `httpx2` have in common.

Nothing here imports either. A `Library` says which classes a transport's requests and answers are made of.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shmlimit.errors import AcquireTimeout
from shmlimit.feed import Feed
from shmlimit.refusal import BODY_MAX, GENERIC_RULES, STATUSES, Classifier, Refusal
from shmlimit.usage.catalogue import feed_settings, refusal_rules
from shmlimit.usage.moment import parse_retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from shmlimit._core import Permit
    from shmlimit.feed import Sight
    from shmlimit.limiter import Limiter

_log = logging.getLogger("shmlimit")
_OPTIONS = frozenset({"timeout", "weight", "priority", "since", "label", "on_queued"})


@dataclass(frozen=True)
class Library:
    """The classes of one httpx, and those that we derive from them."""

    name: str
    request: Any
    response: Any
    byte_stream: Any
    """A request's body that can be sent twice."""
    permit_timeout: type[AcquireTimeout]
    stream: type[LimitedStream]
    async_stream: type[AsyncLimitedStream]


class Gate:
    """Sends requests, each with a permit, which the response's stream keeps until it is closed."""

    def __init__(
        self,
        limiter: Limiter,
        library: Library,
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
        self._limiter = limiter
        self._library = library
        self._retries = retries
        self._classifier = Classifier(rules)
        fed = None if provider is None else feed_settings(provider)
        self._feed = None if fed is None else Feed(**fed)
        self._options = _checked(options)

    def send(self, request: Any, transport: Any) -> Any:
        """Send a request and return its response, blocking while there is no permit."""
        options = self._options_of(request)
        for tries_left in range(self._retries, -1, -1):
            response, kind = self._send(request, transport, options)
            if not (tries_left and self._may_retry(request, kind)):
                break
            response.close()
        return response

    async def send_async(self, request: Any, transport: Any) -> Any:
        """Send a request and return its response, without blocking the event loop."""
        options = self._options_of(request)
        for tries_left in range(self._retries, -1, -1):
            response, kind = await self._send_async(request, transport, options)
            if not (tries_left and self._may_retry(request, kind)):
                break
            await response.aclose()
        return response

    def _send(self, request: Any, transport: Any, options: dict[str, Any]) -> tuple[Any, Refusal | None]:
        try:
            permit = self._limiter.acquire(**options)
        except AcquireTimeout as error:
            raise self._timed_out(error, request) from None
        try:
            sight = self._look(permit)
            response = transport.handle_request(request)
            response.request = request
            self._report(sight, response)
            stream, kind = response.stream, None
            if response.status_code in STATUSES:
                stream = _Reread(stream)
                kind = self._refusal(response, stream.start(), permit)
            return self._with_stream(response, self._library.stream(stream, permit)), kind
        except BaseException:
            permit.release()
            raise

    async def _send_async(self, request: Any, transport: Any, options: dict[str, Any]) -> tuple[Any, Refusal | None]:
        try:
            permit = await self._limiter.acquire_async(**options)
        except AcquireTimeout as error:
            raise self._timed_out(error, request) from None
        try:
            sight = self._look(permit)
            response = await transport.handle_async_request(request)
            response.request = request
            self._report(sight, response)
            stream, kind = response.stream, None
            if response.status_code in STATUSES:
                stream = _AsyncReread(stream)
                kind = self._refusal(response, await stream.start(), permit)
            return self._with_stream(response, self._library.async_stream(stream, permit)), kind
        except BaseException:
            permit.release()
            raise

    def _options_of(self, request: Any) -> dict[str, Any]:
        """The arguments of acquire for one request; `since` is fixed, so that a retry keeps its place."""
        if not isinstance(request, self._library.request):
            theirs = type(request).__module__.partition(".")[0]
            raise TypeError(
                f"a transport of shmlimit.{self._library.name} was given to a client of {theirs}, "
                f"not {self._library.name}: take the transport from shmlimit.{theirs}"
            )
        own = request.extensions.get("shmlimit", {})
        return {"since": time.time(), **self._options, **_checked(own)}

    def _look(self, permit: Permit) -> Sight | None:
        return None if self._feed is None else self._feed.look(self._limiter, permit)

    def _report(self, sight: Sight | None, response: Any) -> None:
        if self._feed is not None and sight is not None:
            headers = {name.lower(): response.headers.get_list(name) for name in response.headers}
            self._feed.report(self._limiter, sight, headers)

    def _may_retry(self, request: Any, kind: Refusal | None) -> bool:
        """Whether to send the request once more: a body that is an iterator is used up."""
        return kind is Refusal.CONCURRENCY and isinstance(request.stream, self._library.byte_stream)

    def _refusal(self, response: Any, body: bytes, permit: Permit) -> Refusal | None:
        """Tell the limiter of an answer that refused the call for concurrency."""
        kind = self._classifier.classify(response.status_code, response.headers, body)
        if kind is Refusal.CONCURRENCY:
            wait = parse_retry_after(
                response.headers.get("retry-after"), date=response.headers.get("date"), now=time.time()
            )
            self._limiter.report_429(wait, permit)
        elif kind is not None:
            _log.info("%s: HTTP %d, a refusal for %s", response.request.url.host, response.status_code, kind.value)
        return kind

    def _timed_out(self, error: AcquireTimeout, request: Any) -> AcquireTimeout:
        timed_out: Any = self._library.permit_timeout(str(error))
        timed_out.request = request
        return timed_out  # type: ignore[no-any-return]

    def _with_stream(self, response: Any, stream: LimitedStream | AsyncLimitedStream) -> Any:
        return self._library.response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(set(options) - _OPTIONS):
        raise TypeError(f"unknown shmlimit option {unknown[0]!r}: known are {', '.join(sorted(_OPTIONS))}")
    return dict(options)


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


class LimitedStream:
    """A response's body with a permit; each chunk is a `touch()`."""

    def __init__(self, stream: Any, permit: Permit) -> None:
        self._stream = stream
        self._held = _Held(permit)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._held.touch()
            yield chunk

    def close(self) -> None:
        """Close the body and give the permit back."""
        try:
            self._stream.close()
        finally:
            self._held.let_go()


class AsyncLimitedStream:
    """A response's body with a permit, for asyncio; each chunk is a `touch()`."""

    def __init__(self, stream: Any, permit: Permit) -> None:
        self._stream = stream
        self._held = _Held(permit)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._held.touch()
            yield chunk

    async def aclose(self) -> None:
        """Close the body and give the permit back."""
        try:
            await self._stream.aclose()
        finally:
            self._held.let_go()


class _Reread:
    """A stream of which the first chunks have been read already."""

    def __init__(self, stream: Any) -> None:
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


class _AsyncReread:
    """A stream of which the first chunks have been read already."""

    def __init__(self, stream: Any) -> None:
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
