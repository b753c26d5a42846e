"""Which reading an answer becomes, in each of the three formats."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shmlimit.usage import HttpUsage, Usage, UsageError

from .hostile_server import answer

if TYPE_CHECKING:
    from .conftest import Serve

UNTIL = 1783081384.763728


def read(serve: Serve, body: object, **options: Any) -> Usage:
    headers = options.pop("sent", None)
    with HttpUsage(serve(answer(body, headers=headers)).url(), **{"in_flight": "/n", **options}) as source:
        return source.get_usage()


def refusal(serve: Serve, body: object, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        read(serve, body, **options)
    return str(caught.value)


def test_every_field_is_found(serve: Serve) -> None:
    body = {
        "n": 1,
        "limit": 4,
        "cap": "8",
        "until": "2026-07-03T12:23:04.763728+00:00",
        "why": "abuse",
        "low": True,
    }
    usage = read(
        serve,
        body,
        limit="/limit",
        hard_cap="/cap",
        blocked_until="/until",
        blocked_reason="/why",
        degraded="/low",
    )
    assert usage.blocked_until == pytest.approx(UNTIL, abs=1e-5)
    assert replace(usage, blocked_until=None) == Usage(1.0, 4.0, 8.0, None, "abuse", True)


@pytest.mark.parametrize(
    "body", [{"n": 1}, {"n": 1, "x": None}, {"n": 1, "x": {}}, {"n": 1, "x": []}, {"n": 1, "x": 5}]
)
def test_a_field_that_may_be_absent_is_unknown_then(serve: Serve, body: object) -> None:
    where = "/x/y"
    usage = read(serve, body, limit=where, hard_cap=where, blocked_until=where, blocked_reason=where, degraded=where)
    assert usage == Usage(1.0)


def test_a_field_that_is_null_is_unknown(serve: Serve) -> None:
    usage = read(serve, {"n": 1, "x": None}, limit="/x", blocked_until="/x", blocked_reason="/x", degraded="/x")
    assert usage == Usage(1.0)


def test_constants_stand_for_what_the_upstream_does_not_say(serve: Serve) -> None:
    assert read(serve, {"n": 1}, limit=4, hard_cap=0) == Usage(1.0, limit=4.0, hard_cap=0.0)


@pytest.mark.parametrize("argument", ["limit", "hard_cap"])
@pytest.mark.parametrize(
    ("value", "what"), [(True, "a boolean"), ("four", "text"), (-1, "-1, not a finite"), ([4], "an array")]
)
def test_a_limit_that_is_no_number_is_a_failed_poll(serve: Serve, argument: str, value: object, what: str) -> None:
    assert refusal(serve, {"n": 1, "x": value}, **{argument: "/x"}).startswith(f"field /x is {what}")


@pytest.mark.parametrize(
    ("value", "until"),
    [
        ("2026-07-03T12:23:04.763728+00:00", UNTIL),
        ("2026-07-03T12:23:04.763728Z", UNTIL),
        ("2026-07-03t14:23:04,763728+0200", UNTIL),
        ("2026-07-03 06:53:04.763728-05:30", UNTIL),
        ("2026-07-03T12:23:04.763728", UNTIL),
        ("2026-07-03T12:23:04.763728000Z", UNTIL),
        ("2026-07-03T12:23Z", 1783081380.0),
        (1783081384, 1783081384.0),
        (1783081384.5, 1783081384.5),
        ("1783081384", 1783081384.0),
        ("2001-01-01T00:00:00Z", 978307200.0),
    ],
)
def test_the_end_of_a_block_is_told_in_epoch_seconds(serve: Serve, value: object, until: float) -> None:
    usage = read(serve, {"n": 1, "until": value}, blocked_until="/until")
    assert usage.blocked_until == pytest.approx(until, abs=1e-5)


@pytest.mark.parametrize(
    "value", ["soon", "2026-07-03", "2026-13-03T12:23:04Z", "2026-07-03T12:23:04+99:00", True, -5, [], {}, ""]
)
def test_an_end_of_a_block_that_is_no_time_is_a_failed_poll(serve: Serve, value: object) -> None:
    assert refusal(serve, {"n": 1, "until": value}, blocked_until="/until").startswith("field /until is ")


@pytest.mark.parametrize(
    ("reason", "blocked"),
    [
        ("rate_limited", False),
        ("rate_limit", False),
        ("slow", False),
        ("rate", True),
        ("cap_abuse", True),
        ("not rate_limited", True),
        (None, True),
        (7, True),
    ],
)
def test_a_soft_reason_is_no_block(serve: Serve, reason: object, blocked: bool) -> None:
    usage = read(
        serve,
        {"n": 1, "until": 1783081384, "why": reason},
        blocked_until="/until",
        blocked_reason="/why",
        soft_reasons=["rate_limit", "slow"],
    )
    assert usage.blocked_until == (1783081384.0 if blocked else None)
    assert usage.blocked_reason == (reason if isinstance(reason, str) else None)


def test_a_reason_is_fit_for_one_line_of_a_terminal(serve: Serve) -> None:
    usage = read(serve, {"n": 1, "why": " a\nb\x1b[31m\ud800" + "c" * 500}, blocked_reason="/why")
    assert usage.blocked_reason is not None
    assert usage.blocked_reason.startswith("a?b?[31m?ccc")
    assert len(usage.blocked_reason) == 200


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        ("true", True),
        ("False", False),
        ("yes", None),
        (7, None),
    ],
)
def test_degraded_informs_and_never_fails_a_poll(serve: Serve, value: object, flag: bool | None) -> None:
    assert read(serve, {"n": 1, "low": value}, degraded="/low").degraded is flag


@pytest.mark.parametrize(
    ("pointer", "count"),
    [
        ("/a~1b", 1),
        ("/m~0n", 2),
        ("/~01", 3),
        ("/", 4),
        ("/list/0", 5),
        ("/list/1/x", 6),
        ('/\u00e9 "', 7),
        ("/nested//x", 8),
    ],
)
def test_pointers_lead_where_rfc_6901_says(serve: Serve, pointer: str, count: int) -> None:
    body = {
        "a/b": 1,
        "m~n": 2,
        "~1": 3,
        "": 4,
        "list": [5, {"x": 6}],
        '\u00e9 "': 7,
        "nested": {"": {"x": 8}},
    }
    assert read(serve, body, in_flight=pointer).concurrent_sessions == count


@pytest.mark.parametrize(
    "pointer", ["/list/2", "/list/-", "/list/-1", "/list/01", "/list/+1", "/list/1e0", "/list/\u0661"]
)
def test_an_index_that_is_none_leads_nowhere(serve: Serve, pointer: str) -> None:
    assert refusal(serve, {"list": [1, 2]}, in_flight=pointer) == f"field {pointer} is missing"


def test_an_answer_that_is_an_array_is_read(serve: Serve) -> None:
    assert read(serve, [{"n": 3}], in_flight="/0/n") == Usage(3.0)


def test_brackets_within_text_are_no_depth(serve: Serve) -> None:
    assert read(serve, {"n": 1, "x": '[{"\\' * 500, "y": [[]] * 100}) == Usage(1.0)


@pytest.mark.parametrize(("levels", "fine"), [(31, True), (32, False)])
def test_nesting_is_bounded(serve: Serve, levels: int, fine: bool) -> None:
    body = b'{"n": 1, "x": ' + b"[" * levels + b"]" * levels + b"}"
    if fine:
        assert read(serve, body) == Usage(1.0)
    else:
        assert "not valid JSON" in refusal(serve, body)


METRICS = rb"""# HELP vllm:num_requests_running Requests.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="vendor/model",engine="0"} 2
vllm:num_requests_running{model_name="vendor/model", engine = "1" , } 3.0 1690000000000
vllm:num_requests_running_total 99
vllm:num_requests_waiting{model_name="vendor/model",engine="0"} 1
vllm:num_requests_running{model_name="a\"b\\c\n}d",engine="2"} 1e1
requests_processing 0
tgi_batch_current_size	4
broken{ 5
bad_number 0x10
negative{a="1"} -1
negative{a="2"} 5
infinite +Inf
nan NaN
underscore 1_0
three 1 2 3
none
""".replace(b"\ntgi", b"\r\ntgi")


@pytest.mark.parametrize(
    ("locator", "count"),
    [
        ("vllm:num_requests_running", 15),
        ('vllm:num_requests_running{engine="1"}', 3),
        ('vllm:num_requests_running{model_name="vendor/model"}', 5),
        ('vllm:num_requests_running{model_name="vendor/model",engine="0"}', 2),
        (r'vllm:num_requests_running{model_name="a\"b\\c\n}d"}', 10),
        ('vllm:num_requests_running{rank=""}', 15),
        ("vllm:num_requests_running{}", 15),
        (["vllm:num_requests_running", "vllm:num_requests_waiting"], 16),
        ("requests_processing", 0),
        ("tgi_batch_current_size", 4),
    ],
)
def test_series_of_a_metric_add_up(serve: Serve, locator: Any, count: float) -> None:
    assert read(serve, METRICS, format="prometheus", in_flight=locator) == Usage(float(count))


@pytest.mark.parametrize(
    ("locator", "what"),
    [
        ("absent", "is missing"),
        ("num_requests_running", "is missing"),
        ("vllm:num_requests", "is missing"),
        ('vllm:num_requests_running{engine="9"}', "is missing"),
        ("broken", "is on a line that is not in the Prometheus format"),
        ("bad_number", "is not a finite number of at least 0"),
        ("negative", "is not a finite number of at least 0"),
        ("infinite", "is not a finite number of at least 0"),
        ("nan", "is not a finite number of at least 0"),
        ("underscore", "is not a finite number of at least 0"),
        ("three", "is not a finite number of at least 0"),
        ("none", "is not a finite number of at least 0"),
    ],
)
def test_a_metric_that_is_missing_or_malformed_is_a_failed_poll(serve: Serve, locator: str, what: str) -> None:
    assert refusal(serve, METRICS, format="prometheus", in_flight=locator) == f"metric {locator} {what}"


def test_metrics_give_limits_and_flags_too(serve: Serve) -> None:
    body = b"n 1\nlimit 4\nlow 1\nuntil 1783081384\n"
    options = {
        "in_flight": "n",
        "limit": "limit",
        "hard_cap": "cap",
        "degraded": "low",
        "blocked_until": "until",
    }
    usage = read(serve, body, format="prometheus", **options)
    assert usage == Usage(1.0, limit=4.0, degraded=True, blocked_until=1783081384.0)


def test_an_answer_that_is_no_text_is_no_metrics(serve: Serve) -> None:
    reason = refusal(serve, b"n 1\n\xff", format="prometheus", in_flight="n")
    assert reason == "the answer is not text in the Prometheus format"


def test_a_line_of_labels_without_end_is_read_in_linear_time(serve: Serve) -> None:
    # Read by a backtracking pattern, this line would take hours.
    body = b'n{a="b"' + b" " * 30_000 + b'"' + b'\\"' * 15_000
    reason = refusal(serve, body, format="prometheus", in_flight="n")
    assert reason == "metric n is on a line that is not in the Prometheus format"


def test_figures_are_read_from_headers(serve: Serve) -> None:
    sent = {"Current-Requests": "3", "Maximum-Requests": "15", "Low": "true", "Why": "abuse"}
    usage = read(
        serve,
        b"not looked at",
        sent=sent,
        format="headers",
        in_flight="current-requests",
        limit="MAXIMUM-requests",
        hard_cap="absent",
        degraded="low",
        blocked_reason="why",
    )
    assert usage == Usage(3.0, limit=15.0, degraded=True, blocked_reason="abuse")


@pytest.mark.parametrize(
    ("value", "what"), [("many", "is text"), ("-1", "is text"), ("", "is text"), ("1, 2", "is text")]
)
def test_a_header_that_is_no_number_is_a_failed_poll(serve: Serve, value: str, what: str) -> None:
    reason = refusal(serve, b"", sent={"N": value}, format="headers", in_flight="N")
    assert reason.startswith(f"header N {what}")


def test_a_missing_header_is_a_failed_poll(serve: Serve) -> None:
    assert refusal(serve, b"", format="headers", in_flight="N") == "header N is missing"


def test_a_header_that_occurs_twice_is_a_failed_poll(serve: Serve) -> None:
    reason = refusal(serve, b"", sent={"N": "1", "n": "2"}, format="headers", in_flight="N")
    assert reason == "header N occurs 2 times"


def test_text_is_shown_as_json_wrote_it(serve: Serve) -> None:
    body = json.dumps({"n": 1, "why": "bloqu\u00e9"}).encode()
    assert read(serve, body, blocked_reason="/why").blocked_reason == "bloqu\u00e9"
