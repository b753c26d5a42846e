"""How often the upstream is asked, as it sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter
from tests.poller.callers import reading
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from tests.poller.conftest import Hold, Wait
    from tests.poller.upstream import Upstream


def test_a_limiter_that_always_has_room_is_never_polled(name: str, upstream: Upstream, hold: Hold) -> None:
    limiter = Limiter(name, limit=2, cooldown=0, usage=upstream.usage())
    for _ in range(100):
        with limiter:
            pass
    hold(limiter, 2)
    assert limiter.try_acquire() is None
    assert upstream.requests == []
    assert limiter.status().poller is None
    assert limiter.status().usage.state == "stale"


def test_the_upstream_is_not_asked_more_often_than_min_interval(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    limiter = Limiter(name, limit=1, usage=upstream.usage(min_interval=0.2))
    hold(limiter)
    upstream.count = 5
    wait()
    upstream.wait_for_request(20)
    # Over a long stretch: how long one request is on its way is the machine's affair.
    assert upstream.requests[19] - upstream.requests[0] >= 19 * 0.2 - 0.5


def test_the_first_two_requests_are_no_closer_though_the_first_had_to_connect(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    limiter = Limiter(name, limit=1, usage=upstream.usage(min_interval=0.2))
    hold(limiter)
    upstream.count = 5
    wait()
    assert upstream.wait_for_request(2) - upstream.requests[0] >= 0.2


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(name: str, upstream: Upstream, hold: Hold, wait: Wait, status: int) -> None:
    limiter = Limiter(name, limit=1, usage=upstream.usage())
    hold(limiter)
    upstream.fault, upstream.headers = status, {"Retry-After": "3"}
    wait()
    assert upstream.wait_for_request(2) - upstream.requests[0] >= 3.0
    assert not reading(name).paused, "a refused poll says nothing about the sessions"


def test_when_nobody_waits_any_more_the_fast_polls_end(name: str, upstream: Upstream, hold: Hold, wait: Wait) -> None:
    limiter = Limiter(name, limit=1, cooldown=0.05, usage=upstream.usage())
    (permit,) = hold(limiter)
    waiter = wait()
    wait_for(lambda: reading(name).usage.state == "live")
    permit.release()
    held = waiter.permit()
    asked = len(upstream.requests)
    # A newcomer finds the sample that the waiter had: nothing is asked for it.
    assert limiter.try_acquire() is None
    held.release()
    assert len(upstream.requests) == asked
