"""Who goes first: priority, then `since`, then arrival; and nobody past an admissible waiter."""

from __future__ import annotations

import itertools

import pytest

from shmlimit import Limiter, Permit
from tests.limiter.callers import order_of_grants, queue_up
from tests.support.processes import Worker, hear, say, wait_for

OLD, MIDDLE, NEW = 1_000_000.0, 2_000_000.0, 3_000_000.5


@pytest.mark.parametrize("arrival", list(itertools.permutations([OLD, MIDDLE, NEW])))
def test_older_since_goes_first_whatever_the_arrival_order(name: str, arrival: tuple[float, ...]) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    callers = [(str(since), queue_up(limiter, since=since)) for since in arrival]
    assert [waiter.since for waiter in limiter.status().waiters] == [OLD, MIDDLE, NEW]
    assert order_of_grants(limiter, holder, callers) == [str(OLD), str(MIDDLE), str(NEW)]


def test_higher_priority_goes_first_and_older_among_equals(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    wanted = [
        ("default-old", 0, OLD),
        ("low-old", -5, OLD),
        ("high-new", 7, NEW),
        ("high-old", 7, OLD),
        ("default-new", 0, NEW),
    ]
    callers = [(tag, queue_up(limiter, priority=priority, since=since)) for tag, priority, since in wanted]
    expected = ["high-old", "high-new", "default-old", "default-new", "low-old"]
    assert order_of_grants(limiter, holder, callers) == expected


def test_extreme_priorities_keep_their_order(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    most = 2**31 - 1
    callers = [(str(priority), queue_up(limiter, priority=priority, since=OLD)) for priority in (-most, -1, most, 0)]
    assert order_of_grants(limiter, holder, callers) == [str(most), "0", "-1", str(-most)]


def test_ties_go_by_arrival(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    callers = [(str(i), queue_up(limiter, since=OLD)) for i in range(10)]
    assert order_of_grants(limiter, holder, callers) == [str(i) for i in range(10)]


def test_without_since_the_time_of_the_call_counts(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    callers = [(tag, queue_up(limiter)) for tag in ("first", "second")]
    callers.append(("began long ago", queue_up(limiter, since=OLD)))
    assert order_of_grants(limiter, holder, callers) == ["began long ago", "first", "second"]


def _wait_in_line(name: str, since: float) -> None:
    permit = Limiter(name).acquire(since=since)
    say("admitted")
    hear()
    permit.release()
    say("released")


def test_order_holds_across_processes(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    with (
        Worker(_wait_in_line, name, NEW) as new,
        Worker(_wait_in_line, name, OLD) as old,
        Worker(_wait_in_line, name, MIDDLE) as middle,
    ):
        wait_for(lambda: limiter.status().queued == 3)
        holder.release()
        for worker, others in ((old, (middle, new)), (middle, (new,)), (new, ())):
            assert worker.hear() == "admitted"
            assert [holder.pid for holder in limiter.status().holders] == [worker.pid]
            assert not any(other.has_said() for other in others)
            worker.say()
            assert worker.hear() == "released"


def test_try_acquire_never_overtakes_a_waiter_for_whom_there_is_room_to_come(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    holder = limiter.acquire(weight=3)
    heavy = queue_up(limiter, weight=2)
    assert limiter.status().available == 1
    assert limiter.try_acquire(weight=1) is None
    holder.release()
    assert heavy.permit().release()
    with limiter.permit(timeout=0):
        pass


def test_a_newcomer_queues_behind_a_waiter_although_it_would_fit(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    holder = limiter.acquire(weight=3)
    heavy = queue_up(limiter, weight=2)
    light = queue_up(limiter, weight=1)
    assert [waiter.weight for waiter in limiter.status().waiters] == [2, 1]
    holder.release()
    assert heavy.permit().release()
    assert light.permit().release()


def test_nobody_overtakes_while_a_slot_cools(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0.3)
    other = Limiter(name)
    holder = limiter.acquire()
    waiter = queue_up(limiter, since=NEW)
    holder.release()
    overtaking: list[Permit | None] = []
    while waiter.is_waiting:
        overtaking.append(other.try_acquire())
    assert not any(overtaking)
    assert waiter.permit().release()


def test_nobody_overtakes_in_the_window_after_a_release(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    for _ in range(50):
        holder = limiter.acquire()
        waiter = queue_up(limiter)
        holder.release()
        assert limiter.try_acquire() is None  # the waiter's already, though its thread may still sleep
        waiter.permit().release()
