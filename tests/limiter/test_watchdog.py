"""The watchdog takes back what is stuck, and only that."""

from __future__ import annotations

from shmlimit import Limiter, _core
from tests.limiter.callers import queue_up
from tests.support.processes import wait_for


def test_a_stuck_permit_is_taken_back_for_the_next_waiter_and_its_late_release_changes_nothing(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    stuck = limiter.acquire()
    waiter = queue_up(limiter)
    limiter.slot_timeout = 0.2
    admitted = waiter.permit()
    limiter.slot_timeout = None  # not the next one too
    assert stuck.lost
    assert not admitted.lost
    assert stuck.touch() is False
    assert stuck.release() is False
    now = limiter.status()
    assert (now.held, now.counters.watchdog, now.counters.reaped) == (1, 1, 0)
    assert admitted.release()
    assert limiter.status().in_flight == 0


def test_a_permit_taken_back_cools(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=600)
    stuck = limiter.acquire()
    limiter.slot_timeout = 0.02
    wait_for(limiter.reap)
    now = limiter.status()
    assert (now.held, now.cooling, now.in_flight, now.counters.watchdog) == (0, 1, 1.0, 1)
    assert stuck.release() is False
    assert limiter.status().cooling == 1


def test_a_newcomer_that_finds_no_room_takes_back_what_is_stuck(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0, slot_timeout=0.02)
    stuck = limiter.acquire()
    began = _core.now()
    wait_for(lambda: _core.now() > began + 0.05)
    limiter.slot_timeout = 0.03  # as the newcomer finds it
    permit = limiter.acquire(timeout=0)
    assert stuck.lost
    permit.release()
    assert stuck.release() is False


def test_nothing_is_taken_back_before_its_time(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0, slot_timeout=0.3)
    began = _core.now()
    stuck = limiter.acquire()
    wait_for(limiter.reap)
    assert _core.now() - began >= 0.29  # admission is stamped by a clock with steps of up to 10 ms
    assert stuck.release() is False


def test_touch_keeps_a_permit_that_is_alive(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    stuck, alive = limiter.acquire(), limiter.acquire()
    between = _core.now() + 0.1
    wait_for(lambda: _core.now() > between + 1.0)
    assert alive.touch() is True
    limiter.slot_timeout = _core.now() - between  # begun before, touched after
    assert limiter.reap() == 1
    limiter.slot_timeout = None
    assert stuck.lost
    assert not alive.lost
    assert alive.release()
    assert not stuck.release()


def test_without_slot_timeout_nothing_is_taken_back(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0, slot_timeout=None)
    assert limiter.slot_timeout is None
    permit = limiter.acquire()
    began = _core.now()
    wait_for(lambda: _core.now() > began + 0.1)
    assert limiter.reap() == 0
    assert not permit.lost
    limiter.slot_timeout = 0.05
    assert limiter.reap() == 1  # it was old enough
    assert permit.release() is False


def test_by_default_five_minutes(name: str) -> None:
    assert Limiter(name, limit=1).slot_timeout == 300.0
