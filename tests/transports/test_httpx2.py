"""The transports for httpx2 do what those for httpx do (test_transport.py shows it), with httpx2's classes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import shmlimit.httpx
from shmlimit import AcquireTimeout

if TYPE_CHECKING:
    from shmlimit import Limiter

# Needs Python 3.11; the SDKs bring it.
httpx2 = pytest.importorskip("httpx2")

URL = "http://upstream.test/"
SLOT_REFUSED = {"text": "too many concurrent requests", "headers": {"retry-after": "0"}}


def limited(limiter: Limiter, answer: Any, **options: Any) -> Any:
    from shmlimit.httpx2 import LimitedTransport

    return LimitedTransport(limiter, httpx2.MockTransport(answer), **options)


def limited_async(limiter: Limiter, answer: Any, **options: Any) -> Any:
    from shmlimit.httpx2 import AsyncLimitedTransport

    return AsyncLimitedTransport(limiter, httpx2.MockTransport(answer), **options)


def test_a_stream_keeps_its_permit_until_it_is_closed(limiter: Limiter) -> None:
    transport = limited(limiter, lambda _: httpx2.Response(200, content=iter([b"one", b"two"])))
    with httpx2.Client(transport=transport) as http, http.stream("GET", URL) as response:
        assert limiter.status().held == 1
        assert response.read() == b"onetwo"
    assert limiter.status().held == 0


def test_no_permit_in_time_is_a_pool_time_out(limiter: Limiter) -> None:
    limiter.limit = 0
    with (
        httpx2.Client(transport=limited(limiter, lambda _: httpx2.Response(200), timeout=0)) as http,
        pytest.raises(httpx2.PoolTimeout) as caught,
    ):
        http.get(URL)
    assert caught.value.request.url == URL
    assert isinstance(caught.value, AcquireTimeout)


def test_a_refusal_for_concurrency_lowers_the_limit_and_is_retried(limiter: Limiter) -> None:
    answers = iter([httpx2.Response(429, **SLOT_REFUSED), httpx2.Response(200)])
    with httpx2.Client(transport=limited(limiter, lambda _: next(answers), retries=1)) as http:
        assert http.post(URL, content=b"body").status_code == 200
    assert limiter.limit == 1


def test_asyncio_streams_refusals_and_time_outs(limiter: Limiter) -> None:
    answers = iter([httpx2.Response(429, **SLOT_REFUSED), httpx2.Response(200, text="hello")])

    async def main() -> None:
        transport = limited_async(limiter, lambda _: next(answers), retries=1, timeout=0)
        async with httpx2.AsyncClient(transport=transport) as http:
            async with http.stream("GET", URL) as response:
                assert limiter.status().held == 1
                assert await response.aread() == b"hello"
            assert limiter.status().held == 0
            with limiter.permit(), pytest.raises(httpx2.PoolTimeout):
                await http.get(URL)

    asyncio.run(main())
    assert limiter.limit == 1


def test_a_transport_for_the_other_library_says_which_to_take(limiter: Limiter) -> None:
    ours = limited(limiter, lambda _: httpx2.Response(200))
    with httpx.Client(transport=ours) as http, pytest.raises(TypeError, match=r"from shmlimit\.httpx$"):
        http.get(URL)
    theirs: Any = shmlimit.httpx.LimitedTransport(limiter)
    with httpx2.Client(transport=theirs) as http, pytest.raises(TypeError, match=r"from shmlimit\.httpx2$"):
        http.get(URL)
