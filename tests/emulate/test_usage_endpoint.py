from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, cast

import httpx
import pytest
from starlette.requests import Request

from shmlimit.emulate.usage_endpoint import UsageEndpoint
from shmlimit.usage import Usage, UsageError, preset

from .conftest import GUARD, work_body
from .test_account import Scene

if TYPE_CHECKING:
    from starlette.responses import JSONResponse

    from .conftest import StartUpstream

ENDLESS = 3600.0


def test_the_usage_answer_has_the_shape_of_the_provider(upstream: StartUpstream) -> None:
    up = upstream(limit=4, hard_cap=8)
    document = up.client.get("/v1/usage").json()
    assert document["limits"]["concurrency"] == {
        "limit": 4,
        "hard_cap": 8,
        "burst_pct": 1.0,
        "description": "4 concurrent sessions",
    }
    assert set(document) == {"user_id", "plan", "limits", "window", "usage"}
    usage = document["usage"]
    assert (usage["concurrent_sessions"], usage["weighted_concurrent_sessions"]) == (0, 0.0)
    assert type(usage["concurrent_sessions"]) is int
    assert type(usage["weighted_concurrent_sessions"]) is float
    assert usage["priority"] == {"low": False, "boxed_until": None, "reason": None}
    assert usage["service_mode"] == {"current": "interactive", "resets_at": None}
    now = datetime.now(timezone.utc)
    window = document["window"]
    assert datetime.fromisoformat(window["started_at"]) <= now < datetime.fromisoformat(window["resets_at"])


def test_the_report_shows_what_is_counted_not_what_is_working(upstream: StartUpstream) -> None:
    up = upstream(report_lag=0, end_lag=1.0)
    deadline = time.monotonic() + GUARD
    while True:
        up.work(0)
        reported = up.reported()
        usage = up.events("usage")[-1]
        assert reported == usage["reported"] == usage["counted"]
        # A busy machine may need longer for these two requests than the session needs to leave the count.
        if usage["counted"] > usage["working"] == 0:
            break
        assert time.monotonic() < deadline


def test_the_report_lags_behind_the_count(upstream: StartUpstream) -> None:
    # The seed makes the first report many minutes old, the session seconds.
    up = upstream(report_lag=3600.0, seed=1)
    with up.client.stream("POST", "/v1/chat/completions", json=work_body(ENDLESS, stream=True)):
        assert up.truth()["counted"] == 1
        assert up.reported() == 0
    (usage,) = up.events("usage")
    assert (usage["reported"], usage["counted"], usage["fault"]) == (0, 1, None)


def test_priority_is_low_above_the_soft_cap(upstream: StartUpstream) -> None:
    up = upstream(limit=1, hard_cap=2, report_lag=0)
    body = work_body(ENDLESS, stream=True)
    with up.client.stream("POST", "/v1/chat/completions", json=body):
        assert up.client.get("/v1/usage").json()["usage"]["priority"]["low"] is False
        with up.client.stream("POST", "/v1/chat/completions", json=body):
            assert up.client.get("/v1/usage").json()["usage"]["priority"]["low"] is True


def test_a_boxed_account_answers_403_everywhere(upstream: StartUpstream) -> None:
    up = upstream(limit=1, box_after=1, box_seconds=ENDLESS)
    with up.client.stream("POST", "/v1/chat/completions", json=work_body(ENDLESS, stream=True)):
        assert [up.work(0).status_code for _ in range(3)] == [429, 429, 403]
        for path in ("/v1/usage", "/truth", "/healthz", "/v1/nothing"):
            answer = up.client.get(path)
            assert answer.status_code == 403, path
            error = answer.json()["error"]
            assert error["type"] == "account_suspended"
            assert error["boxed_until"] in error["message"]
            assert datetime.fromisoformat(error["boxed_until"]) > datetime.now(timezone.utc)
    refusals = [(event["status"], event.get("boxes")) for event in up.events("refused")]
    assert refusals == [(429, False), (429, True), (403, None)]


def test_after_the_box_the_account_serves_again_and_still_shows_when_it_ended(
    upstream: StartUpstream,
) -> None:
    up = upstream(limit=1, box_after=1, box_seconds=0.3)
    with up.client.stream("POST", "/v1/chat/completions", json=work_body(ENDLESS, stream=True)):
        assert [up.work(0).status_code for _ in range(2)] == [429, 429]
        while (answer := up.client.get("/v1/usage")).status_code == 403:
            pass
    # As at the provider, the end of the past box stays in the report: only a comparison with now tells.
    priority = answer.json()["usage"]["priority"]
    assert datetime.fromisoformat(priority["boxed_until"]) <= datetime.now(timezone.utc)
    assert priority["reason"] == "cap_abuse"


