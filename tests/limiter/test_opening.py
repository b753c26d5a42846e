"""Opening a limiter that is there, or not yet: what is compared, what is told, and where."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from shmlimit import ConfigMismatchWarning, Limiter, NeverAdmissible, SegmentOrphaned, segment
from shmlimit.settings import Settings
from tests.limiter.callers import queue_up


def test_durations_finer_than_a_microsecond_are_no_mismatch(name: str) -> None:
    Limiter(name, limit=4, cooldown=1 / 3, slot_timeout=200 / 3)
    again = Limiter(name, limit=4, cooldown=1 / 3, slot_timeout=200 / 3)
    assert again.cooldown == 0.333333


def test_the_warning_points_at_who_opened_it_so(name: str) -> None:
    Limiter(name, limit=4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Limiter(name, limit=5)
    assert [(one.category, one.filename) for one in caught] == [(ConfigMismatchWarning, __file__)]
    assert "limit 4, not 5" in str(caught[0].message)


def test_an_index_of_any_type_compares_as_the_number_it_is(name: str) -> None:
    class Four:
        def __index__(self) -> int:
            return 4

    Limiter(name, limit=4)
    assert Limiter(name, limit=Four()).limit == 4  # type: ignore[arg-type]


def test_a_change_at_run_time_is_what_later_openers_are_compared_with(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=1)
    limiter.limit = 6
    limiter.cooldown = 2
    Limiter(name, limit=6, cooldown=2)
    with pytest.warns(ConfigMismatchWarning, match="limit 6, not 4"):
        Limiter(name, limit=4)


@pytest.mark.parametrize("argument", ["cooldown", "slot_timeout"])
def test_a_number_too_large_for_a_float_is_out_of_range_like_any_other(name: str, argument: str) -> None:
    with pytest.raises(ValueError, match=rf"{argument} must be .*, not 10000"):
        Limiter(name, limit=4, **{argument: 10**400})  # type: ignore[arg-type]
    limiter = Limiter(name, limit=4)
    with pytest.raises(ValueError, match="timeout must be"):
        limiter.acquire(timeout=10**400)
    with pytest.raises(ValueError, match="retry_after must be"):
        limiter.report_429(10**400)
    with pytest.raises(ValueError, match="pause must be"):
        limiter.pause(10**400)


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        ({"limit": 4}, {"limit": "upstream", "headroom": 1}, "limit 4, not 'upstream'"),
        ({"limit": "upstream"}, {"limit": 4}, "limit 'upstream', not 4"),
        ({"limit": "upstream"}, {"limit": "upstream", "headroom": 1}, "headroom 0, not 1"),
    ],
)
def test_another_way_to_the_limit_is_told_and_changes_nothing(
    name: str, first: dict[str, Any], then: dict[str, Any], message: str
) -> None:
    stands = Limiter(name, usage="json:loads", **first)
    with pytest.warns(ConfigMismatchWarning) as caught:
        Limiter(name, **then)
    assert [message in str(one.message) for one in caught] == [True]
    assert stands.status().headroom == (None if first["limit"] == 4 else 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Limiter(name, **first)


def test_closed_on_stale_admits_nobody_without_a_sample(name: str) -> None:
    closed = Settings(
        limit=4,
        configured_limit=4,
        headroom=None,
        cooldown=0,
        slot_timeout=None,
        gate="upstream",
        on_stale="closed",
        slots=8,
        usage=None,
    )
    created = segment.create(name, closed)
    assert created is not None
    limiter = Limiter(name)
    assert limiter.status().on_stale == "closed"
    assert limiter.status().available == 0
    assert limiter.try_acquire() is None
    waiter = queue_up(limiter, timeout=0.3)
    assert limiter.status().blocked_by == "stale"
    with pytest.raises(TimeoutError):
        waiter.permit()
    with pytest.raises(NeverAdmissible):
        limiter.try_acquire(weight=5)


def test_an_unlimited_limiter_finds_the_segment_that_came_after_an_orphan(name: str) -> None:
    unlimited = Limiter(name, missing_ok=True)
    first = Limiter(name, limit=1, cooldown=0)
    held = unlimited.acquire(timeout=0)
    assert first.status().held == 1
    segment.destroy(name, force=True)
    second = Limiter(name, limit=1, cooldown=0)
    with pytest.raises(SegmentOrphaned):
        unlimited.try_acquire()
    assert second.try_acquire().release()  # type: ignore[union-attr]
    assert held.release()
    assert second.status().held == 0


def test_a_permit_outlives_the_limiter_it_came_from(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    permit = Limiter(name).acquire()
    assert limiter.try_acquire() is None
    assert permit.release()


def test_a_weight_too_large_for_a_float_is_out_of_range_like_any_other(name: str) -> None:
    limiter = Limiter(name, limit=4)
    with pytest.raises(ValueError, match="weight must be"):
        limiter.try_acquire(weight=10**400)


def test_an_unlimited_limiter_refuses_the_labels_that_a_limited_one_does(name: str) -> None:
    unlimited = Limiter(name, missing_ok=True)
    for attempt in (unlimited.acquire, unlimited.try_acquire):
        with pytest.raises(TypeError, match="label must be text"):
            attempt(label=7)  # type: ignore[arg-type]
