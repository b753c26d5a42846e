"""What each provider refuses a call with, over HTTP: known for what it is, and only concurrency counts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest

from shmlimit.httpx import LimitedTransport
from shmlimit.refusal import Classifier, Refusal
from shmlimit.usage import providers
from shmlimit.usage.catalogue import refusal_rules
from tests.usage.hostile_server import HostileServer, always, answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shmlimit import Limiter


class Answer(NamedTuple):
    """An answer of a provider, as it is documented or was captured, and what it refuses the call for."""

    kind: Refusal | None
    status: int
    body: object = b""
    headers: Mapping[str, str] = {}


CONCURRENCY, RATE, OVERLOAD, EDGE, ACCOUNT = Refusal
UNTIL = "2026-07-03T12:23:04.763728+00:00"

ANSWERS = {
    "umans": [
        Answer(CONCURRENCY, 429, headers={"Server": "uvicorn", "Retry-After": "1"}),
        Answer(EDGE, 429, headers={"CF-RAY": "8f0-FRA", "Server": "uvicorn"}),
        Answer(EDGE, 429, headers={"Server": "cloudflare"}),
        Answer(OVERLOAD, 503),
        Answer(ACCOUNT, 403, {"error": {"type": "account_suspended", "boxed_until": UNTIL}}),
        Answer(ACCOUNT, 403, {"error": {"message": f"account_suspended until {UNTIL}"}}),
        Answer(ACCOUNT, 403, {"error": {"type": "billing_error"}}),
        Answer(None, 403, {"error": {"type": "permission_error", "message": "invalid API key"}}),
        Answer(None, 200, {"error": "account_suspended"}),
    ],
    "hcompany": [Answer(CONCURRENCY, 429)],
    "featherless": [Answer(CONCURRENCY, 429)],
    "soniox": [
        Answer(
            RATE,
            429,
            {
                "status_code": 429,
                "error_type": "limit_exceeded",
                "message": "Requests per minute limit has been exceeded for your organization.",
            },
        ),
        Answer(CONCURRENCY, 429, {"message": "Concurrent requests limit has been exceeded for your organization."}),
    ],
    "bolna": [Answer(RATE, 429), Answer(CONCURRENCY, 429, {"message": "concurrency limit reached"})],
    "firecrawl": [
        Answer(RATE, 429, {"error": "Rate limit exceeded. Consumed (req/min): 11"}),
        Answer(CONCURRENCY, 429, {"error": "too many jobs in the queue"}),
    ],
    "scrapingbee": [
        Answer(CONCURRENCY, 429, {"message": "Max concurrency allowed 5"}),
        Answer(RATE, 429, {"message": "Too many requests"}),
    ],
    "scrapeops": [Answer(CONCURRENCY, 429), Answer(None, 403)],
    "scrape_do": [Answer(CONCURRENCY, 429)],
    "apify": [
        Answer(CONCURRENCY, 402, {"error": {"type": "concurrent-runs-limit-exceeded", "message": "By launching"}}),
        Answer(CONCURRENCY, 402, {"error": {"type": "actor-memory-limit-exceeded", "message": "By launching"}}),
        Answer(RATE, 429, {"error": {"type": "rate-limit-exceeded"}}),
        Answer(ACCOUNT, 402, {"error": {"type": "not-enough-usage-to-run-paid-actor"}}),
    ],
    "browserless": [Answer(CONCURRENCY, 429, b"Too many requests")],
    "tgi": [Answer(OVERLOAD, 429, {"error": "Model is overloaded", "error_type": "overloaded"})],
    "browserbase": [
        Answer(RATE, 429, headers={"x-ratelimit-limit": "25", "x-ratelimit-remaining": "0", "retry-after": "60"}),
        Answer(CONCURRENCY, 429, headers={"x-ratelimit-limit": "25", "x-ratelimit-remaining": "20"}),
    ],
    "cartesia": [
        Answer(
            CONCURRENCY,
            429,
            {
                "error_code": "concurrency_limited",
                "title": "Too many concurrent requests",
                "message": "You have exceeded your plan's concurrency limit.",
            },
        ),
        Answer(RATE, 429, {"error_code": "rate_limited"}),
    ],
    "deepgram": [Answer(CONCURRENCY, 429)],
    "deepinfra": [Answer(CONCURRENCY, 429, {"error": "Rate limited"}), Answer(OVERLOAD, 429, {"error": "Model busy"})],
    "deepseek": [Answer(CONCURRENCY, 429), Answer(OVERLOAD, 503), Answer(ACCOUNT, 402)],
    "fireworks": [Answer(RATE, 429), Answer(OVERLOAD, 503)],
    "iflow": [Answer(CONCURRENCY, 429)],
    "kimi": [
        Answer(CONCURRENCY, 429, {"error": {"type": "rate_limit_reached_error"}}),
        Answer(CONCURRENCY, 429, {"error": {"message": "We're receiving too many requests at the moment"}}),
        Answer(OVERLOAD, 429, {"error": {"message": "The engine is currently overloaded"}}),
        Answer(RATE, 429, {"error": {"message": "quota of this week"}}),
    ],
    "nanogpt": [Answer(RATE, 429), Answer(OVERLOAD, 503)],
    "ollama": [
        Answer(CONCURRENCY, 429, {"error": "timed out waiting for a concurrent request slot"}),
        Answer(RATE, 429, {"error": "you have reached your hourly usage limit"}),
        Answer(OVERLOAD, 503, {"error": "Server overloaded, please retry shortly (ref: 1)"}),
        Answer(OVERLOAD, 503, {"error": "server busy, please try again.  maximum pending requests exceeded"}),
    ],
    "scrapfly": [
        Answer(
            CONCURRENCY,
            429,
            headers={"X-Scrapfly-Reject-Code": "ERR::THROTTLE::MAX_CONCURRENT_REQUEST_EXCEEDED"},
        ),
        Answer(CONCURRENCY, 429, {"result": {"error": {"code": "ERR::THROTTLE::MAX_CONCURRENT_REQUEST_EXCEEDED"}}}),
        Answer(RATE, 429, {"result": {"error": {"code": "ERR::THROTTLE::MAX_REQUEST_RATE_EXCEEDED"}}}),
    ],
    "solari": [
        Answer(
            CONCURRENCY,
            429,
            {"error": "Concurrent session limit reached (20)", "code": "ConcurrencyLimitExceeded", "cap": 20},
        ),
        Answer(RATE, 429),
    ],
    "wandb": [
        Answer(CONCURRENCY, 429, {"error": {"message": "Concurrency limit reached for requests"}}),
        Answer(RATE, 429),
        Answer(OVERLOAD, 503, {"error": {"message": "The engine is currently overloaded, please try again later"}}),
        Answer(ACCOUNT, 402, {"error": {"message": "You exceeded your current quota"}}),
    ],
    "zai": [
        Answer(CONCURRENCY, 429, {"error": {"code": "1302", "message": "High concurrency usage of this API"}}),
        Answer(RATE, 429, {"error": {"code": "1303", "message": "High frequency usage of this API"}}),
    ],
    "elevenlabs": [
        Answer(CONCURRENCY, 429, {"detail": {"code": "concurrent_limit_exceeded"}}),
        Answer(CONCURRENCY, 429, {"detail": {"status": "too_many_concurrent_requests"}}),
        Answer(OVERLOAD, 429, {"detail": {"status": "system_busy"}}),
        Answer(RATE, 429, {"detail": {"code": "rate_limit_exceeded"}}),
    ],
    "zenrows": [
        Answer(CONCURRENCY, 429, {"code": "AUTH006", "status": 429}),
        Answer(RATE, 429, {"code": "AUTH008", "status": 429}),
        Answer(ACCOUNT, 402, {"code": "AUTH004", "status": 402}),
    ],
}
CASES = [
    pytest.param(provider, answer, id=f"{provider}-{number}")
    for provider, answers in ANSWERS.items()
    for number, answer in enumerate(answers)
]


def bytes_of(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.mark.parametrize(("provider", "known"), CASES)
def test_only_a_refusal_for_concurrency_counts_against_the_limit(
    limiter: Limiter, provider: str, known: Answer
) -> None:
    headers = {"Retry-After": "0", **known.headers}
    content = answer(bytes_of(known.body), status=known.status, headers=headers)
    transport = LimitedTransport(limiter, provider=provider)
    with HostileServer(always(content)) as server, httpx.Client(transport=transport) as client:
        response = client.get(server.url())
    assert (response.status_code, response.content) == (known.status, bytes_of(known.body)), "handed on as it is"
    status = limiter.status()
    assert status.counters.rate_limited == (known.kind is CONCURRENCY)
    assert limiter.limit == (1 if known.kind is CONCURRENCY else 2)
    kind = Classifier(refusal_rules(provider)).classify(known.status, response.headers, response.content)
    assert kind is known.kind


def test_every_rule_of_every_provider_decides_an_answer_here() -> None:
    assert set(ANSWERS) == set(providers())
    for provider, answers in ANSWERS.items():
        alone = [Classifier([rule]) for rule in refusal_rules(provider)]
        deciding = set()
        for known in answers:
            headers, body = httpx.Headers(dict(known.headers)), bytes_of(known.body)
            holding = [number for number, rule in enumerate(alone) if rule.classify(known.status, headers, body)]
            deciding |= set(holding[:1])
        assert deciding == set(range(len(alone))), provider


def test_an_account_that_is_blocked_is_logged_and_no_more(limiter: Limiter, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "shmlimit")
    content = answer({"error": {"type": "account_suspended"}}, status=403)
    transport = LimitedTransport(limiter, provider="umans")
    with HostileServer(always(content)) as server, httpx.Client(transport=transport) as client:
        client.get(server.url())
    assert "HTTP 403, a refusal for account" in caplog.text
    assert not limiter.status().paused
