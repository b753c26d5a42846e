"""A permit around each request, from before the connection until the body is closed."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from shmlimit import AcquireTimeout, NeverAdmissible
from shmlimit.httpx import AsyncLimitedTransport, LimitedTransport, PermitTimeout
from shmlimit.transport import _Held

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from shmlimit import Limiter

URL = "http://upstream.test/"


class Chunks(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in three chunks, which says when it is closed."""

    def __init__(self, fail: bool = False) -> None:
        self.closed = 0
        self._fail = fail

    def __iter__(self) -> Iterator[bytes]:
        for number in range(3):
            if self._fail and number == 2:
                raise httpx.ReadError("cut")
            yield b"chunk"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def client(limiter: Limiter, answer: Callable[[httpx.Request], httpx.Response], **options: Any) -> httpx.Client:
    return httpx.Client(transport=LimitedTransport(limiter, httpx.MockTransport(answer), **options))


def streaming(body: Chunks, status: int = 200, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(status, stream=body, headers=headers)


def test_the_permit_is_out_while_the_request_is_and_back_when_it_is_read(limiter: Limiter) -> None:
    held = []

    def answer(_: httpx.Request) -> httpx.Response:
        held.append(limiter.status().held)
        return httpx.Response(200, text="hello")

    with client(limiter, answer) as http:
        assert http.get(URL).text == "hello"
    assert held == [1]
    assert limiter.status().held == 0


def test_a_stream_keeps_its_permit_until_it_is_closed(limiter: Limiter) -> None:
    body = Chunks()
    with client(limiter, streaming(body)) as http, http.stream("GET", URL) as response:
        assert limiter.status().held == 1
        assert next(response.iter_bytes()) == b"chunk"
        assert limiter.status().held == 1
    assert limiter.status().held == 0
    assert body.closed == 1


def test_each_chunk_is_a_touch(limiter: Limiter, monkeypatch: pytest.MonkeyPatch) -> None:
    touched = []
    touch = _Held.touch
    monkeypatch.setattr(_Held, "touch", lambda held: touched.append(touch(held)))
    with client(limiter, streaming(Chunks())) as http:
        http.get(URL)
    assert touched == [True, True, True]


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), KeyboardInterrupt()])
def test_a_request_that_fails_gives_its_permit_back(limiter: Limiter, error: BaseException) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    with client(limiter, answer) as http, pytest.raises(type(error)):
        http.get(URL)
    assert limiter.status().held == 0


def test_a_body_that_breaks_off_gives_its_permit_back(limiter: Limiter) -> None:
    with client(limiter, streaming(Chunks(fail=True))) as http, pytest.raises(httpx.ReadError):
        http.get(URL)
    assert limiter.status().held == 0


def test_a_response_that_nobody_reads_gives_its_permit_back_when_it_is_collected(limiter: Limiter) -> None:
    with client(limiter, streaming(Chunks())) as http:
        response = http.send(http.build_request("GET", URL), stream=True)
        assert limiter.status().held == 1
        del response
        gc.collect()
        assert limiter.status().held == 0


def test_options_of_the_client_and_of_one_request(limiter: Limiter) -> None:
    seen = []

    def answer(_: httpx.Request) -> httpx.Response:
        holder = limiter.status().holders[0]
        seen.append((holder.label, holder.weight, holder.priority))
        return httpx.Response(200)

    with client(limiter, answer, label="all", weight=0.5) as http:
        http.get(URL)
        http.get(URL, extensions={"shmlimit": {"weight": 2, "priority": 3}})
        with pytest.raises(TypeError, match=r"wieght.*weight"):
            http.get(URL, extensions={"shmlimit": {"wieght": 2}})
        with pytest.raises(NeverAdmissible):
            http.get(URL, extensions={"shmlimit": {"weight": 3}})
    assert seen == [("all", 0.5, 0), ("all", 2, 3)]


def test_no_permit_in_time_is_a_pool_time_out_and_nothing_is_sent(limiter: Limiter) -> None:
    limiter.limit = 0
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    with client(limiter, answer, timeout=0) as http:
        with pytest.raises(httpx.PoolTimeout) as caught:
            http.get(URL)
        assert isinstance(caught.value, PermitTimeout)
        assert isinstance(caught.value, AcquireTimeout)
        assert caught.value.request.url == URL
    assert not sent
    assert limiter.status().queued == 0


