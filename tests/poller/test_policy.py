from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shmlimit.poller import policy
from shmlimit.poller.policy import Census, Decision, backoff, decide, next_poll, pause_of_block, told_limit
from shmlimit.usage import Usage

EPOCH = 1_800_000_000.0
IDLE = Census(t0=100.0, visible_weight=0.0, visible_count=0, held_count=0, waiters=0, cooled_at=None)


def census(**changes: Any) -> Census:
    return replace(IDLE, **changes)


def gate_count(count: Any, *, rule: str = "upstream", counts: str = "requests", **changes: Any) -> float | None:
    return decide(rule, Usage(count), census(**changes), counts, EPOCH).gate_count


@pytest.mark.parametrize(
    ("count", "visible", "foreign"),
    [
        (0, 0, 0.0),
        (3, 0, 3.0),
        (3, 2, 1.0),
        (2, 2, 0.0),
        (1, 4, 0.0),  # starts that the upstream does not show yet
        (3.999, 3, 0.0),
        (3.999, 0, 3.0),
        (0.999, 0, 0.0),
        (8000, 4, 7996.0),
    ],
)
def test_foreign_is_the_whole_sessions_that_no_visible_permit_accounts_for(
    count: float, visible: int, foreign: float
) -> None:
    assert gate_count(count, visible_count=visible, visible_weight=99.0) == foreign


@pytest.mark.parametrize(
    ("count", "visible", "foreign"), [(2.5, 0.0, 2.5), (2.5, 0.75, 1.75), (0.5, 2.0, 0.0), (1.25, 1.25, 0.0)]
)
def test_an_upstream_that_counts_weight_is_compared_with_weights_and_not_truncated(
    count: float, visible: float, foreign: float
) -> None:
    assert gate_count(count, counts="weight", visible_weight=visible, visible_count=99) == foreign


@pytest.mark.parametrize("rule", ["upstream", "one-per-poll"])
@pytest.mark.parametrize("counts", ["requests", "weight"])
@pytest.mark.parametrize(
    "nonsense",
    ["3", "", b"3", True, False, math.nan, math.inf, -math.inf, -1, -0.001, None, [3], 3j, 10**400, -(10**400), 1e300],
)
def test_a_count_that_is_no_number_of_sessions_is_no_information_never_zero(
    nonsense: Any, counts: str, rule: str
) -> None:
    decision = decide(rule, Usage(nonsense), census(visible_count=1), counts, EPOCH)
    assert decision.gate_count is None
    assert decision.count is None


def test_no_reading_is_no_information_never_zero() -> None:
    assert decide("upstream", None, census(), "requests", EPOCH) == Decision(None)


def test_one_per_poll_takes_the_upstreams_own_number_whatever_is_held() -> None:
    assert gate_count(3.9, rule="one-per-poll", visible_count=3) == 3.0
    assert gate_count(3.9, rule="one-per-poll", counts="weight", visible_weight=3.0) == 3.9


def test_the_count_shown_to_people_is_the_upstreams_own() -> None:
    assert decide("upstream", Usage(3.9), census(visible_count=3), "requests", EPOCH).count == 3.9


@pytest.mark.parametrize(
    ("until", "pause"),
    [
        (None, 0.0),
        (EPOCH + 60, 60.0),
        (EPOCH, 0.0),
        (EPOCH - 60, 0.0),
        (0, 0.0),
        (-1e300, 0.0),
        (EPOCH * 1000, policy.PAUSE_MAX),  # milliseconds
        (1e300, policy.PAUSE_MAX),
        (math.inf, policy.PAUSE_MAX),
        (10**400, policy.PAUSE_MAX),
        (math.nan, 0.0),
        ("2027-01-01", 0.0),
        (True, 0.0),
    ],
)
def test_a_block_pauses_until_its_end_and_a_day_at_most(until: Any, pause: float) -> None:
    assert decide("upstream", Usage(1, blocked_until=until), census(), "requests", EPOCH).pause == pause


def test_a_block_pauses_also_where_the_count_is_nonsense() -> None:
    usage = Usage("?", blocked_until=EPOCH + 5)  # type: ignore[arg-type]
    assert decide("upstream", usage, census(), "requests", EPOCH) == Decision(None, 5.0)


@pytest.mark.parametrize(
    ("until", "pause"),
    [
        (None, policy.BLOCKED_WITHOUT_END),
        (math.nan, policy.BLOCKED_WITHOUT_END),
        (EPOCH + 7, 7.0),
        (EPOCH - 7, 0.0),
        (10**400, policy.PAUSE_MAX),
    ],
)
def test_a_refused_account_pauses_for_a_minute_where_no_end_is_told(until: Any, pause: float) -> None:
    assert pause_of_block(until, EPOCH) == pause


@pytest.mark.parametrize("rule", ["upstream", "one-per-poll"])
@pytest.mark.parametrize(
    ("held", "waiters", "cooled_at", "foreign", "expected"),
    [
        (0, 0, None, 0.0, None),
        (0, 0, 50.0, 3.0, None),  # nobody would learn anything
        (2, 0, None, 0.0, 110.0),
        (2, 0, 100.1, 3.0, 110.0),
        (0, 1, None, 0.0, 101.0),
        (4, 1, 100.4, 0.0, 100.4),
        (4, 1, 107.0, 0.0, 101.0),
        (4, 1, 99.0, 0.0, 100.15),
        (4, 1, 100.05, 0.0, 100.15),
        (4, 1, None, 0.001, 100.15),
        (4, 1, 100.4, 1.0, 100.15),
    ],
)
def test_the_next_poll_in_each_regime(
    rule: str, held: int, waiters: int, cooled_at: float | None, foreign: float, expected: float | None
) -> None:
    now = census(held_count=held, waiters=waiters, cooled_at=cooled_at, foreign=foreign)
    if rule == "one-per-poll" and waiters:
        expected = 100.15  # each sample admits one
    assert next_poll(rule, now, 100.0, 0.15) == expected


