"""Each preset reads the response that its provider documents, or that was captured from it, through a real server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from shmlimit.poller import policy
from shmlimit.usage import UpstreamBlocked, Usage, UsageError, preset, presets, providers

from .hostile_server import answer

if TYPE_CHECKING:
    from .conftest import Serve


class Known(NamedTuple):
    """A provider's answer, what it means, and how the key KEY is presented."""

    body: str
    usage: Usage
    presented: str = "Authorization: Bearer KEY"


ANSWERS = {
    "umans": Known(
        '{"limits":{"concurrency":{"limit":12,"hard_cap":24,"burst_pct":1.0}},'
        '"usage":{"requests_in_window":388,"concurrent_sessions":0,"weighted_concurrent_sessions":0.0}}',
        Usage(0, 12, 24),
    ),
    "hcompany": Known('{"scope":"user","limit":10,"active":3,"available":7}', Usage(3, 10)),
    "retell": Known(
        '{"current_concurrency":10,"concurrency_limit":100,"base_concurrency":20,"purchased_concurrency":80,'
        '"concurrency_burst_enabled":true,"concurrency_burst_limit":60}',
        Usage(10, 100, 60),
    ),
    "featherless": Known(
        ': hello\n\nevent: usage\ndata: {"limit":8,"used_cost":4,"request_count":1,\ndata: "requests":[]}\n\n'
        'data: {"limit":8,"used_cost":5}\n\n',
        Usage(4, 8),
    ),
    "soniox": Known(
        '{"project":{"current":{"transcribe_concurrent":2,"tts_concurrent":0},"limits":{"tts_concurrent":1}},'
        '"organization":{"current":{"transcribe_concurrent":5,"tts_concurrent":1},"limits":{"tts_concurrent":2}}}',
        Usage(1, 2),
    ),
    "bolna": Known('{"concurrency":{"max":10,"current":3}}', Usage(3, 10)),
    "firecrawl": Known(
        '{"success":true,"jobsInQueue":12,"activeJobsInQueue":3,"waitingJobsInQueue":9,"maxConcurrency":5}',
        Usage(12, 5),
    ),
    "scrapingbee": Known(
        '{"max_api_credit":20000000,"used_api_credit":3704332,"max_concurrency":200,"current_concurrency":1}',
        Usage(1, 200),
        "GET /?api_key=KEY",
    ),
    "scrapeops": Known(
        '{"used_api_credits":455332,"plan_max_concurrency":100,"active_concurrency":15}',
        Usage(15, 100),
        "GET /?api_key=KEY",
    ),
    "scrape_do": Known(
        '{"IsActive":true,"ConcurrentRequest":40,"RemainingConcurrentRequest":15}', Usage(25, 40), "GET /?token=KEY"
    ),
    "apify": Known(
        '{"data":{"limits":{"maxActorMemoryGbytes":16,"maxConcurrentActorJobs":256},'
        '"current":{"actorMemoryGbytes":8,"activeActorJobCount":0}}}',
        Usage(0, 256),
    ),
    "browserstack": Known(
        '{"parallel_sessions_running":2,"parallel_sessions_max_allowed":5,"queued_sessions":1}',
        Usage(3, 5),
        "Authorization: Basic S0VZOks=",  # KEY:K
    ),
    "browserless": Known(
        '{"pressure":{"cpu":6,"running":5,"queued":2,"isAvailable":true,"maxConcurrent":5,"maxQueued":10}}',
        Usage(7, 5),
        "GET /?token=KEY",
    ),
    "vllm": Known(
        'vllm:num_requests_running{model_name="vendor/model",engine="0"} 2\n'
        'vllm:num_requests_running{model_name="vendor/model",engine="1"} 3\n'
        'vllm:num_requests_waiting{model_name="vendor/model",engine="0"} 1\n',
        Usage(6),
        "",
    ),
    "sglang": Known(
        'sglang:num_running_reqs{engine_type="unified",model_name="m",tp_rank="0"} 4.0\n'
        'sglang:num_running_reqs{engine_type="unified",model_name="m",tp_rank="1"} 4.0\n'
        'sglang:num_queue_reqs{engine_type="unified",model_name="m",tp_rank="0"} 1.0\n',
        Usage(5),
        "",
    ),
    "tgi": Known("tgi_batch_current_size 4\ntgi_queue_size 2\n", Usage(6), ""),
    "llamacpp": Known("llamacpp:requests_processing 0\nllamacpp:requests_deferred 0\n", Usage(0), ""),
}


def test_every_preset_has_its_answer_here() -> None:
    assert set(ANSWERS) == set(presets())


