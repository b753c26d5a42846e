"""Which refusals are for concurrency."""

from __future__ import annotations

import pytest

from shmlimit.refusal import Classifier, Refusal
from shmlimit.usage.catalogue import refusal_rules


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind"),
    [
        (200, {}, b"concurrency", None),
        (403, {}, b"concurrency", None),
        (429, {}, b'{"message":"Max concurrency allowed 5"}', Refusal.CONCURRENCY),
        (429, {}, b'{"code":"ConcurrencyLimitExceeded"}', Refusal.CONCURRENCY),
        (429, {}, b'{"error":"timed out waiting for a concurrent request slot"}', Refusal.CONCURRENCY),
        (429, {}, b'{"message":"Requests per minute limit has been exceeded"}', Refusal.RATE),
        (429, {}, b"", Refusal.RATE),
        (429, {}, b"\xff\x00 not text", Refusal.RATE),
        (429, {}, b"The engine is currently overloaded", Refusal.OVERLOAD),
        (503, {}, b"concurrency", Refusal.OVERLOAD),
        (529, {}, b"", Refusal.OVERLOAD),
        (429, {"cf-mitigated": "challenge"}, b"concurrency", Refusal.EDGE),
        (429, {}, b"x" * 70000 + b"concurrency", Refusal.RATE),
    ],
)
def test_by_generic_rules(status: int, headers: dict[str, str], body: bytes, kind: Refusal | None) -> None:
    assert Classifier().classify(status, headers, body) is kind


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (429, {"server": "uvicorn"}, Refusal.CONCURRENCY),
        (429, {"cf-ray": "8f"}, Refusal.EDGE),
        (503, {}, Refusal.OVERLOAD),
        (529, {}, None),
    ],
)
def test_umans_says_nothing_in_the_body_and_everything_in_the_headers(
    status: int, headers: dict[str, str], kind: Refusal | None
) -> None:
    assert Classifier(refusal_rules("umans")).classify(status, headers, b"") is kind


def test_the_first_rule_whose_conditions_all_hold_decides() -> None:
    rules = [
        {"status": 429, "header": "x-why", "value": "^slots$", "is": "concurrency"},
        {"status": 429, "header": "x-why", "is": "rate"},
    ]
    ask = Classifier(rules).classify
    assert ask(429, {"x-why": "slots"}, b"") is Refusal.CONCURRENCY
    assert ask(429, {"x-why": "minute"}, b"") is Refusal.RATE
    assert ask(429, {}, b"") is None


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ({"is": "busy"}, "busy"),
        ({}, "None"),
        ({"is": "rate", "code": 1}, "'code'"),
        ({"is": "rate", "body": "("}, "unterminated|missing"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Classifier([rule])


def test_refusals_of_an_unknown_provider_are_unknown() -> None:
    with pytest.raises(ValueError, match=r"nobody.*umans"):
        refusal_rules("nobody")
