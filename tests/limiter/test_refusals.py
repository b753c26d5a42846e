"""429: a pause, and one permit less for one overshoot, until a person restores it."""

from __future__ import annotations

import math
import time

import pytest

import shmlimit
from shmlimit import Limiter, NeverAdmissible, _core
from tests.limiter.callers import queue_up
from tests.support.processes import Worker, hear, say, wait_for


@pytest.mark.parametrize(
    ("retry_after", "pause"), [(None, 30.0), (7.5, 7.5), (120, 120.0), (1e10, 86400.0), (86401, 86400.0)]
)
def test_a_429_pauses_for_retry_after_or_half_a_minute(name: str, retry_after: float | None, pause: float) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    before = time.time()
    assert limiter.report_429(retry_after)
    now = limiter.status()
    after = time.time()
    assert now.paused
    assert now.paused_until is not None
    assert before + pause - 0.01 <= now.paused_until <= after + pause + 0.01
    assert limiter.try_acquire() is None


def test_a_longer_pause_that_is_on_stays(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    limiter.report_429(500)
    longer = limiter.status().paused_until
    limiter.report_429(1)
    assert longer is not None
    assert limiter.status().paused_until == pytest.approx(longer, abs=10)
    limiter.pause()
    limiter.report_429(1)
    assert limiter.status().paused_until is None
    assert limiter.status().paused


def test_repeated_429s_lower_the_limit_to_one_and_never_below(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    seen = [(limiter.report_429(0), limiter.limit) for _ in range(5)]
    assert seen == [(True, 3), (True, 2), (True, 1), (False, 1), (False, 1)]
    now = limiter.status()
    assert (now.auto_reduced, now.auto_reduced_from, now.configured_limit) == (True, 4, 4)
    assert now.counters.rate_limited == 5
    assert now.notice is not None
    assert "from 4 to 1" in now.notice
    assert f"reset {name}" in now.notice


@pytest.mark.parametrize("limit", [0, 1])
def test_a_limit_of_one_or_zero_is_not_lowered(name: str, limit: int) -> None:
    limiter = Limiter(name, limit=limit, cooldown=0)
    assert limiter.report_429(0) is False
    now = limiter.status()
    assert (now.limit, now.auto_reduced, now.auto_reduced_from, now.notice) == (limit, False, None, None)


def test_the_lowered_limit_is_what_is_admitted(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    permits = [limiter.acquire() for _ in range(2)]
    limiter.report_429(0)
    for permit in permits:
        permit.release()
    with limiter.permit(timeout=0):
        assert limiter.try_acquire() is None
    with pytest.raises(NeverAdmissible):
        limiter.try_acquire(weight=2)


@pytest.mark.parametrize(("usage", "foreign"), [("nowhere:count", 3.0), (None, 0.0)])
def test_a_429_says_that_the_upstream_was_full_of_others_where_samples_can_take_it_back(
    name: str, usage: str | None, foreign: float
) -> None:
    limiter = Limiter(name, limit=4, cooldown=0, usage=usage)
    held, refused = limiter.acquire(), limiter.acquire()
    limiter.report_429(0, refused)
    assert limiter.status().foreign == foreign  # the limit was 4, one of ours counted there
    assert [held.release(), refused.release()] == [True, True]


@pytest.mark.parametrize("way", ["reset", "limit"])
def test_restored_by_hand_the_limit_is_admitted_at_once(name: str, way: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0, usage="nowhere:count")
    limiter.report_429()
    limiter.reset()
    if way == "limit":
        limiter.limit = 2
    assert limiter.acquire(timeout=0).release()


def test_the_lowered_limit_is_kept_across_destroy_and_create(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    limiter.report_429(600)
    limiter.report_429(600)
    limiter.close()
    shmlimit.destroy(name)
    again = Limiter(name, limit=4)
    now = again.status()
    assert (now.limit, now.configured_limit, now.auto_reduced, now.auto_reduced_from) == (2, 4, True, 4)
    assert now.notice is not None
    assert again.report_429(0)
    assert again.status().auto_reduced_from == 4  # the first, still
    again.reset()
    again.close()
    shmlimit.destroy(name)
    assert Limiter(name, limit=4).limit == 4


def test_created_with_another_limit_the_headroom_is_forgotten(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    limiter.report_429(0)
    limiter.close()
    shmlimit.destroy(name)
    now = Limiter(name, limit=6).status()
    assert (now.limit, now.auto_reduced) == (6, False)


def test_setting_the_limit_clears_the_headroom_but_not_the_pause(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    limiter.report_429(600)
    limiter.limit = 4
    now = limiter.status()
    assert (now.limit, now.auto_reduced, now.auto_reduced_from, now.notice) == (4, False, None, None)
    assert now.paused
    limiter.close()
    shmlimit.destroy(name)
    assert Limiter(name, limit=4).limit == 4


def test_reset_ends_the_pause_and_restores_the_limit(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    first, second = limiter.acquire(), limiter.acquire()
    limiter.report_429(600)
    waiter = queue_up(limiter)
    limiter.resume()
    assert first.release()
    assert limiter.status().queued == 1  # the second fills a limit of 1
    limiter.pause()
    limiter.reset()
    admitted = waiter.permit()
    now = limiter.status()
    assert (now.limit, now.held, now.paused, now.auto_reduced, now.notice) == (2, 2, False, False, None)
    assert [second.release(), admitted.release()] == [True, True]


def test_one_overshoot_reported_by_all_its_permits_lowers_once(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    permits = [limiter.acquire() for _ in range(4)]
    assert [limiter.report_429(0, permit) for permit in permits] == [True, False, False, False]
    assert limiter.limit == 3
    for permit in permits:
        permit.release()
    lowered_at = _core.now()
    wait_for(lambda: _core.now() > lowered_at + 0.05)  # past the coarse clock's step
    later = limiter.acquire(timeout=0)
    assert limiter.report_429(0, later)
    assert limiter.limit == 2
    later.release()


def _report(name: str) -> None:
    limiter = Limiter(name)
    permit = limiter.acquire()
    say("held")
    hear()
    say(limiter.report_429(60, permit))
    hear()
    permit.release()


def test_one_overshoot_reported_by_many_processes_lowers_once(name: str) -> None:
    limiter = Limiter(name, limit=8, cooldown=0)
    workers = [Worker(_report, name) for _ in range(6)]
    try:
        assert [worker.hear() for worker in workers] == ["held"] * 6
        for worker in workers:
            worker.say()
        assert sorted(worker.hear() for worker in workers) == [False] * 5 + [True]
        now = limiter.status()
        assert (now.limit, now.auto_reduced_from, now.counters.rate_limited) == (7, 8, 6)
        for worker in workers:
            worker.say()
        assert [worker.end() for worker in workers] == [0] * 6
    finally:
        for worker in workers:
            worker.__exit__()
    assert limiter.status().in_flight == 0


@pytest.mark.parametrize("retry_after", [-1, -0.5, math.nan, math.inf, 1e13])
def test_an_absurd_retry_after_is_refused_and_changes_nothing(name: str, retry_after: float) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    with pytest.raises(ValueError, match="retry_after") as caught:
        limiter.report_429(retry_after)
    assert repr(retry_after) in str(caught.value)
    now = limiter.status()
    assert (now.limit, now.paused, now.counters.rate_limited) == (4, False, 0)


@pytest.mark.parametrize(("retry_after", "permit"), [("5", None), (True, None), (None, "permit"), (None, 3)])
def test_a_report_of_the_wrong_kind_is_refused_and_changes_nothing(
    name: str, retry_after: object, permit: object
) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    with pytest.raises(TypeError, match=r"retry_after|permit"):
        limiter.report_429(retry_after, permit)  # type: ignore[arg-type]
    assert limiter.status().counters.rate_limited == 0
