"""Answers that tell the provider's count in their headers are samples, from every process, without a poller."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from shmlimit import Limiter
from shmlimit.emulate import EmulatorProcess, EmulatorSettings, summary
from shmlimit.httpx import AsyncLimitedTransport, LimitedTransport
from shmlimit.usage import HttpUsage
from tests.support.processes import Worker, hear, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

URL = "http://upstream.test/"
WORKERS = 8


@pytest.fixture
def wide(name: str) -> Limiter:
    return Limiter(name, limit=8, cooldown=0)


def elevenlabs(current: object) -> httpx.Response:
    return httpx.Response(200, headers={"current-concurrent-requests": str(current)})


def client(
    limiter: Limiter, answer: Callable[[httpx.Request], httpx.Response], provider: str = "elevenlabs"
) -> httpx.Client:
    return httpx.Client(transport=LimitedTransport(limiter, httpx.MockTransport(answer), provider=provider))


@pytest.mark.parametrize(
    ("provider", "headers"),
    [
        ("elevenlabs", {"Current-Concurrent-Requests": "4", "Maximum-Concurrent-Requests": "8"}),
        ("zenrows", {"Concurrency-Limit": "8", "Concurrency-Remaining": "4"}),
    ],
)
def test_what_an_answer_tells_beyond_our_own_is_foreign(wide: Limiter, provider: str, headers: dict[str, str]) -> None:
    with client(wide, lambda _: httpx.Response(200, headers=headers), provider) as http:
        http.get(URL)
    status = wide.status()
    assert (status.foreign, status.available) == (3, 5)
    assert (status.usage.count, status.usage.state) == (4, "live")
    assert status.poller is None


def test_asyncio_too(wide: Limiter) -> None:
    transport = AsyncLimitedTransport(wide, httpx.MockTransport(lambda _: elevenlabs(4)), provider="elevenlabs")

    async def main() -> None:
        async with httpx.AsyncClient(transport=transport) as http:
            await http.get(URL)

    asyncio.run(main())
    assert wide.status().foreign == 3


def test_a_refusal_tells_the_count_too(wide: Limiter) -> None:
    refusal = httpx.Response(429, headers={"current-concurrent-requests": "9", "retry-after": "0"})
    with client(wide, lambda _: refusal) as http:
        http.get(URL)
    assert wide.status().foreign == 7, "all but the one whose answer is the next sample"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"current-concurrent-requests": "many"},
        {"current-concurrent-requests": "-1"},
        [("current-concurrent-requests", "1"), ("current-concurrent-requests", "2")],
    ],
)
def test_without_a_usable_count_nothing_is_known(wide: Limiter, headers: Any) -> None:
    with client(wide, lambda _: httpx.Response(200, headers=headers)) as http:
        assert http.get(URL).status_code == 200
    assert wide.status().usage.state == "off"
    assert wide.status().available == 8


def test_an_absurd_count_leaves_room_for_the_one_whose_answer_is_the_next(wide: Limiter) -> None:
    with client(wide, lambda _: elevenlabs("9" * 18)) as http:
        http.get(URL)
        assert wide.status().available == 1
        http.get(URL)


def test_an_answer_to_an_older_call_changes_nothing(wide: Limiter) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/inner":
            return elevenlabs(7)
        assert http.get(URL + "inner").status_code == 200  # sent later, answered sooner
        return elevenlabs(2)

    with client(wide, answer) as http:
        # Two permits were held when the inner one was sent, one of them under way there or not.
        wide.cooldown = 0
        http.get(URL)
    assert wide.status().usage.count == 7


def test_a_limiter_that_is_polled_listens_to_its_poller_alone(name: str) -> None:
    polled = Limiter(name, limit=8, usage=HttpUsage("http://127.0.0.1:1/", in_flight="/n"))
    with client(polled, lambda _: elevenlabs(4)) as http:
        http.get(URL)
    assert polled.status().usage.count is None
    assert polled.status().foreign == 0


def test_a_provider_without_such_headers_feeds_nothing(wide: Limiter) -> None:
    with client(wide, lambda _: elevenlabs(4), "umans") as http:
        http.get(URL)
    assert wide.status().usage.state == "off"


def test_where_nobody_has_created_the_limiter_the_answer_comes_all_the_same(name: str) -> None:
    with client(Limiter(name, missing_ok=True), lambda _: elevenlabs(4)) as http:
        assert http.get(URL).status_code == 200


# ---- Many processes write at once.


def call_for(name: str, url: str, provider: str, calls: int, duration: float) -> None:
    """In a worker: one call after the other, from when all are there."""
    transport = LimitedTransport(Limiter(name), provider=provider, label=str(os.getpid()))
    with httpx.Client(base_url=url, transport=transport, timeout=60) as http:
        say("ready")
        hear()
        for _ in range(calls):
            http.post("/v1/chat/completions", json={"user": str(os.getpid()), "duration": duration, "stream": True})
    say("done")


@pytest.mark.parametrize("provider", ["elevenlabs", "zenrows"])
def test_processes_that_hear_of_others_in_answers_leave_them_their_share(
    name: str, tmp_path: Path, provider: str
) -> None:
    truth = tmp_path / "truth.jsonl"
    settings = EmulatorSettings(limit=6, foreign="steady:2", feed=provider, end_lag=0, seed=1, truth=truth)
    with EmulatorProcess(settings) as emulator, ExitStack() as stack:
        limiter = Limiter(name, limit=6)
        workers = [stack.enter_context(Worker(call_for, name, emulator.url, provider, 3, 1.0)) for _ in range(WORKERS)]
        for worker in workers:
            assert worker.hear() == "ready"
        transport = LimitedTransport(limiter, provider=provider)
        with httpx.Client(transport=transport, base_url=emulator.url) as http:
            # The first call tells of the others before the crowd comes.
            http.post("/v1/chat/completions", json={"duration": 0})
        assert limiter.status().foreign == 2
        for worker in workers:
            worker.say()
        for worker in workers:
            assert worker.hear() == "done"
        assert limiter.status().poller is None
        assert limiter.status().counters.self_heals == 0
    seen = summary(truth.read_text().splitlines())
    assert seen.peak_in_flight == 4, "what the others leave, and all of it"
    assert seen.refused == 0
    assert seen.sessions == 3 * WORKERS + 1