def test_the_first_poll_is_due_as_soon_as_anybody_holds_or_waits() -> None:
    assert next_poll("upstream", census(), None, 60.0) is None
    assert next_poll("upstream", census(waiters=1), None, 60.0) == IDLE.t0
    assert next_poll("upstream", census(held_count=1), None, 60.0) == IDLE.t0


@pytest.mark.parametrize("now", [census(waiters=1), census(held_count=1), census(waiters=3, foreign=2.0)])
def test_a_long_min_interval_bounds_every_regime(now: Census) -> None:
    assert next_poll("upstream", now, 100.0, 60.0) == 160.0


def test_backoff_doubles_from_half_a_second_to_ten_and_stays_within_a_quarter_of_that() -> None:
    for failures, wait in enumerate([0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0], 1):
        assert backoff(failures, None, 0.0) == 0.75 * wait
        assert backoff(failures, None, 0.5) == wait
        assert backoff(failures, None, 1.0) == 1.25 * wait
    assert backoff(10**6, None, 0.5) == policy.BACKOFF_MAX


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        (0.1, 0.5),
        (7.5, 7.5),
        (0, 0.5),
        (1e10, policy.RETRY_AFTER_MAX),
        (-5, 0.5),
        (math.nan, 0.5),
        ("soon", 0.5),
        (True, 0.5),
    ],
)
def test_retry_after_only_lengthens_the_backoff_and_an_hour_is_its_most(retry_after: Any, wait: float) -> None:
    assert backoff(1, retry_after, 0.5) == wait


# ---- Properties. No deadline: a busy machine is no failure.

properties = settings(deadline=None, database=None)

numbers = st.floats(min_value=0, max_value=1e6)
censuses = st.builds(
    Census,
    t0=st.floats(1e3, 1e6),
    visible_weight=numbers,
    visible_count=st.integers(0, 8192),
    held_count=st.integers(0, 8192),
    waiters=st.integers(0, 8192),
    cooled_at=st.none() | st.floats(0, 1e6),
    foreign=numbers,
)
rules = st.sampled_from(["upstream", "one-per-poll"])
kinds = st.sampled_from(["requests", "weight"])
anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)


@properties
@given(rule=rules, count=anything, until=anything, now=censuses, counts=kinds)
def test_whatever_the_upstream_says_foreign_is_absent_or_finite_and_never_negative(
    rule: str, count: Any, until: Any, now: Census, counts: str
) -> None:
    decision = decide(rule, Usage(count, blocked_until=until), now, counts, EPOCH)
    assert 0 <= decision.pause <= policy.PAUSE_MAX
    if decision.gate_count is not None:
        assert 0 <= decision.gate_count <= count


@properties
@given(count=numbers, more=numbers, now=censuses, counts=kinds)
def test_more_upstream_never_lowers_foreign(count: float, more: float, now: Census, counts: str) -> None:
    low = decide("upstream", Usage(count), now, counts, EPOCH).gate_count
    high = decide("upstream", Usage(count + more), now, counts, EPOCH).gate_count
    assert low is not None
    assert high is not None
    assert high >= low


@properties
@given(count=numbers, now=censuses, more=st.integers(0, 100), counts=kinds)
def test_more_of_our_own_never_raises_foreign(count: float, now: Census, more: int, counts: str) -> None:
    busier = replace(now, visible_count=now.visible_count + more, visible_weight=now.visible_weight + more)
    low = decide("upstream", Usage(count), busier, counts, EPOCH).gate_count
    high = decide("upstream", Usage(count), now, counts, EPOCH).gate_count
    assert low is not None
    assert high is not None
    assert low <= high


@properties
@given(rule=rules, now=censuses, last_t0=st.floats(0, 1e6), min_interval=st.floats(0, 1e4))
def test_no_poll_before_min_interval_and_with_waiters_none_later_than_a_second_after_it(
    rule: str, now: Census, last_t0: float, min_interval: float
) -> None:
    due = next_poll(rule, now, last_t0, min_interval)
    if due is None:
        assert now.waiters == now.held_count == 0
        return
    assert due >= last_t0 + min_interval
    if now.waiters:
        assert due <= last_t0 + max(min_interval, policy.WAITING_INTERVAL)


@properties
@given(failures=st.integers(1, 10**9), retry_after=anything, jitter=st.floats(0, 1))
def test_backoff_is_bounded(failures: int, retry_after: Any, jitter: float) -> None:
    assert 0.375 <= backoff(failures, retry_after, jitter) <= policy.RETRY_AFTER_MAX


@pytest.mark.parametrize(
    ("says", "told"),
    [(4, 4), (4.0, 4), (4.9, 4), (0, 0), (0.5, 0), (2**53, 10**6), (2**60, None), (None, None), (-1, None),
     (True, None), ("4", None), (math.nan, None), (math.inf, None), ([4], None)],
)  # fmt: skip
def test_a_limit_is_whole_and_nonsense_is_none(says: Any, told: int | None) -> None:
    assert told_limit(says) == told