@pytest.mark.parametrize(
    ("status", "headers", "text", "limit", "paused"),
    [
        (429, {"retry-after": "0"}, "too many concurrent requests", 1, False),
        (429, {"retry-after": "60"}, "too many concurrent requests", 1, True),
        (429, {}, "too many concurrent requests", 1, True),
        (429, {"retry-after": "60"}, "requests per minute", 2, False),
        (503, {"retry-after": "60"}, "concurrency", 2, False),
        (200, {}, "concurrency", 2, False),
    ],
)
def test_only_a_refusal_for_concurrency_lowers_the_limit_and_pauses(
    limiter: Limiter, status: int, headers: dict[str, str], text: str, limit: int, paused: bool
) -> None:
    with client(limiter, lambda _: httpx.Response(status, headers=headers, text=text)) as http:
        response = http.get(URL)
    assert (response.status_code, response.text) == (status, text)
    assert (limiter.limit, limiter.status().paused) == (limit, paused)
    assert limiter.status().held == 0


def test_a_refusal_for_the_rate_is_logged_and_no_more(limiter: Limiter, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "shmlimit")
    with client(limiter, lambda _: httpx.Response(429, text="rpm")) as http:
        http.get(URL)
    assert "refusal for rate" in caplog.text


def test_a_refused_stream_can_still_be_read_whole(limiter: Limiter) -> None:
    body = Chunks()
    with client(limiter, streaming(body, 429)) as http, http.stream("GET", URL) as response:
        assert response.read() == b"chunk" * 3
    assert body.closed == 1


def test_the_rules_of_a_provider_are_its_own(limiter: Limiter) -> None:
    with client(limiter, lambda _: httpx.Response(429, headers={"retry-after": "0"}), provider="umans") as http:
        http.get(URL)
    assert limiter.limit == 1
    with pytest.raises(TypeError, match="not both"):
        LimitedTransport(limiter, provider="umans", rules=[])
    with pytest.raises(ValueError, match="retries"):
        LimitedTransport(limiter, retries=-1)


def test_retried_after_a_refusal_it_keeps_its_place(limiter: Limiter) -> None:
    limiter.limit = 1
    answers = iter([httpx.Response(429, text="concurrency", headers={"retry-after": "0"}), httpx.Response(200)])
    since = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.read() == b"body"
        since.append(limiter.status().held)
        return next(answers)

    with client(limiter, answer, retries=1) as http:
        assert http.post(URL, content=b"body").status_code == 200
    assert since == [1, 1]


def test_a_body_that_can_be_sent_only_once_is_not_retried(limiter: Limiter) -> None:
    with client(
        limiter, lambda _: httpx.Response(429, text="concurrency", headers={"retry-after": "0"}), retries=5
    ) as http:
        assert http.post(URL, content=iter([b"once"])).status_code == 429


# ---- asyncio: the same, briefly.


def asynchronous(limiter: Limiter, answer: Callable[..., Any], **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=AsyncLimitedTransport(limiter, httpx.MockTransport(answer), **options))


def test_asyncio_streams_keep_their_permits_and_never_more_than_the_limit(limiter: Limiter) -> None:
    at_work = most = 0

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.001)
        at_work -= 1
        return httpx.Response(200, stream=Chunks())

    async def main() -> None:
        async with asynchronous(limiter, answer) as http:
            async with http.stream("GET", URL) as response:
                assert limiter.status().held == 1
                assert await response.aread() == b"chunk" * 3
            assert limiter.status().held == 0
            await asyncio.gather(*(http.get(URL) for _ in range(30)))

    asyncio.run(main())
    assert most == 2


def test_asyncio_cancelled_in_the_middle_gives_the_permit_back(limiter: Limiter) -> None:
    async def main() -> None:
        inside = asyncio.Event()

        async def answer(_: httpx.Request) -> httpx.Response:
            inside.set()
            await asyncio.Event().wait()
            raise AssertionError

        async with asynchronous(limiter, answer) as http:
            task = asyncio.create_task(http.get(URL))
            await inside.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert limiter.status().held == 0

    asyncio.run(main())


def test_asyncio_refusals_time_outs_and_retries(limiter: Limiter) -> None:
    answers = iter([httpx.Response(429, text="concurrency", headers={"retry-after": "0"}), httpx.Response(200)])

    async def main() -> None:
        async with asynchronous(limiter, lambda _: next(answers), retries=1) as http:
            assert (await http.get(URL)).status_code == 200
        assert limiter.limit == 1
        with limiter.permit():
            async with asynchronous(limiter, lambda _: httpx.Response(200), timeout=0) as http:
                with pytest.raises(PermitTimeout):
                    await http.get(URL)
        async with asynchronous(limiter, streaming(Chunks(), 429)) as http, http.stream("GET", URL) as response:
            assert await response.aread() == b"chunk" * 3

    asyncio.run(main())