def test_only_the_right_key_opens_the_provider_routes(upstream: StartUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMULATED_KEY", "canary-key")
    up = upstream(api_key_env="EMULATED_KEY")
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "canary-key"},
        {"x-api-key": "no"},
    ):
        for method, path in (("GET", "/v1/usage"), ("POST", "/v1/chat/completions")):
            assert up.client.request(method, path, headers=headers).status_code == 401
    odd = [(b"authorization", b"Bearer \xff\xfe")]
    assert up.client.get("/v1/usage", headers=odd).status_code == 401
    for headers in ({"authorization": "Bearer canary-key"}, {"x-api-key": "canary-key"}):
        assert up.client.get("/v1/usage", headers=headers).status_code == 200
    assert up.client.get("/truth").status_code == 200
    up.emulator.stop()
    assert up.emulator.truth_path is not None
    assert "canary" not in up.emulator.truth_path.read_text()
    assert up.events("start") == []


def test_any_authorization_is_accepted_otherwise(upstream: StartUpstream) -> None:
    up = upstream()
    assert up.client.get("/v1/usage", headers={"authorization": "whatever"}).status_code == 200


@pytest.mark.parametrize(
    ("fault", "shown"),
    [("null", None), ("text", "unavailable"), ("fraction", 0.5), ("missing-field", "absent")],
)
def test_a_spoilt_count_is_spoilt_as_asked(upstream: StartUpstream, fault: str, shown: object) -> None:
    up = upstream(usage_faults=(fault,))
    answer = up.client.get("/v1/usage")
    assert answer.status_code == 200
    assert answer.json()["usage"].get("concurrent_sessions", "absent") == shown
    assert answer.json()["limits"]["concurrency"]["limit"] == 4
    assert [event["fault"] for event in up.events("usage")] == [fault]


def test_a_status_fault_is_that_status(upstream: StartUpstream) -> None:
    up = upstream(usage_faults=("status:503",))
    assert up.client.get("/v1/usage").status_code == 503


def test_an_html_fault_is_a_page_with_status_200(upstream: StartUpstream) -> None:
    answer = upstream(usage_faults=("html",)).client.get("/v1/usage")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()


def test_a_down_fault_closes_the_connection_without_an_answer(upstream: StartUpstream) -> None:
    up = upstream(usage_faults=("down",))
    for _ in range(3):
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            up.client.get("/v1/usage")
    assert up.work(0).status_code == 200
    assert [(event["reported"], event["fault"]) for event in up.events("usage")] == [(None, "down")] * 3


def test_a_truncated_fault_ends_the_connection_inside_the_body(upstream: StartUpstream) -> None:
    up = upstream(usage_faults=("truncated",))
    with up.client.stream("GET", "/v1/usage") as answer:
        assert answer.status_code == 200
        received = bytearray()
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            collect(answer, received)
    assert 0 < len(received) < int(answer.headers["content-length"])
    assert received.startswith(b'{"user_id"')
    assert up.work(0).status_code == 200


def collect(answer: httpx.Response, received: bytearray) -> None:
    for part in answer.iter_raw():
        received += part


def test_a_hanging_endpoint_never_answers_and_holds_up_nothing_else(upstream: StartUpstream) -> None:
    up = upstream(usage_faults=("hang",))
    with pytest.raises(httpx.ReadTimeout):
        up.client.get("/v1/usage", timeout=0.3)
    assert up.work(0).status_code == 200


def test_a_slow_endpoint_answers_late(upstream: StartUpstream) -> None:
    up = upstream(usage_faults=("slow:0.4",))
    answer = up.client.get("/v1/usage")
    assert answer.json()["usage"]["concurrent_sessions"] == 0
    assert answer.elapsed.total_seconds() >= 0.4


def test_a_frozen_endpoint_repeats_its_first_answer(upstream: StartUpstream) -> None:
    up = upstream(usage_faults=("frozen",), report_lag=0)
    first = up.client.get("/v1/usage").content
    with up.client.stream("POST", "/v1/chat/completions", json=work_body(ENDLESS, stream=True)):
        assert up.truth()["counted"] == 1
        assert up.client.get("/v1/usage").content == first
    assert json.loads(first)["usage"]["concurrent_sessions"] == 0


def test_a_redirect_leads_to_a_tempting_zero(upstream: StartUpstream) -> None:
    up = upstream(usage_faults=("redirect",), report_lag=0)
    with up.client.stream("POST", "/v1/chat/completions", json=work_body(ENDLESS, stream=True)):
        answer = up.client.get("/v1/usage")
        assert answer.status_code == 302
        followed = up.client.get(answer.headers["location"])
        assert followed.json()["usage"]["concurrent_sessions"] == 0
    assert [event["fault"] for event in up.events("usage")] == ["redirect", "redirect-followed"]


