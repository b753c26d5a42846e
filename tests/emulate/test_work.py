from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from shmlimit.emulate import EmulatorProcess

from .conftest import GUARD, Upstream, work_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import StartUpstream

# Longer than any test: what ends such a session is what the test does.
ENDLESS = 3600.0


def test_a_stream_holds_its_slot_to_the_last_byte(upstream: StartUpstream) -> None:
    up = upstream(limit=1, end_lag=0)
    with up.client.stream("POST", "/v1/chat/completions", json=work_body(1.0, stream=True)) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines).startswith("data: {")
        assert up.truth()["working"] == 1
        assert up.work(0).status_code == 429
        events = [line.removeprefix("data: ") for line in lines if line]
    # No waiting here: a client that has read the last byte finds its session ended.
    assert up.truth()["working"] == 0
    assert up.work(0).status_code == 200
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert len(chunks) >= 3
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    start, end = up.events("start")[0], up.events("end")[0]
    assert end["t"] - start["t"] >= 1.0
    assert end["outcome"] == "completed"


def test_messages_are_answered_and_refused_in_their_own_words_and_count_with_the_others(
    upstream: StartUpstream,
) -> None:
    up = upstream(limit=1, end_lag=0)
    body = {"model": "m", "max_tokens": 8, "messages": [], "metadata": {"user_id": "worker 7"}}
    whole = up.client.post("/v1/messages", json={**body, "duration": 0})
    assert (whole.json()["type"], whole.json()["content"][0]["text"]) == ("message", "Done.")
    assert up.events("start")[0]["worker"] == "worker 7"
    with up.client.stream("POST", "/v1/messages", json={**body, "duration": 1.0, "stream": True}) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: message_start"
        assert up.work(0).status_code == 429
        refused = up.client.post("/v1/messages", json=body)
        assert refused.status_code == 429
        assert refused.json()["error"]["type"] == "rate_limit_error"
        events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert up.truth()["working"] == 0


def test_an_answer_in_one_piece_holds_its_slot_for_its_duration(upstream: StartUpstream) -> None:
    up = upstream(limit=1, end_lag=0)
    answer = up.work(0.3, user="worker 7")
    assert answer.json()["object"] == "chat.completion"
    assert answer.json()["choices"][0]["finish_reason"] == "stop"
    assert up.truth()["working"] == 0
    (start,), (end,) = up.events("start"), up.events("end")
    assert end["t"] - start["t"] >= 0.3
    assert end["lasted"] == pytest.approx(end["t"] - start["t"])
    assert (start["worker"], start["own"], end["worker"]) == ("worker 7", True, "worker 7")


def test_a_session_that_names_no_duration_gets_one_from_the_distribution(upstream: StartUpstream) -> None:
    up = upstream(limit=8, session_median=0.02, end_lag=0)
    for _ in range(5):
        assert up.client.post("/v1/chat/completions", json={}).status_code == 200
    lasted = [end["lasted"] for end in up.events("end")]
    assert all(seconds > 0 for seconds in lasted)
    assert len(set(lasted)) == 5


def test_the_first_byte_comes_no_sooner_than_asked(upstream: StartUpstream) -> None:
    up = upstream(first_byte=0.4)
    began = time.monotonic()
    with up.client.stream("POST", "/v1/chat/completions", json=work_body(0.5, stream=True)) as answer:
        assert answer.status_code == 200
        assert time.monotonic() - began >= 0.4


def test_a_start_at_the_cap_is_refused_with_429_and_retry_after(upstream: StartUpstream) -> None:
    up = upstream(limit=1)
    with up.client.stream("POST", "/v1/chat/completions", json=work_body(ENDLESS, stream=True)):
        refused = up.work(0, user="late")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["code"] == "rate_limit_concurrency"
    (record,) = up.events("refused")
    assert (record["worker"], record["own"], record["status"]) == ("late", True, 429)
    assert record["counted"] == record["hard_cap"] == 1