@pytest.mark.parametrize("name", ANSWERS)
def test_a_preset_reads_its_providers_answer(name: str, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    known = ANSWERS[name]
    reference = preset(name, url="https://any.example/").to_config().get("auth", "")
    key = "KEY:K" if reference.startswith("basic") else "KEY"
    if reference:
        monkeypatch.setenv(reference.rpartition(":")[2], key)
    server = serve(answer(known.body.encode()))
    with preset(name, url=server.url("/")) as source:
        assert source.get_usage() == known.usage
    assert known.presented in server.exchanges[0].head


def test_a_stream_of_events_is_left_after_the_first_one(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATHERLESS_API_KEY", "KEY")
    # One that never ends: no length, and the server keeps the connection open.
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    event = b'data: {"limit": null, "used_cost": 2.5}\r\n\r\n'
    with preset("featherless", url=serve(head + b"%x\r\n%s\r\n" % (len(event), event)).url()) as source:
        assert source.get_usage() == Usage(2.5)


@pytest.mark.parametrize("body", [b"", b"data: {}\n", b": only a comment\n\n", b"event: x\n\n"])
def test_a_stream_without_a_whole_event_is_no_reading(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setenv("FEATHERLESS_API_KEY", "KEY")
    source = preset("featherless", url=serve(answer(body)).url())
    with source, pytest.raises(UsageError, match="no complete server-sent event"):
        source.get_usage()


def test_more_left_than_there_is_is_no_reading(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRAPE_DO_TOKEN", "KEY")
    body = json.dumps({"ConcurrentRequest": 1, "RemainingConcurrentRequest": 2}).encode()
    source = preset("scrape_do", url=serve(answer(body)).url())
    with source, pytest.raises(UsageError, match="make -1, not a finite number"):
        source.get_usage()


def test_a_preset_for_ones_own_server_needs_its_url() -> None:
    with pytest.raises(ValueError, match="'vllm' needs the url"):
        preset("vllm")


def test_a_page_of_metrics_may_be_long(serve: Serve) -> None:
    page = b"# HELP of_something else\n" * 20_000 + b"tgi_batch_current_size 4\ntgi_queue_size 2\n"
    with preset("tgi", url=serve(answer(page)).url()) as source:
        assert source.get_usage() == Usage(6)


def test_a_provider_that_tells_no_count_is_no_preset() -> None:
    with pytest.raises(ValueError, match=r"'ollama' tells no count to ask for: known presets are apify"):
        preset("ollama")
    assert "ollama" in providers()
    assert "ollama" not in presets()


# What is known of Umans' ladder: https://github.com/hraedon/sluice and clients that parse the same answers.
NOW = 1783081384.0
PAST, FUTURE = "2026-07-03T12:20:00+00:00", "2026-07-03T17:23:04+00:00"


def ladder(**priority: object) -> bytes:
    concurrency = {"limit": 4, "hard_cap": 8}
    usage = {"concurrent_sessions": 6, "priority": {"low": True, "boxed_until": None, "reason": None, **priority}}
    return answer({"limits": {"concurrency": concurrency}, "usage": usage})


@pytest.mark.parametrize(
    ("content", "pauses"),
    [
        (ladder(), False),
        (ladder(boxed_until=FUTURE, reason="rate_limited"), False),
        (ladder(boxed_until=FUTURE, reason="rate_limit_concurrency"), False),
        (ladder(boxed_until=FUTURE, reason="cap_abuse"), True),
        (ladder(boxed_until=FUTURE, reason="cap_suspended"), True),
        (ladder(boxed_until=FUTURE, reason="never heard of"), True),
        (ladder(boxed_until=FUTURE), True),
        (ladder(boxed_until=PAST, reason="cap_abuse"), False),
        (ladder(boxed_until=PAST), False),
        (answer({"error": {"type": "account_suspended", "boxed_until": FUTURE}}, status=403), True),
        (answer(f"account_suspended until {FUTURE}".encode(), status=403), True),
        (answer({"error": {"type": "account_suspended"}}, status=403), True),
        (answer({"error": {"type": "account_suspended", "boxed_until": PAST}}, status=403), False),
        (answer({"error": {"message": "invalid API key"}}, status=403), False),
        (answer({"error": {"message": "invalid API key"}}, status=401), False),
    ],
)
def test_umans_is_blocked_only_for_reasons_that_mean_it_and_never_for_a_past_deadline(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, content: bytes, pauses: bool
) -> None:
    monkeypatch.setenv("UMANS_API_KEY", "KEY")
    census = policy.Census(t0=0, visible_weight=0, visible_count=0, held_count=0, waiters=1, cooled_at=None)
    with preset("umans", url=serve(content).url()) as source:
        try:
            pause = policy.decide("upstream", source.get_usage(), census, source.counts, NOW).pause
        except UpstreamBlocked as block:
            pause = policy.pause_of_block(block.blocked_until, NOW)
        except UsageError:
            pause = 0.0
    assert (pause > 0) is pauses
