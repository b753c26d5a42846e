"""Leaving a wait by an error: no place and no permit is kept, not even by the traceback, and not by a forked child."""

from __future__ import annotations

import os

import pytest

from shmlimit import AcquireTimeout, Limiter
from tests.limiter.callers import Caller, queue_up
from tests.support.processes import Worker, hear, say, wait_for


def test_while_a_timeout_is_handled_nothing_is_kept(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    try:
        limiter.acquire(timeout=0.01)
    except AcquireTimeout:
        assert limiter.status().queued == 0
        holder.release()
        assert limiter.acquire(timeout=0).release()


def test_a_wait_that_times_out_after_close_says_that_it_timed_out(name: str) -> None:
    limiter, other = Limiter(name, limit=1, cooldown=0), Limiter(name)
    with other:
        waiter = queue_up(limiter, timeout=0.2)
        limiter.close()
        with pytest.raises(AcquireTimeout, match="1 held"):
            waiter.permit()
        assert other.status().queued == 0


def test_closed_by_on_queued_the_wait_goes_on(name: str) -> None:
    limiter, other = Limiter(name, limit=1, cooldown=0), Limiter(name)
    holder = other.acquire()
    waiter = Caller(limiter, on_queued=limiter.close)
    wait_for(lambda: limiter.closed)
    assert other.status().queued == 1
    holder.release()
    assert waiter.permit().release()


def _fork_while_queued(name: str, child_raises: bool) -> None:
    limiter = Limiter(name)
    child = 0

    def fork() -> None:
        nonlocal child
        child = os.fork()
        if not child and child_raises:
            raise LookupError("in the child")

    try:
        permit = limiter.acquire(on_queued=fork)
    except BaseException as error:  # noqa: BLE001
        say(type(error).__name__)
        os._exit(0)
    if not child:
        say("the child has a permit")
        os._exit(0)
    os.waitpid(child, 0)
    say("the parent has a permit")
    hear()
    say(permit.release())


@pytest.mark.parametrize(("child_raises", "outcome"), [(True, "LookupError"), (False, "SegmentCorrupt")])
def test_a_child_forked_while_its_parent_waits_has_no_part_in_the_wait(
    name: str, child_raises: bool, outcome: str
) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    with Worker(_fork_while_queued, name, child_raises) as worker:
        try:
            assert worker.hear() == outcome
            assert [waiter.pid for waiter in limiter.status().waiters] == [worker.pid]
        finally:
            holder.release()
        assert worker.hear() == "the parent has a permit"
        assert limiter.status().held == 1
        worker.say()
        assert worker.hear() is True
