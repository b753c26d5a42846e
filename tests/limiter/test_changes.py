"""Limit and cooldown changed while permits are out and callers wait."""

from __future__ import annotations

import pytest

from shmlimit import AcquireTimeout, Limiter, _core
from tests.limiter.callers import queue_up
from tests.support.processes import wait_for


def test_raising_the_limit_admits_waiters(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    permits = [limiter.acquire()]
    waiters = [queue_up(limiter) for _ in range(3)]
    limiter.limit = 3
    permits += [waiter.permit() for waiter in waiters[:2]]
    now = limiter.status()
    assert (now.held, now.queued, now.limit, now.configured_limit) == (3, 1, 3, 3)
    permits[0].release()
    permits.append(waiters[2].permit())
    assert [permit.release() for permit in permits[1:]] == [True] * 3


def test_lowering_the_limit_evicts_nobody_and_admits_nobody_until_the_sum_fits(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    permits = [limiter.acquire() for _ in range(4)]
    waiter = queue_up(limiter)
    limiter.limit = 2
    assert limiter.status().held == 4
    assert not any(permit.lost for permit in permits)
    for left in (3, 2):
        assert permits.pop().release()
        now = limiter.status()
        assert (now.held, now.queued, now.available) == (left, 1, 0.0)
    assert permits.pop().release()
    admitted = waiter.permit()
    assert limiter.status().held == 2
    assert limiter.try_acquire() is None
    assert [admitted.release(), permits.pop().release()] == [True, True]


def test_lowered_below_what_is_in_use_then_raised(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    permits = [limiter.acquire() for _ in range(4)]
    waiters = [queue_up(limiter) for _ in range(2)]
    limiter.limit = 1
    assert limiter.status().queued == 2
    limiter.limit = 5
    permits.append(waiters[0].permit())
    now = limiter.status()
    assert (now.held, now.queued) == (5, 1)
    limiter.limit = 8000
    permits.append(waiters[1].permit())
    assert [permit.release() for permit in permits] == [True] * 6
    assert limiter.status().in_flight == 0


def test_a_change_is_seen_through_every_limiter_of_that_name(name: str) -> None:
    limiter, other = Limiter(name, limit=4), Limiter(name)
    other.limit = 7
    other.cooldown = 1.5
    other.slot_timeout = 9
    assert (limiter.limit, limiter.cooldown, limiter.slot_timeout) == (7, 1.5, 9.0)
    other.slot_timeout = None
    assert limiter.slot_timeout is None


def test_a_released_permit_counts_until_it_has_cooled_and_no_earlier(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0.25)
    permit = limiter.acquire()
    for _ in range(3):
        waiter = queue_up(limiter)
        released = _core.now()
        permit.release()
        permit = waiter.permit()
        assert _core.now() - released >= 0.25
    permit.release()


def test_a_cooling_permit_is_shown_and_keeps_its_weight(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=600)
    limiter.acquire(weight=2.5).release()
    now = limiter.status()
    assert (now.held, now.cooling, now.in_flight, now.available) == (0, 1, 2.5, 1.5)
    with pytest.raises(AcquireTimeout, match="1 cooling"):
        limiter.acquire(weight=2, timeout=0)
    with limiter.permit(weight=1.5, timeout=0):
        waiter = queue_up(limiter, timeout=0.5)
        assert limiter.status().blocked_by == "cooling"
        with pytest.raises(AcquireTimeout):
            waiter.permit()


def test_a_permit_that_has_cooled_is_free_without_anybody_waiting(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0.05)
    limiter.acquire().release()
    wait_for(lambda: limiter.status().available == 1)
    assert limiter.acquire(timeout=0).release()


def test_a_change_of_cooldown_applies_to_releases_after_it(name: str) -> None:
    limiter = Limiter(name, limit=3, cooldown=600)
    before, after = limiter.acquire(), limiter.acquire()
    before.release()
    limiter.cooldown = 0
    after.release()
    now = limiter.status()
    assert (now.cooling, now.in_flight, now.cooldown) == (1, 1.0, 0.0)


def test_releasing_twice_is_one_cooldown_and_false(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=600)
    permit = limiter.acquire()
    assert [permit.release() for _ in range(3)] == [True, False, False]
    now = limiter.status()
    assert (now.held, now.cooling, now.in_flight) == (0, 1, 1.0)


def test_releasing_twice_does_not_release_the_next_holder(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0, slots=1)
    first = limiter.acquire()
    first.release()
    second = limiter.acquire()  # the same slot
    assert not first.release()
    assert limiter.status().held == 1
    assert not second.lost
    assert second.release()


def test_pause_admits_nobody_and_resume_lets_them_go(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    limiter.pause()
    now = limiter.status()
    assert (now.paused, now.paused_until) == (True, None)
    assert limiter.try_acquire() is None
    waiter = queue_up(limiter)
    assert limiter.status().blocked_by == "paused"
    limiter.resume()
    assert waiter.permit().release()
    now = limiter.status()
    assert (now.paused, now.paused_until) == (False, None)


def test_a_pause_ends_by_itself_and_no_earlier(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    began = _core.now()
    limiter.pause(0.25)
    limiter.acquire().release()
    assert _core.now() - began >= 0.25
    assert not limiter.status().paused


def test_a_pause_replaces_the_one_that_is_on(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    limiter.pause()
    limiter.pause(0)
    assert limiter.acquire(timeout=0).release()