@pytest.mark.parametrize("choice", ["none", "absurd", "date"])
def test_retry_after_can_be_missing_absurd_or_a_date(upstream: StartUpstream, choice: str) -> None:
    up = upstream(limit=1, retry_after=choice)
    with up.client.stream("POST", "/v1/chat/completions", json=work_body(ENDLESS, stream=True)):
        value = up.work(0).headers.get("retry-after")
    if choice == "none":
        assert value is None
    elif choice == "absurd":
        assert value == "10000000000"
    else:
        assert value is not None
        assert parsedate_to_datetime(value).timestamp() > 1_700_000_000


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_killed_mid_call_frees_its_slot(upstream: StartUpstream, stream: bool) -> None:
    up = upstream(limit=1, end_lag=0)
    program = (
        "import httpx, json, sys\n"
        "url, body = sys.argv[1], json.loads(sys.argv[2])\n"
        "with httpx.stream('POST', url + '/v1/chat/completions', json=body, timeout=None) as answer:\n"
        "    for line in answer.iter_lines(): print(line, flush=True)\n"
    )
    body = json.dumps(work_body(ENDLESS, stream=stream, user="victim"))
    victim = subprocess.Popen([sys.executable, "-c", program, up.emulator.url, body], stdout=subprocess.PIPE, text=True)
    with victim:
        try:
            if stream:
                assert victim.stdout is not None
                assert victim.stdout.readline().startswith("data: ")
            assert up.until(lambda truth: truth["working"] == 1)["own_working"] == 1
        finally:
            victim.send_signal(signal.SIGKILL)
    up.until(lambda truth: truth["working"] == 0)
    (end,) = up.events("end")
    assert (end["outcome"], end["worker"]) == ("aborted", "victim")
    assert up.truth()["aborted"] == 1
    assert up.work(0).status_code == 200


def test_a_client_killed_before_the_first_byte_frees_its_slot(upstream: StartUpstream) -> None:
    up = upstream(limit=1, end_lag=0, first_byte=ENDLESS)
    body = json.dumps(work_body(ENDLESS, stream=True)).encode()
    with raw_connection(up.emulator.url) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        up.until(lambda truth: truth["working"] == 1)
    up.until(lambda truth: truth["working"] == 0)


def test_a_client_that_goes_before_its_body_is_complete_starts_nothing(upstream: StartUpstream) -> None:
    up = upstream()
    with raw_connection(up.emulator.url) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert up.work(0).status_code == 200
    assert len(up.events("start")) == 1


def test_an_ended_session_is_counted_until_it_leaves(upstream: StartUpstream) -> None:
    up = upstream(limit=4, end_lag=0.2)
    for _ in range(3):
        up.work(0)
    up.until(lambda truth: truth["counted"] == 0)
    ends = {event["id"]: event for event in up.events("end")}
    leaves = {event["id"]: event for event in up.events("leave")}
    assert ends.keys() == leaves.keys() == {1, 2, 3}
    for number, end in ends.items():
        assert end["counted"] > end["working"] == 0
        assert leaves[number]["t"] > end["t"]


def test_an_aborted_session_is_counted_until_it_leaves(upstream: StartUpstream) -> None:
    up = upstream(end_lag=0.3)
    with up.client.stream("POST", "/v1/chat/completions", json=work_body(ENDLESS, stream=True)):
        pass
    up.until(lambda truth: truth["working"] == 0 and truth["counted"] == 0)
    assert [event["event"] for event in up.events()] == ["begin", "start", "end", "leave"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 200_000,
        b'{"duration": -1}',
        b'{"duration": "1"}',
        b'{"duration": true}',
        b'{"duration": NaN}',
        b'{"duration": Infinity}',
        b'{"duration": 1' + b"0" * 1000 + b"}",
        b'{"stream": 1}',
        b'{"user": 5}',
        b'{"model": []}',
    ],
)
def test_an_unusable_request_is_answered_400_and_starts_nothing(work_upstream: Upstream, body: bytes) -> None:
    answer = work_upstream.client.post("/v1/chat/completions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert work_upstream.truth()["started"] == 0


def test_an_oversized_request_is_refused_and_starts_nothing(work_upstream: Upstream) -> None:
    answer = work_upstream.client.post("/v1/chat/completions", content=b" " * (8 * 1024 * 1024 + 1))
    assert answer.status_code == 413
    assert work_upstream.truth()["started"] == 0


def test_unknown_routes_and_methods_are_refused(work_upstream: Upstream) -> None:
    assert work_upstream.client.get("/v1/nothing").status_code == 404
    assert work_upstream.client.get("/v1/chat/completions").status_code == 405
    assert work_upstream.client.get("/healthz").json() == {"status": "ok"}


@pytest.fixture(scope="module")
def work_upstream() -> Iterator[Upstream]:
    """One emulator for the tests that start no session."""
    with (
        EmulatorProcess() as emulator,
        httpx.Client(base_url=emulator.url, timeout=GUARD, trust_env=False) as client,
    ):
        yield Upstream(emulator, client)


def test_sixty_four_streams_run_at_once_and_the_next_is_refused(upstream: StartUpstream) -> None:
    up = upstream(limit=64, end_lag=0)

    async def one(client: httpx.AsyncClient, all_open: Gate) -> int:
        async with client.stream("POST", "/v1/chat/completions", json=work_body(ENDLESS, stream=True)) as answer:
            async for _ in answer.aiter_lines():
                await all_open.wait()
                break
        return answer.status_code

    async def all_of_them() -> tuple[list[int], int]:
        gate = Gate(64)
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=up.emulator.url, timeout=GUARD, limits=limits, trust_env=False) as client:
            streams = [asyncio.ensure_future(one(client, gate)) for _ in range(64)]
            await gate.all_here.wait()
            late = await client.post("/v1/chat/completions", json=work_body(0, stream=False))
            gate.leave.set()
            return await asyncio.gather(*streams), late.status_code

    statuses, late = asyncio.run(all_of_them())
    assert statuses == [200] * 64
    assert late == 429
    assert up.until(lambda truth: truth["working"] == 0)["peak_own_working"] == 64


