"""limit="upstream": the limit is what the upstream says it is, less the headroom, until somebody sets another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import shmlimit
from shmlimit import Limiter, segment, statefile
from shmlimit.opening import segment_usage
from shmlimit.statefile import SavedState
from tests.poller.callers import kill, poller_of, reading
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from shmlimit import Permit
    from tests.poller.conftest import Hold, Wait
    from tests.poller.upstream import Upstream


def create(name: str, upstream: Upstream, headroom: int = 0, **options: Any) -> Limiter:
    usage = upstream.usage(settle=0.02, limit="/limit")
    return Limiter(name, limit="upstream", headroom=headroom, cooldown=0.05, usage=usage, **options)


def limits(name: str) -> tuple[int | None, int | None]:
    now = reading(name)
    return now.limit, now.configured_limit


def until_limit(name: str, limit: int) -> None:
    wait_for(lambda: reading(name).limit == limit)


def first_permit(name: str, upstream: Upstream, wait: Wait, headroom: int = 0) -> tuple[Limiter, Permit]:
    """A limiter that has been told its limit, and a permit of it."""
    return create(name, upstream, headroom), wait().permit()


@pytest.mark.parametrize(("headroom", "expected"), [(0, 4), (1, 3), (9, 1)])
def test_everybody_waits_for_the_first_sample_which_says_what_the_limit_is(
    name: str, upstream: Upstream, wait: Wait, headroom: int, expected: int
) -> None:
    upstream.more = {"limit": 4}
    upstream.hold()
    create(name, upstream, headroom)
    waiter = wait(weight=1)
    upstream.wait_until_held()
    now = reading(name)
    assert (now.limit, now.configured_limit, now.headroom, now.queued) == (0, 0, headroom, 1)
    upstream.go_on()
    waiter.permit()
    now = reading(name)
    assert (now.limit, now.configured_limit, now.headroom, now.auto_reduced) == (expected, expected, headroom, False)


def test_a_heavy_caller_waits_for_the_first_sample_too(name: str, upstream: Upstream, wait: Wait) -> None:
    upstream.more = {"limit": 4}
    create(name, upstream)
    wait(weight=4).permit()


@pytest.mark.parametrize("says", [{}, {"limit": None}, {"count": None, "limit": 4}, 500])
def test_if_the_first_poll_tells_none_work_goes_on_one_at_a_time(
    name: str, upstream: Upstream, wait: Wait, says: Any
) -> None:
    if isinstance(says, dict):
        upstream.more = says
    else:
        upstream.fault = says
    create(name, upstream)
    wait().permit()
    assert limits(name) == (1, 1)
    upstream.fault, upstream.more = None, {"limit": 3}
    wait().permit()
    until_limit(name, 3)


def test_a_source_that_cannot_be_loaded_lets_work_go_on_too(name: str, wait: Wait) -> None:
    Limiter(name, limit="upstream", usage="no_such_module:count")
    wait().permit()
    assert limits(name) == (1, 1)


def test_a_change_admits_at_once_and_evicts_nobody(name: str, upstream: Upstream, wait: Wait) -> None:
    upstream.more = {"limit": 1}
    _, first = first_permit(name, upstream, wait)
    second, third = wait(), wait()
    upstream.wait_for_polls(2)
    assert not second.is_admitted
    upstream.more = {"limit": 2}
    wait_for(lambda: second.is_admitted or third.is_admitted)
    upstream.more = {"limit": 1}
    until_limit(name, 1)
    assert (reading(name).held, reading(name).queued) == (2, 1)
    first.release()
    upstream.wait_for_polls(2)
    assert (reading(name).held, reading(name).queued) == (1, 1)
    upstream.more = {"limit": 0}
    until_limit(name, 0)
    upstream.more = {"limit": 3}
    second.permit()
    third.permit()


@pytest.mark.parametrize("says", [{}, {"limit": None}, {"limit": -1}, {"limit": "many"}, {"count": None}, 500, "drop"])
def test_while_the_upstream_says_none_that_makes_sense_the_last_one_stands(
    name: str, upstream: Upstream, wait: Wait, says: Any
) -> None:
    upstream.more = {"limit": 2}
    first_permit(name, upstream, wait)
    for _ in range(2):
        wait()
    if isinstance(says, dict):
        upstream.more = says
    else:
        upstream.fault = says
    upstream.wait_for_polls(2)
    assert limits(name) == (2, 2)
    upstream.fault, upstream.more = None, {"limit": 3}
    until_limit(name, 3)


def test_what_a_429_has_lowered_stays_until_the_upstream_says_another_or_somebody_resets_it(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    upstream.more = {"limit": 4}
    limiter, _ = first_permit(name, upstream, wait)
    hold(limiter, 3)
    wait()
    limiter.report_429(0)
    upstream.wait_for_polls(2)
    assert limits(name) == (3, 4)
    limiter.reset()
    assert limits(name) == (4, 4)
    limiter.report_429(0)
    upstream.more = {"limit": 6}
    until_limit(name, 6)
    assert reading(name).notice is None


def test_what_a_person_sets_stands_until_the_upstream_is_to_be_followed_again(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    upstream.more = {"limit": 4}
    limiter, _ = first_permit(name, upstream, wait, headroom=1)
    hold(limiter, 2)
    wait()
    limiter.limit = 2
    upstream.more = {"limit": 5}
    upstream.wait_for_polls(2)
    assert limits(name) == (2, 2)
    assert reading(name).headroom is None
    limiter.follow_upstream(2)
    until_limit(name, 3)
    assert reading(name).headroom == 2


def test_one_that_a_person_has_set_can_follow_later(name: str, upstream: Upstream, hold: Hold, wait: Wait) -> None:
    upstream.more = {"limit": 5}
    limiter = Limiter(name, limit=1, usage=upstream.usage(limit="/limit"))
    hold(limiter)
    wait()
    upstream.wait_for_polls(2)
    assert limits(name) == (1, 1)
    limiter.follow_upstream()
    until_limit(name, 5)


def test_the_next_poller_follows_too(name: str, upstream: Upstream, hold: Hold, wait: Wait) -> None:
    upstream.more = {"limit": 4}
    limiter, _ = first_permit(name, upstream, wait)
    hold(limiter, 3)
    wait()
    kill(poller_of(name))
    upstream.more = {"limit": 2}
    until_limit(name, 2)


def test_the_last_one_is_saved_and_is_the_first_of_the_next_life(name: str, upstream: Upstream, wait: Wait) -> None:
    upstream.more = {"limit": 4}
    limiter, _ = first_permit(name, upstream, wait)
    saved = SavedState(limit=4, configured_limit=4, cooldown=0.05, usage=segment_usage(segment.attach(name)))
    wait_for(lambda: statefile.read(name) == saved)
    limiter.report_429(0)
    shmlimit.destroy(name, force=True)
    now = create(name, upstream).status()
    assert (now.limit, now.configured_limit, now.headroom, now.auto_reduced) == (3, 4, 0, True)
