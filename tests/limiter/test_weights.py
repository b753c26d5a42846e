"""Weights: how much of the limit a permit takes, and who can never have it."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest

from shmlimit import Limiter, NeverAdmissible
from tests.limiter.callers import queue_up


def test_the_sum_of_weights_fills_the_limit_exactly(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    permits = [limiter.acquire(weight=weight, timeout=0) for weight in (0.5, 1, 2, 0.5)]
    assert [permit.weight for permit in permits] == [0.5, 1, 2, 0.5]
    now = limiter.status()
    assert (now.held, now.in_flight, now.available) == (4, 4.0, 0.0)
    assert limiter.try_acquire(weight=0.001) is None
    permits[0].release()
    assert limiter.try_acquire(weight=0.501) is None
    permits.append(limiter.acquire(weight=0.5, timeout=0))
    assert [permit.release() for permit in permits[1:]] == [True] * 4
    assert limiter.status().in_flight == 0


def test_thousandths_are_counted_exactly(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    permits = [limiter.acquire(weight=0.1, timeout=0) for _ in range(10)]  # ten times 0.1 is 1, not 0.9999
    assert limiter.try_acquire(weight=0.001) is None
    for permit in permits:
        permit.release()


def test_a_heavy_head_is_not_overtaken_and_goes_when_the_sum_fits(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    holders = [limiter.acquire() for _ in range(4)]
    heavy = queue_up(limiter, weight=2)
    light = queue_up(limiter, weight=0.5)
    holders[0].release()
    now = limiter.status()
    assert (now.held, now.queued, now.available) == (3, 2, 1.0)
    holders[1].release()
    heavy_permit = heavy.permit()
    assert limiter.status().queued == 1
    assert light.is_waiting
    holders[2].release()
    light.permit().release()
    heavy_permit.release()
    holders[3].release()


def test_one_release_admits_all_that_fit_in_its_place(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    holder = limiter.acquire(weight=4)
    waiters = [queue_up(limiter, weight=weight) for weight in (2, 1, 0.5, 0.5, 0.5)]
    holder.release()
    permits = [waiter.permit() for waiter in waiters[:4]]
    now = limiter.status()
    assert (now.held, now.in_flight, now.queued) == (4, 4.0, 1)
    permits[2].release()
    permits.append(waiters[4].permit())
    for permit in permits:
        permit.release()


def test_higher_priority_passes_a_heavy_head(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    holder = limiter.acquire(weight=3)
    heavy = queue_up(limiter, weight=2)
    limiter.acquire(weight=1, priority=1, timeout=0).release()
    assert limiter.status().queued == 1
    holder.release()
    heavy.permit().release()


def test_a_weight_above_the_limit_is_refused_at_once(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    for weight in (4.001, 5, 8000):
        for attempt in (limiter.acquire, limiter.try_acquire):
            with pytest.raises(NeverAdmissible, match=rf"{weight}.* limit 4") as caught:
                attempt(weight=weight)
            assert isinstance(caught.value, ValueError)
    assert limiter.acquire(weight=4, timeout=0).release()
    assert limiter.status().queued == 0


def test_a_weight_above_what_429s_left_says_so(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    limiter.report_429(0)
    with pytest.raises(NeverAdmissible, match=r"limit 3 .*lowered from 4"):
        limiter.acquire(weight=4)


def test_a_waiter_too_heavy_for_a_lowered_limit_is_refused_and_the_next_goes(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    holder = limiter.acquire(weight=4)
    heavy = queue_up(limiter, weight=3)
    light = queue_up(limiter, weight=2)
    limiter.limit = 2
    with pytest.raises(NeverAdmissible):
        heavy.permit()
    assert limiter.status().queued == 1
    holder.release()
    assert light.permit().release()


def test_at_limit_zero_everybody_waits_whatever_the_weight(name: str) -> None:
    limiter = Limiter(name, limit=0, cooldown=0)
    assert limiter.try_acquire() is None
    waiter = queue_up(limiter, weight=3)
    limiter.limit = 3
    assert waiter.permit().release()


def test_lowered_to_zero_a_waiter_goes_on_waiting(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    waiter = queue_up(limiter)
    limiter.limit = 0
    holder.release()
    now = limiter.status()
    assert (now.queued, now.held, now.blocked_by) == (1, 0, "full")
    limiter.limit = 1
    assert waiter.permit().release()


@pytest.mark.parametrize(
    "weight", [0, 0.0, -0.0, -1, -0.5, 1e-9, math.nan, math.inf, -math.inf, 8001, 1e300, 2**31, 2**64]
)
def test_a_weight_out_of_range_is_refused(name: str, weight: float) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    for attempt in (limiter.acquire, limiter.try_acquire):
        with pytest.raises(ValueError, match=r"weight must be from 0\.001 to 8000") as caught:
            attempt(weight=weight)
        assert repr(weight) in str(caught.value)
    assert limiter.status().in_flight == 0


@pytest.mark.parametrize("weight", [True, False, "1", b"1", None, [1], 1j])
def test_a_weight_that_is_no_number_is_refused(name: str, weight: object) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    for attempt in (limiter.acquire, limiter.try_acquire):
        with pytest.raises(TypeError, match="weight must be a number") as caught:
            attempt(weight=weight)  # type: ignore[arg-type]
        assert repr(weight) in str(caught.value)
    assert limiter.status().in_flight == 0


@pytest.mark.parametrize("weight", [Decimal("1.5"), Fraction(3, 2)])
def test_a_weight_may_be_any_number_that_is_a_float(name: str, weight: Decimal | Fraction) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    with limiter.permit(weight=weight) as permit:  # type: ignore[arg-type]
        assert permit.weight == 1.5
