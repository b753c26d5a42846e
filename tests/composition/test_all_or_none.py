"""acquire_all: a permit of each or none at all, and none is kept from others for longer than it must be."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from shmlimit import (
    AcquireTimeout,
    Limiter,
    LimiterClosed,
    NeverAdmissible,
    acquire_all,
    acquire_all_async,
    all_of,
)
from shmlimit.bundle import Bundle, Want
from tests.aio.tasks import run, until
from tests.composition.callers import Caller

if TYPE_CHECKING:
    from tests.composition.conftest import Pair


def granted(limiter: Limiter) -> int:
    return limiter.status().counters.granted


def test_it_takes_a_permit_of_each_and_gives_all_back(pair: Pair) -> None:
    a, b = pair
    b.limit = 2
    with acquire_all([(b, 1.5), (a, 0.5)], label="job") as permits:
        assert (a.status().in_flight, b.status().in_flight) == (0.5, 1.5)
        assert [holder.label for limiter in pair for holder in limiter.status().holders] == ["job", "job"]
        assert (len(permits), permits[a].weight, permits[b].weight) == (2, 0.5, 1.5)
        assert [permit.weight for permit in permits] == [0.5, 1.5]
        assert permits.touch()
        assert not permits.lost
    assert (a.status().held, b.status().held) == (0, 0)
    assert not permits.release()
    assert not permits.touch()


def test_the_context_manager_and_the_async_forms_do_the_same(pair: Pair) -> None:
    a, b = pair
    holding = all_of([(a, 1), (b, 1)], timeout=0)
    with holding as permits, pytest.raises(RuntimeError, match="in use"), holding:
        pass
    assert len(permits) == 2
    assert a.status().held == 0

    async def main() -> None:
        with await acquire_all_async([(a, 1), (b, 1)], timeout=0):
            assert b.status().held == 1
        async with all_of([(a, 1), (b, 1)], timeout=0) as permits:
            assert permits[b].weight == 1

    run(main())


def test_one_that_is_named_twice_is_taken_once_with_both_weights(pair: Pair) -> None:
    a, b = pair
    a.limit = 3
    with acquire_all([(a, 1), (b, 1), (Limiter(a.name), 1.5)]) as permits:
        assert (a.status().held, a.status().in_flight, len(permits)) == (1, 2.5, 2)


def test_a_limiter_that_nobody_has_created_is_unlimited_here_too(pair: Pair, name: str) -> None:
    a, _ = pair
    missing = Limiter(f"{name}-missing", missing_ok=True)
    with acquire_all([(missing, 1), (a, 1)]) as permits:
        assert permits[missing].weight == 1
        with pytest.raises(AcquireTimeout):
            acquire_all([(missing, 1), (a, 1)], timeout=0)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_without_room_in_one_nothing_is_taken_of_the_other_while_it_waits(pair: Pair, order: tuple[int, int]) -> None:
    free, full = (pair[i] for i in order)
    holder = full.acquire()
    caller = Caller(acquire_all, [(free, 0.5), (full, 1)])
    caller.until_queued(full)
    assert (granted(free), free.status().queued) == (0, 0)
    holder.release()
    with caller.permits() as permits:
        assert (free.status().held, full.status().held) == (1, 1)
        assert list(permits) == [permits[limiter] for limiter in pair]


def test_room_that_others_wait_for_is_none(pair: Pair) -> None:
    a, b = pair
    b.limit = 2
    holder = b.acquire()
    heavy = Caller(b.acquire, weight=2)
    heavy.until_queued(b)
    with pytest.raises(AcquireTimeout, match=b.name):
        acquire_all([(a, 1), (b, 1)], timeout=0)
    assert granted(a) == 0
    holder.release()
    heavy.permits().release()


@pytest.mark.parametrize("wait", [0, 0.01])
def test_a_timeout_leaves_nothing_behind(pair: Pair, wait: float) -> None:
    a, b = pair
    with b.permit():
        with pytest.raises(AcquireTimeout, match=b.name):
            acquire_all([(a, 1), (b, 1)], timeout=wait)
        assert (granted(a), b.status().queued, b.status().counters.timeouts) == (0, 0, 1)


def test_what_can_never_be_admitted_is_refused_before_anything_is_taken(pair: Pair) -> None:
    a, b = pair
    for wanted in ([(a, 1), (b, 2)], [(b, 1), (a, 2)], [(a, 1), (b, 0.5), (b, 0.6)]):
        with pytest.raises(NeverAdmissible):
            acquire_all(wanted)
    assert (granted(a), granted(b)) == (0, 0)


def test_what_fails_after_a_part_was_taken_gives_that_back(pair: Pair) -> None:
    a, b = pair
    closed = Limiter(b.name)
    closed.close()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Want, "has_room", True)  # or it would be found before anything is taken
        with pytest.raises(LimiterClosed):
            acquire_all([(a, 1), (closed, 1)])
    assert (granted(a), a.status().held) == (1, 0)


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ([], ValueError),
        (["umans"], TypeError),
        ([("umans", 1)], TypeError),
        ([(None, "1")], TypeError),
        ([(None, True)], TypeError),
        ([(None, -1)], ValueError),
        ([(None, float("nan"))], ValueError),
    ],
)
def test_unclear_wishes_are_refused(wanted: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        acquire_all(wanted)


def test_the_oldest_goes_first_and_the_higher_priority_before_it(pair: Pair) -> None:
    a, b = pair
    order = []

    async def take(tag: str, **options: Any) -> None:
        async with all_of([(a, 1), (b, 1)], **options):
            order.append(tag)

    async def main() -> None:
        with b.permit():
            tasks = []
            for tag, options in {"young": {"since": 3}, "old": {"since": 1}, "urgent": {"priority": 1}}.items():
                tasks.append(asyncio.create_task(take(tag, **options)))
                await until(lambda: b.status().queued == len(tasks))
        await asyncio.gather(*tasks)

    run(main())
    assert order == ["urgent", "old", "young"]


def both_full(pair: Pair, patience: float, monkeypatch: pytest.MonkeyPatch) -> tuple[Caller, Any]:
    """A caller who has got `a` and waits for `b`, and the holder of `b`."""
    a, b = pair
    monkeypatch.setattr(Bundle, "_patience", lambda *_: patience)
    holder_of_a, holder_of_b = a.acquire(), b.acquire()
    caller = Caller(acquire_all, [(b, 1), (a, 1)], since=1)
    caller.until_queued(a)
    assert b.status().queued == 0
    holder_of_a.release()
    caller.until_queued(b)
    return caller, holder_of_b


def test_while_its_patience_lasts_it_holds_what_it_has(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    caller, holder = both_full(pair, 1e6, monkeypatch)
    assert pair[0].status().held == 1
    holder.release()
    with caller.permits():
        assert granted(pair[0]) == 2


def test_then_it_gives_back_what_it_has_and_keeps_its_place(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = pair
    caller, holder = both_full(pair, 0, monkeypatch)
    younger = Caller(b.acquire, since=2)
    younger.until_queued(b, 2)
    with a.permit():  # has gone back
        holder.release()
        caller.until_queued(a)  # it is served before the younger one, gives that back too, and waits for the other
        younger.permits().release()
    caller.permits().release()


def test_it_holds_for_a_cooldown_and_where_that_was_too_short_longer_but_only_by_name(pair: Pair) -> None:
    first, second = (Want(limiter, 1) for limiter in pair)
    bundle = Bundle([first, second])
    with acquire_all([first, second]) as permits:
        of_first, of_second = ({want.limiter.name: permits[want.limiter]} for want in (first, second))
        first.limiter.cooldown, second.limiter.cooldown = 3, 0
        assert [bundle._patience(of_first, second, times) for times in (0, 1, 2)] == [3, 6, 12]
        assert [bundle._patience(of_second, first, times) for times in (0, 1, 2)] == [0.05] * 3
        assert 1e6 < bundle._patience(of_first, second, 10**6) < 1e9
        first.limiter.cooldown = 0


def test_it_is_served_though_each_has_a_queue_all_the_time(pair: Pair) -> None:
    async def occupy(limiter: Limiter, is_served: asyncio.Event) -> None:
        while not is_served.is_set():
            async with limiter:
                await asyncio.sleep(0.001)

    async def main() -> None:
        is_served = asyncio.Event()
        crowd = [asyncio.create_task(occupy(limiter, is_served)) for limiter in pair for _ in range(4)]
        await until(lambda: all(limiter.status().queued for limiter in pair))
        async with all_of([(limiter, 1) for limiter in pair]):
            is_served.set()
        await asyncio.gather(*crowd)

    run(main())


def test_who_takes_them_one_by_one_the_other_way_round_does_not_lock_it_up(pair: Pair) -> None:
    a, b = pair
    served = []

    async def together() -> None:
        for _ in range(20):
            async with all_of([(a, 1), (b, 1)]):
                await asyncio.sleep(0)
        served.append("together")

    async def one_by_one() -> None:
        for _ in range(20):
            async with b:
                await asyncio.sleep(0.001)
                async with a:
                    await asyncio.sleep(0)
        served.append("one by one")

    async def main() -> None:
        await asyncio.gather(*(together() for _ in range(3)), *(one_by_one() for _ in range(3)))

    run(main())
    assert sorted(served) == ["one by one"] * 3 + ["together"] * 3


def test_collected_unreleased_they_go_back_with_a_warning(pair: Pair) -> None:
    permits = acquire_all([(limiter, 1) for limiter in pair])
    assert len(permits) == 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del permits
        gc.collect()
    assert [warning.category for warning in caught] == [ResourceWarning, ResourceWarning]


def test_one_that_the_watchdog_took_is_told_and_the_others_still_go_back(pair: Pair) -> None:
    a, b = pair
    a.slot_timeout = 1e-6
    with acquire_all([(limiter, 1) for limiter in pair]) as permits:
        assert a.reap() == 1
        assert permits.lost
        assert not permits.touch()
        assert b.status().held == 1
        assert not permits.release()
        assert b.status().held == 0
