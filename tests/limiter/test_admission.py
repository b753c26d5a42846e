"""Who is admitted at once, who waits, and what waiting does."""

from __future__ import annotations

import threading

import pytest

from shmlimit import AcquireTimeout, Limiter, LimiterNotFound, QueueFull, _core
from tests.limiter.callers import Caller, queue_up
from tests.support.processes import Worker, hear, say, wait_for


def test_grants_at_once_up_to_the_limit_and_not_one_more(name: str) -> None:
    limiter = Limiter(name, limit=3, cooldown=0)
    permits = [limiter.acquire(timeout=0) for _ in range(3)]
    assert limiter.try_acquire() is None
    with pytest.raises(AcquireTimeout):
        limiter.acquire(timeout=0)
    now = limiter.status()
    assert (now.held, now.in_flight, now.available, now.queued) == (3, 3.0, 0.0, 0)
    assert (now.counters.granted, now.counters.queued_grants, now.counters.timeouts) == (3, 0, 1)
    assert [permit.release() for permit in permits] == [True] * 3


def test_the_limit_holds_across_processes(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    with Worker(_hold_one, name) as one, Worker(_hold_one, name) as other:
        assert [one.hear(), other.hear()] == ["held", "held"]
        assert limiter.try_acquire() is None
        waiter = queue_up(limiter)
        one.say()
        waiter.permit().release()
        other.say()
        assert one.end() == other.end() == 0


def _hold_one(name: str) -> None:
    with Limiter(name):
        say("held")
        hear()


def test_at_the_limit_the_caller_queues_and_a_release_admits_it(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    waiter = queue_up(limiter)
    assert limiter.status().blocked_by == "full"
    holder.release()
    permit = waiter.permit()
    now = limiter.status()
    assert (now.held, now.queued, now.blocked_by) == (1, 0, None)
    assert (now.counters.granted, now.counters.queued_grants) == (2, 1)
    permit.release()


def test_on_queued_is_called_once_and_only_if_queued(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    calls: list[int] = []
    holder = limiter.acquire(on_queued=lambda: calls.append(limiter.status().queued))
    assert calls == []
    caller = queue_up(limiter, on_queued=lambda: calls.append(limiter.status().queued))
    wait_for(lambda: calls)
    holder.release()
    caller.permit().release()
    assert calls == [1]


def test_if_on_queued_raises_the_queue_is_left(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()

    def refuse() -> None:
        assert limiter.status().queued == 1
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        limiter.acquire(on_queued=refuse)
    assert limiter.status().queued == 0
    assert limiter.status().held == 1
    holder.release()
    assert limiter.acquire(timeout=0).release()


def test_if_on_queued_raises_after_the_grant_the_permit_is_given_back(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()

    def release_and_refuse() -> None:
        holder.release()
        assert limiter.status().held == 1  # granted already
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        limiter.acquire(on_queued=release_and_refuse)
    assert limiter.status().in_flight == 0


def test_unlimited_with_missing_ok_until_somebody_creates_it(name: str) -> None:
    limiter = Limiter(name, missing_ok=True)
    many = [limiter.acquire(timeout=0) for _ in range(100)]
    now = limiter.status()
    assert (now.limit, now.available, now.held) == (None, None, 0)
    assert limiter.limit is None
    assert limiter.report_429() is False
    for change in (limiter.resume, limiter.reset, limiter.pause):
        with pytest.raises(LimiterNotFound, match=name):
            change()
    creator = Limiter(name, limit=1, cooldown=0)
    with limiter.permit(timeout=0):
        assert creator.try_acquire() is None
        assert limiter.try_acquire() is None
    assert limiter.limit == 1
    assert [permit.release() for permit in many] == [True] * 100
    assert not many[0].release()
    assert creator.status().in_flight == 0


def test_without_segment_and_limit_there_is_no_limiter(name: str) -> None:
    with pytest.raises(LimiterNotFound, match=name) as caught:
        Limiter(name)
    assert isinstance(caught.value, FileNotFoundError)
    assert "limit=" in str(caught.value)


def test_a_time_out_leaves_nothing(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0, slots=4)
    holder = limiter.acquire(weight=2)
    for _ in range(20):  # more often than there are slots
        with pytest.raises(AcquireTimeout) as caught:
            limiter.acquire(timeout=0.001, priority=9)
    assert isinstance(caught.value, TimeoutError)
    for part in (name, "0.001 s", "limit 2", "1 held"):
        assert part in str(caught.value)
    now = limiter.status()
    assert (now.queued, now.held, now.counters.timeouts) == (0, 1, 20)
    holder.release()
    assert limiter.try_acquire(weight=2).release()  # type: ignore[union-attr]


def test_a_time_out_is_not_before_its_time(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with limiter:
        began = _core.now()
        with pytest.raises(AcquireTimeout):
            limiter.acquire(timeout=0.25)
        assert _core.now() - began >= 0.25


def test_one_that_times_out_lets_those_behind_it_go(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    with limiter.permit(weight=3):
        heavy = Caller(limiter, weight=2, since=1.0, timeout=0.5)
        wait_for(lambda: limiter.status().queued == 1)
        light = queue_up(limiter, weight=1)
        with pytest.raises(AcquireTimeout):
            heavy.permit()
        assert light.permit().release()


@pytest.mark.parametrize("timeout", [None, 1e300, 86400])
def test_a_long_time_out_waits(name: str, timeout: float | None) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    waiter = queue_up(limiter, timeout=timeout)
    holder.release()
    waiter.permit().release()


@pytest.mark.parametrize("timeout", [0, 0.0, -0.0, 1e-9])
def test_timeout_zero_takes_what_is_there_and_does_not_wait(name: str, timeout: float) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with limiter.permit(timeout=timeout), pytest.raises(AcquireTimeout):
        limiter.acquire(timeout=timeout)


def test_every_slot_taken_is_queue_full(name: str) -> None:
    limiter = Limiter(name, limit=5, cooldown=0, slots=2)
    permits = [limiter.acquire() for _ in range(2)]
    for attempt in (limiter.acquire, limiter.try_acquire):
        with pytest.raises(QueueFull, match="slot"):
            attempt()
    assert [permit.release() for permit in permits] == [True, True]
    assert limiter.acquire(timeout=0).release()


def test_sixteen_threads_share_one_limiter(name: str) -> None:
    limiter = Limiter(name, limit=3, cooldown=0)
    inside = peak = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal inside, peak
        for _ in range(200):
            with limiter:
                with lock:
                    inside += 1
                    peak = max(peak, inside)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = limiter.status()
    assert 1 <= peak <= 3
    assert (now.held, now.cooling, now.in_flight, now.queued) == (0, 0, 0.0, 0)
    assert now.counters.granted == 3200


def test_with_limiter_nests_across_threads(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with limiter:
            entered.set()
            leave.wait()

    with limiter as mine:
        thread = threading.Thread(target=hold)
        thread.start()
        entered.wait()
        assert limiter.status().held == 2
    assert repr(mine).endswith("released>")  # ours, not the one entered last
    assert limiter.status().held == 1
    leave.set()
    thread.join()
    assert limiter.status().held == 0