class Gate:
    """Lets nobody pass until everybody is here and somebody opens it."""

    def __init__(self, size: int) -> None:
        self.missing = size
        self.all_here = asyncio.Event()
        self.leave = asyncio.Event()

    async def wait(self) -> None:
        self.missing -= 1
        if self.missing == 0:
            self.all_here.set()
        await self.leave.wait()


def raw_connection(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=GUARD)


@pytest.mark.parametrize(
    ("whim", "status", "kind"), [("edge", 429, "edge"), ("busy", 429, "busy"), ("overload", 503, "overloaded")]
)
def test_a_whim_refuses_work_for_which_there_is_room(
    upstream: StartUpstream, whim: str, status: int, kind: str
) -> None:
    up = upstream(**{whim: 1.0})
    answer = up.work(0)
    assert answer.status_code == status
    assert ("cf-ray" in answer.headers) is (whim == "edge")
    assert [event["kind"] for event in up.events("whim")] == [kind]
    assert (up.events("start"), up.events("refused")) == ([], [])
    mode = up.client.get("/v1/usage").json()["usage"]["service_mode"]["current"]
    assert mode == ("low_interactivity" if whim == "overload" else "interactive")


def test_what_the_queue_has_room_for_waits_and_comes_in_by_turns(upstream: StartUpstream) -> None:
    up = upstream(limit=1, end_lag=0, queue_depth=8)

    async def main() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=up.emulator.url, timeout=GUARD, trust_env=False) as client:
            posts = [client.post("/v1/chat/completions", json=work_body(0.05, stream=False)) for _ in range(5)]
            return list(await asyncio.gather(*posts))

    assert [answer.status_code for answer in asyncio.run(main())] == [200] * 5
    assert up.truth()["peak_counted"] == 1


def test_the_queue_refuses_whom_it_cannot_hold_and_who_has_waited_too_long(upstream: StartUpstream) -> None:
    up = upstream(limit=1, queue_depth=1, queue_timeout=0.3)
    with up.client.stream("POST", "/v1/chat/completions", json=work_body(ENDLESS, stream=True)):
        assert up.work(0).status_code == 429
    assert len(up.events("refused")) == 1


def test_an_upstream_that_breaks_off_ends_the_session(upstream: StartUpstream) -> None:
    up = upstream(abort=1.0, end_lag=0)
    with pytest.raises(httpx.RemoteProtocolError):
        up.work(0.1)
    assert up.until(lambda truth: truth["started"] == 1 and truth["counted"] == 0)["aborted"] == 0
    assert up.events("end")[0]["outcome"] == "stopped"


def test_a_cancelled_request_that_is_not_streamed_may_count_to_its_natural_end(upstream: StartUpstream) -> None:
    up = upstream(keep_cancelled=True, end_lag=0)
    with up.client.stream("POST", "/v1/chat/completions", json=work_body(3.0, stream=True)) as streamed_answer:
        next(streamed_answer.iter_raw())
    with pytest.raises(httpx.ReadTimeout):
        up.client.post("/v1/chat/completions", json=work_body(3.0, stream=False), timeout=0.5)
    up.until(lambda truth: truth["aborted"] == 2)
    streamed, whole = up.events("end")
    assert streamed["lasted"] < whole["lasted"]
    assert whole["lasted"] >= 3.0


@pytest.mark.parametrize(
    ("feed", "told"),
    [
        ("elevenlabs", {"current-concurrent-requests": "1", "maximum-concurrent-requests": "4"}),
        ("zenrows", {"concurrency-limit": "4", "concurrency-remaining": "3"}),
    ],
)
def test_answers_tell_the_count_in_the_headers_of_a_provider(
    upstream: StartUpstream, feed: str, told: dict[str, str]
) -> None:
    headers = upstream(feed=feed).work(0).headers
    assert {name: headers[name] for name in told} == told


def test_models_weigh_what_they_are_told_to(upstream: StartUpstream) -> None:
    up = upstream(weights=("light=0.25",), report_lag=0)
    body = {**work_body(ENDLESS, stream=True), "model": "light"}
    with up.client.stream("POST", "/v1/chat/completions", json=body):
        usage = up.client.get("/v1/usage").json()["usage"]
    assert (usage["concurrent_sessions"], usage["weighted_concurrent_sessions"]) == (1, 0.25)