def test_a_fault_with_a_window_begins_and_ends(upstream: StartUpstream) -> None:
    up = upstream(usage_faults=("status:500@0-0.5", "status:418@1-3600"))
    (begin,) = up.events("begin")
    deadline = time.monotonic() + GUARD
    while (status := up.client.get("/v1/usage").status_code) != 418:
        assert status in (200, 500)
        assert time.monotonic() < deadline
    events = up.events("usage")
    assert all(event["t"] - begin["t"] >= 0.5 for event in events if event["fault"] is None)
    assert events[-1]["t"] - begin["t"] >= 1
    assert {event["fault"] for event in events[:-1]} <= {"status", None}


def test_other_routes_do_not_take_part_in_usage_faults(upstream: StartUpstream) -> None:
    up = upstream(usage_faults=("down",))
    assert up.client.get("/healthz").status_code == 200
    assert up.work(0.05, stream=True).text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("fault", "pointer", "shown"),
    [
        ("numeric", "usage/concurrent_sessions", "0"),
        ("numeric", "limits/concurrency/limit", "4"),
        ("extra", "news/nobody", ["has", "heard", "of"]),
        ("limit-null", "limits/concurrency/limit", None),
        ("no-hard-cap", "limits/concurrency/hard_cap", "absent"),
        ("no-priority", "usage/priority", "absent"),
    ],
)
def test_shapes_that_other_times_and_plans_have(
    upstream: StartUpstream, fault: str, pointer: str, shown: object
) -> None:
    found = upstream(usage_faults=(fault,)).client.get("/v1/usage").json()
    for name in pointer.split("/"):
        found = found.get(name, "absent")
    assert found == shown


def test_an_answer_may_be_far_too_long(upstream: StartUpstream) -> None:
    assert len(upstream(usage_faults=("huge",)).client.get("/v1/usage").content) > 1 << 20


def test_an_answer_may_stop_after_its_headers(upstream: StartUpstream) -> None:
    up = upstream(usage_faults=("hang-body",))
    with up.client.stream("GET", "/v1/usage", timeout=0.3) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            answer.read()


def test_asked_too_often_it_answers_429(upstream: StartUpstream) -> None:
    up = upstream(usage_faults=("rate:2",))
    assert [up.client.get("/v1/usage").status_code for _ in range(4)] == [200, 200, 429, 429]


def test_two_replicas_disagree() -> None:
    scene = Scene(report_lag=0, usage_faults=("replicas:2",))
    endpoint = UsageEndpoint(scene.account, lambda scope, flush: None)
    shown = []
    for second in range(8):
        if second == 3:
            scene.start()
        answer = cast("JSONResponse", asyncio.run(endpoint(Request({"type": "http"}))))
        shown.append(json.loads(bytes(answer.body))["usage"]["concurrent_sessions"])
        scene.clock.now += 1
    assert shown == [0, 0, 0, 1, 0, 1, 1, 1], "every other answer is two seconds behind"


def test_a_clock_that_is_fast_tells_a_later_deadline(upstream: StartUpstream) -> None:
    up = upstream(box="0-0.001", usage_faults=("skew:600",))
    up.work(0)
    until = datetime.fromisoformat(up.client.get("/v1/usage").json()["usage"]["priority"]["boxed_until"])
    assert 500 < (until - datetime.now(timezone.utc)).total_seconds() < 600


def test_a_reading_that_the_box_turned_away_is_logged(upstream: StartUpstream) -> None:
    up = upstream(box="0-600")
    assert up.work(0).status_code == 403
    assert up.client.get("/v1/usage").status_code == 403
    assert [event["fault"] for event in up.events("usage")] == ["boxed"]


def test_a_stream_of_events_is_read_by_the_preset_that_knows_it(
    upstream: StartUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEATHERLESS_API_KEY", "key")
    up = upstream(limit=4, report_lag=0, weights=("large=2.5",))
    body = {**work_body(ENDLESS, stream=True), "model": "large"}
    with up.client.stream("POST", "/v1/chat/completions", json=body):
        with preset("featherless", url=f"{up.emulator.url}/v1/usage/stream") as source:
            assert source.get_usage() == Usage(2.5, 4)
        # It goes on: the poller leaves after the first event, others may stay.
        with up.client.stream("GET", "/v1/usage/stream") as answer:
            lines = (line for line in answer.iter_lines() if line.startswith("data: "))
            assert [json.loads(next(lines).removeprefix("data: "))["request_count"] for _ in range(2)] == [1, 1]


def test_a_stream_of_events_that_falls_silent_is_no_reading(
    upstream: StartUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEATHERLESS_API_KEY", "key")
    up = upstream(usage_faults=("hang-body",))
    source = preset("featherless", url=f"{up.emulator.url}/v1/usage/stream", timeout=0.5)
    with source, pytest.raises(UsageError, match=r"0\.5 s|timed? ?-?out|time"):
        source.get_usage()
