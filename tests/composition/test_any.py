"""acquire_any: the first limiter with room, and of all queues the first that admits; nothing is left in the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import shmlimit
from shmlimit import (
    AcquireTimeout,
    Limiter,
    LimiterClosed,
    NeverAdmissible,
    QueueFull,
    SegmentOrphaned,
    acquire_any,
    acquire_any_async,
    any_of,
)
from tests.aio.tasks import run, until
from tests.composition.callers import Caller
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from tests.composition.conftest import Pair


def test_the_first_with_room_in_the_order_given(pair: Pair) -> None:
    a, b = pair
    with acquire_any([a, b], label="job") as first, acquire_any([a, b], weight=0.5) as second:
        assert (first.limiter, second.limiter) == (a, b)
        assert (first.permit.label, second.permit.weight) == ("job", 0.5)
        assert second[b] is second.permit
        assert a.report_429(0, permit=first.permit) is False  # never below 1; the permit is taken for its own
    assert (a.status().held, b.status().held) == (0, 0)


def test_the_context_manager_and_the_async_forms_do_the_same(pair: Pair) -> None:
    a, b = pair
    with any_of(iter([a, b])) as permit:
        assert permit.limiter is a

    async def main() -> None:
        with await acquire_any_async([b, a]) as first:
            async with any_of([b, a]) as second:
                assert (first.limiter, second.limiter) == (b, a)

    run(main())


@pytest.mark.parametrize("which", [0, 1])
def test_it_waits_in_all_queues_and_takes_the_first_that_admits_it(pair: Pair, which: int) -> None:
    holders = [limiter.acquire() for limiter in pair]
    caller = Caller(acquire_any, pair)
    for limiter in pair:
        caller.until_queued(limiter)
    holders[which].release()
    with caller.permits() as permit:
        assert permit.limiter is pair[which]
        assert [limiter.status().queued for limiter in pair] == [0, 0]
    holders[1 - which].release()


def test_admitted_by_two_at_once_it_keeps_one_and_gives_the_other_back(pair: Pair) -> None:
    async def main() -> None:
        holders = [limiter.acquire() for limiter in pair]
        task = asyncio.create_task(acquire_any_async(pair))
        await until(lambda: all(limiter.status().queued for limiter in pair))
        for holder in holders:  # both grant while this task keeps the loop
            holder.release()
        assert [limiter.status().held for limiter in pair] == [1, 1]
        with await task as permit:
            assert [limiter.status().held for limiter in pair] == [int(limiter is permit.limiter) for limiter in pair]

    run(main())


@pytest.mark.parametrize("wait", [0, 0.01])
def test_a_timeout_names_all_and_leaves_every_queue(pair: Pair, wait: float) -> None:
    a, b = pair
    with a.permit(), b.permit():
        with pytest.raises(AcquireTimeout, match=f"'{a.name}', '{b.name}'"):
            acquire_any(pair, timeout=wait)
        assert [limiter.status().queued for limiter in pair] == [0, 0]


def test_the_older_goes_before_the_younger_in_each(pair: Pair) -> None:
    _, b = pair
    holders = [limiter.acquire() for limiter in pair]
    younger = Caller(b.acquire, since=2)
    younger.until_queued(b)
    older = Caller(acquire_any, pair, since=1)
    older.until_queued(b, 2)
    holders[1].release()
    with older.permits() as permit:
        assert permit.limiter is b
        assert younger.is_waiting
    younger.permits().release()
    holders[0].release()


def test_one_that_can_never_admit_it_is_passed_over(pair: Pair) -> None:
    a, b = pair
    b.limit = 2
    with acquire_any([a, b], weight=2) as permit:
        assert permit.limiter is b
        caller = Caller(acquire_any, [a, b], weight=1.5)
        caller.until_queued(b)
    caller.permits().release()
    with pytest.raises(NeverAdmissible):
        acquire_any([a, b], weight=3)


def test_one_whose_slots_are_all_taken_is_passed_over(pair: Pair, name: str) -> None:
    tiny = Limiter(name, limit=1, slots=1)
    with tiny.permit(), acquire_any([tiny, *pair]) as permit:
        assert permit.limiter is pair[0]
        with pytest.raises(QueueFull):
            acquire_any([tiny])


def test_a_limit_lowered_below_its_weight_leaves_it_the_others(pair: Pair) -> None:
    a, b = pair
    a.limit = b.limit = 2
    holders = [limiter.acquire(weight=2) for limiter in pair]
    caller = Caller(acquire_any, pair, weight=2)
    for limiter in pair:
        caller.until_queued(limiter)
    a.limit = 1
    wait_for(lambda: a.status().queued == 0)
    holders[1].release()
    with caller.permits() as permit:
        assert permit.limiter is b
    holders[0].release()


def test_one_that_is_destroyed_meanwhile_ends_the_wait(pair: Pair, name: str) -> None:
    doomed = Limiter(name, limit=1)
    with pair[0].permit(), doomed.permit():
        caller = Caller(acquire_any, [pair[0], doomed])
        caller.until_queued(doomed)
        shmlimit.destroy(name, force=True)
        with pytest.raises(SegmentOrphaned):
            caller.permits()
        assert pair[0].status().queued == 0


def test_a_limiter_that_nobody_has_created_always_has_room(pair: Pair, name: str) -> None:
    missing = Limiter(name, missing_ok=True)
    with pair[0].permit(), acquire_any([pair[0], missing]) as permit:
        assert permit.limiter is missing


def test_misuse_is_refused(pair: Pair) -> None:
    closed = Limiter(pair[0].name)
    closed.close()
    wrong: Any
    for wrong, error in (([], ValueError), (["umans"], TypeError), ([closed], LimiterClosed)):
        with pytest.raises(error):
            acquire_any(wrong)
