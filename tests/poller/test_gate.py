"""What the gate lets through, with a poller process that asks an upstream over HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from shmlimit import Limiter
from tests.poller.callers import reading
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from tests.poller.conftest import Hold, Wait
    from tests.poller.upstream import Upstream

COOLDOWN = 0.05


def create(name: str, upstream: Upstream, limit: int, **options: Any) -> Limiter:
    usage = upstream.usage(**{"settle": 0.02, **options.pop("usage", {})})
    return Limiter(name, limit=limit, cooldown=COOLDOWN, usage=usage, **options)


def is_live(name: str, count: float) -> bool:
    usage = reading(name).usage
    return usage.state == "live" and usage.count == count


def test_a_waiter_is_kept_out_while_the_upstream_shows_no_room_and_admitted_when_it_does(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    limiter = create(name, upstream, 1)
    (permit,) = hold(limiter, 1)
    upstream.count = lambda: 1 + reading(name).held
    waiter = wait()
    wait_for(lambda: is_live(name, 2))
    permit.release()
    wait_for(lambda: is_live(name, 1))
    upstream.wait_for_polls(5)
    now = reading(name)
    assert not waiter.is_admitted
    assert (now.in_flight, now.queued, now.foreign, now.available, now.blocked_by) == (0, 1, 1, 0, "foreign")
    upstream.count = 0
    waiter.permit()


def test_foreign_sessions_lower_the_cap_and_no_more(name: str, upstream: Upstream, hold: Hold, wait: Wait) -> None:
    limiter = create(name, upstream, 3)
    permits = hold(limiter, 3)
    upstream.count = lambda: 2 + reading(name).held
    first, second = wait(), wait()
    wait_for(lambda: is_live(name, 5))
    for permit in permits:
        permit.release()
    first.permit()
    upstream.wait_for_polls(5)
    now = reading(name)
    assert not second.is_admitted
    assert (now.held, now.cooling, now.queued, now.blocked_by) == (1, 0, 1, "foreign")
    upstream.count = lambda: 1 + reading(name).held
    second.permit()


def test_a_newcomer_is_bound_by_a_fresh_sample_too(name: str, upstream: Upstream, hold: Hold, wait: Wait) -> None:
    limiter = create(name, upstream, 2)
    permits = hold(limiter, 2)
    upstream.count = lambda: 2 + reading(name).held
    waiter = wait(timeout=None)
    wait_for(lambda: is_live(name, 4))
    for permit in permits:
        permit.release()
    wait_for(lambda: reading(name).foreign == 2 and reading(name).in_flight == 0)
    assert limiter.try_acquire() is None
    upstream.count = 0
    waiter.permit()


def test_a_fractional_count_is_truncated(name: str, upstream: Upstream, hold: Hold, wait: Wait) -> None:
    limiter = create(name, upstream, 2)
    _, second = hold(limiter, 2)
    upstream.count = lambda: reading(name).held + 0.9
    waiter = wait()
    wait_for(lambda: is_live(name, 2.9))
    wait_for(lambda: reading(name).foreign == 0)
    second.release()
    waiter.permit()
    assert reading(name).held == 2


def test_an_upstream_that_counts_weight_is_compared_with_weights(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    limiter = create(name, upstream, 2, usage={"counts": "weight"})
    (heavy,) = hold(limiter, weight=1.5)
    upstream.count = 1.75
    waiter = wait()
    wait_for(lambda: is_live(name, 1.75) and reading(name).foreign == 0.25)
    upstream.count = 0.25
    heavy.release()
    waiter.permit()
    assert reading(name).foreign == 0.25


def test_a_sample_begun_before_the_cooldowns_end_frees_nothing_and_a_later_one_does(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    limiter = create(name, upstream, 1)
    (permit,) = hold(limiter, 1)
    waiter = wait()
    wait_for(lambda: is_live(name, 0))
    upstream.hold()
    early = upstream.wait_until_held()
    permit.release()
    cooled = time.monotonic() + COOLDOWN
    wait_for(lambda: time.monotonic() > cooled)
    upstream.answer_one()
    # The next poll begins when the first has been written.
    assert upstream.wait_for_request(early + 1) > cooled
    now = reading(name)
    assert not waiter.is_admitted
    assert (now.usage.state, now.foreign, now.cooling, now.queued, now.blocked_by) == ("live", 0, 1, 1, "cooling")
    upstream.answer_one()
    waiter.permit()


def test_the_cooldown_is_kept_whatever_the_upstream_says(name: str, upstream: Upstream, hold: Hold, wait: Wait) -> None:
    limiter = Limiter(name, limit=1, cooldown=0.5, usage=upstream.usage())
    (permit,) = hold(limiter, 1)
    waiter = wait()
    wait_for(lambda: is_live(name, 0))
    released = time.monotonic()
    permit.release()
    waiter.permit()
    assert time.monotonic() - released >= 0.5


@pytest.mark.parametrize(
    ("count", "reason"), [("three", "text"), (None, "null"), (True, "boolean"), (-1, "-1"), ([2], "array")]
)
def test_a_count_that_is_no_number_is_no_information_never_zero(
    name: str, upstream: Upstream, hold: Hold, wait: Wait, count: object, reason: str
) -> None:
    limiter = create(name, upstream, 1)
    (permit,) = hold(limiter, 1)
    upstream.count = count
    waiter = wait()
    usage = wait_for(lambda: (now := reading(name).usage).state == "failing" and now)
    assert usage.count is None
    assert reason in usage.reason
    permit.release()
    waiter.permit()


def test_a_missing_field_is_a_failed_poll_never_zero(name: str, upstream: Upstream, hold: Hold, wait: Wait) -> None:
    limiter = Limiter(name, limit=1, cooldown=COOLDOWN, on_stale="closed", usage=_elsewhere(upstream))
    waiter = wait()
    wait_for(lambda: reading(name).usage.state == "failing")
    upstream.wait_for_polls(2)
    assert not waiter.is_admitted
    assert limiter.status().blocked_by == "stale"


def _elsewhere(upstream: Upstream) -> Any:
    upstream.more = {"other": 0}
    usage = upstream.usage()
    return type(usage)(usage.url, in_flight="/missing", min_interval=0.05)


def test_a_429_keeps_the_cap_down_until_a_sample_taken_settle_after_it(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    settle = 0.6
    limiter = create(name, upstream, 2, usage={"settle": settle})
    first, second = hold(limiter, 2)
    upstream.hold()
    waiter = wait()
    upstream.wait_for_request(1)
    assert limiter.report_429(retry_after=0, permit=second)
    reported = time.monotonic()
    first.release()
    second.release()
    answered = 0
    while True:
        upstream.answer_one()
        answered += 1
        asked = upstream.requests[answered - 1]
        if asked >= reported + settle:
            break
        upstream.wait_for_request(answered + 1)
        # Its time is before that of the request.
        assert not waiter.is_admitted
        assert reading(name).foreign > 0
    waiter.permit()
    assert answered >= 2


def test_foreign_is_what_a_429_told_while_no_sample_counts(name: str, upstream: Upstream, hold: Hold) -> None:
    limiter = create(name, upstream, 4)
    permits = hold(limiter, 3)
    limiter.report_429(retry_after=0, permit=permits[0])
    assert reading(name).foreign == 2, "full with the two others"


@pytest.mark.parametrize("rule", ["upstream", "one-per-poll"])
def test_an_upstream_that_says_until_when_it_blocks_pauses_the_limiter(
    name: str, upstream: Upstream, hold: Hold, wait: Wait, rule: str
) -> None:
    limiter = create(name, upstream, 1, gate=rule, usage={"blocked_until": "/until"})
    (permit,) = hold(limiter, 1)
    until = time.time() + 3600
    upstream.more = {"until": until}
    waiter = wait()
    wait_for(lambda: reading(name).paused)
    permit.release()
    upstream.wait_for_polls(1)
    now = reading(name)
    assert not waiter.is_admitted
    assert now.blocked_by == "paused"
    assert now.paused_until == pytest.approx(until, abs=5)
    upstream.more = {"until": time.time() - 3600}
    waiter.permit()


def test_a_lifted_block_ends_no_pause_that_a_person_set_since(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    limiter = create(name, upstream, 1, usage={"blocked_until": "/until"})
    (permit,) = hold(limiter, 1)
    upstream.more = {"until": time.time() + 3600}
    waiter = wait()
    wait_for(lambda: reading(name).paused)
    permit.release()
    limiter.pause(7200)
    upstream.more = {}
    upstream.wait_for_polls(2)
    assert reading(name).paused
    assert not waiter.is_admitted
    limiter.resume()
    waiter.permit()


def test_a_refused_account_pauses_the_limiter_and_says_why(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    options = {"blocked_status": [403], "blocked_until": "/until", "blocked_reason": "/reason"}
    limiter = create(name, upstream, 1, usage=options)
    (permit,) = hold(limiter, 1)
    upstream.fault = 403
    upstream.more = {"until": time.time() + 3600, "reason": "too many refusals"}
    waiter = wait()
    wait_for(lambda: reading(name).paused)
    usage = wait_for(lambda: (now := reading(name).usage).state == "failing" and now)
    assert "403" in usage.reason
    assert "too many refusals" in usage.reason
    permit.release()
    wait_for(lambda: reading(name).cooling == 0)
    assert not waiter.is_admitted
    upstream.fault, upstream.more = None, {}
    waiter.permit()


def test_one_per_poll_admits_one_queued_waiter_for_each_sample_that_shows_room(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    limiter = create(name, upstream, 3, gate="one-per-poll")
    permits = hold(limiter, 3)
    upstream.count = 3
    waiters = [wait(since=n) for n in range(3)]
    wait_for(lambda: is_live(name, 3))
    for permit in permits:
        permit.release()
    wait_for(lambda: reading(name).cooling == 0)
    upstream.wait_for_polls(3)
    assert not any(waiter.is_admitted for waiter in waiters), "no sample showed room"
    upstream.hold()
    asked = upstream.wait_until_held()
    upstream.count = 2
    for n in range(3):
        upstream.answer_one()
        waiters[n].permit()
        if n < 2:
            upstream.wait_for_request(asked + n + 1)
        assert sum(waiter.is_admitted for waiter in waiters) == n + 1


def test_one_per_poll_lets_a_newcomer_in_at_once_while_nobody_waits(name: str, upstream: Upstream, hold: Hold) -> None:
    hold(create(name, upstream, 2, gate="one-per-poll"), 2)
    assert upstream.requests == []


def test_a_sample_that_may_be_older_than_a_short_session_does_not_confirm_its_end(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    limiter = create(name, upstream, 1, usage={"settle": 1.0})
    (permit,) = hold(limiter, 1)
    first, second = wait(since=1), wait(since=2)
    wait_for(lambda: is_live(name, 0))
    released = time.monotonic()
    permit.release()
    first.permit().release()
    second.permit()
    # Until then the count of 0 may be of before the first one's start, and the upstream may count it still.
    assert time.monotonic() - released >= 1.0
