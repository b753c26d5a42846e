"""Permit: released once, by whoever has it or by its end."""

from __future__ import annotations

import copy
import gc
import pickle
import threading

import pytest

from shmlimit import AcquireTimeout, Limiter, LimiterClosed, Permit, _core
from tests.limiter.callers import queue_up
from tests.support.processes import wait_for


@pytest.fixture
def limiter(name: str) -> Limiter:
    return Limiter(name, limit=1, cooldown=0)


def test_as_a_context_manager_it_is_released_at_the_end(limiter: Limiter) -> None:
    with limiter.acquire() as permit:
        assert isinstance(permit, Permit)
        assert limiter.status().held == 1
    assert limiter.status().held == 0
    assert permit.release() is False


def test_an_exception_in_the_block_releases_it_and_goes_on(limiter: Limiter) -> None:
    with pytest.raises(KeyError, match="work"), limiter:
        raise KeyError("work")
    with pytest.raises(KeyError, match="work"), limiter.permit():
        raise KeyError("work")
    assert limiter.status().in_flight == 0


def test_released_inside_the_block_it_is_not_released_again(limiter: Limiter) -> None:
    with limiter.permit() as permit:
        assert permit.release() is True
        with limiter.permit(timeout=0):
            assert permit.release() is False
            assert limiter.status().held == 1
    assert limiter.status().held == 0


def test_another_thread_may_release_it(limiter: Limiter) -> None:
    permit = limiter.acquire()
    outcomes: list[bool] = []
    thread = threading.Thread(target=lambda: outcomes.append(permit.release()))
    thread.start()
    thread.join()
    assert outcomes == [True]
    assert permit.release() is False


def test_many_threads_releasing_at_once_release_once(limiter: Limiter) -> None:
    for _ in range(50):
        permit = limiter.acquire(timeout=0)
        outcomes: list[bool] = []
        barrier = threading.Barrier(4)

        def release(barrier: threading.Barrier = barrier, permit: Permit = permit, to: list[bool] = outcomes) -> None:
            barrier.wait()
            to.append(permit.release())

        threads = [threading.Thread(target=release) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [False, False, False, True]


def test_held_for_is_the_time_from_admission_to_release(limiter: Limiter) -> None:
    before = _core.now()
    permit = limiter.acquire()
    acquired = _core.now()
    wait_for(lambda: _core.now() > acquired + 0.05)
    assert 0.04 <= permit.held_for <= _core.now() - before + 0.02
    releasing = _core.now()
    permit.release()
    held_for = permit.held_for
    assert releasing - acquired - 0.02 <= held_for <= _core.now() - before + 0.02
    wait_for(lambda: _core.now() > releasing + 0.05)
    assert permit.held_for == held_for


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        (None, None),
        ("agent-7", "agent-7"),
        ("x" * 48, "x" * 48),
        ("x" * 49, "x" * 48),
        ("é" * 24, "é" * 24),
        ("x" + "é" * 24, "x" + "é" * 23),  # the 49th byte is the second half of a character
        ("\U0001f600" * 13, "\U0001f600" * 12),
        ("xx" + "€" * 16, "xx" + "€" * 15),
        ("line\nbreak\t\x1b[31m", "line\nbreak\t\x1b[31m"),
        ("", None),
    ],
)
def test_a_label_is_shown_cut_to_48_bytes_at_a_character(
    limiter: Limiter, label: str | None, shown: str | None
) -> None:
    with limiter.permit(label=label) as permit:
        assert permit.label == label
        assert [holder.label for holder in limiter.status().holders] == [shown]
        waiter = queue_up(limiter, label=label, timeout=0.3)
        assert [one.label for one in limiter.status().waiters] == [shown]
        with pytest.raises(AcquireTimeout):
            waiter.permit()
    with limiter.try_acquire(label=label) as permit:  # type: ignore[union-attr]
        assert [holder.label for holder in limiter.status().holders] == [shown]


def test_a_label_does_not_stay_for_the_next_permit(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0, slots=1)
    limiter.acquire(label="mine").release()
    with limiter:
        assert limiter.status().holders[0].label is None


def test_a_label_that_is_not_text_is_refused(limiter: Limiter) -> None:
    for label in (b"bytes", 7, True):
        for attempt in (limiter.acquire, limiter.try_acquire):
            with pytest.raises(TypeError, match="label must be text") as caught:
                attempt(label=label)  # type: ignore[arg-type]
            assert repr(label) in str(caught.value)
    assert limiter.acquire(timeout=0).release()


def test_a_surrogate_in_a_label_is_replaced(limiter: Limiter) -> None:
    with limiter.permit(label="a\ud800b"):
        assert limiter.status().holders[0].label == "a?b"


def test_repr_says_label_weight_and_state(limiter: Limiter) -> None:
    permit = limiter.acquire(weight=0.5, label="agent-7")
    assert repr(permit).startswith("<Permit 'agent-7' weight 0.5, held for 0.")
    permit.release()
    assert repr(permit) == "<Permit 'agent-7' weight 0.5, released>"
    lost = limiter.acquire()
    began = _core.now()
    wait_for(lambda: _core.now() > began + 0.05)
    limiter.slot_timeout = 0.02
    assert limiter.reap() == 1
    assert repr(lost) == "<Permit weight 1, lost>"
    lost.release()


def test_it_cannot_be_pickled_or_copied(limiter: Limiter) -> None:
    with limiter.acquire() as permit:
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="pickled or copied"):
                attempt(permit)
        assert limiter.status().held == 1


def test_collected_unreleased_it_is_released_with_a_warning(limiter: Limiter) -> None:
    dropped = [limiter.acquire()]
    with pytest.warns(ResourceWarning, match="without release"):
        dropped.clear()
    assert limiter.status().in_flight == 0
    dropped.append(limiter.acquire())
    waiter = queue_up(limiter)
    with pytest.warns(ResourceWarning, match="without release"):
        dropped.clear()
    assert waiter.permit().release()


def test_a_queued_permit_that_is_dropped_leaves_the_queue(limiter: Limiter) -> None:
    with limiter:
        permit, queued = limiter._enter(1, 0, 0, None)
        assert queued
        assert limiter.status().queued == 1
        del permit
        gc.collect()
        assert limiter.status().queued == 0
    assert limiter.acquire(timeout=0).release()


def test_a_queued_permit_dropped_after_its_grant_is_given_back(limiter: Limiter) -> None:
    holder = limiter.acquire()
    permit, queued = limiter._enter(1, 0, 0, None)
    assert queued
    holder.release()
    assert limiter.status().held == 1
    del permit
    gc.collect()
    assert limiter.status().in_flight == 0


def test_permits_outlive_close(name: str) -> None:
    limiter, other = Limiter(name, limit=2, cooldown=0), Limiter(name)
    released, dropped = limiter.acquire(), limiter.acquire()
    limiter.close()
    limiter.close()
    assert limiter.closed
    assert repr(limiter) == f"<Limiter {name!r}, closed>"
    assert other.status().held == 2
    assert not released.lost
    assert released.touch()
    assert released.release() is True
    assert dropped.release() is True
    assert other.status().in_flight == 0


def test_after_close_every_call_says_so(name: str) -> None:
    limiter = Limiter(name, limit=2)
    limiter.close()
    for attempt in (
        limiter.acquire,
        limiter.try_acquire,
        limiter.__enter__,
        limiter.status,
        limiter.reap,
        limiter.reset,
        limiter.resume,
        limiter.pause,
        limiter.report_429,
        lambda: limiter.limit,
        lambda: setattr(limiter, "limit", 3),
        lambda: setattr(limiter, "cooldown", 3),
    ):
        with pytest.raises(LimiterClosed, match=name) as caught:
            attempt()
        assert isinstance(caught.value, ValueError)


def test_closed_while_a_thread_waits_that_wait_goes_on(name: str) -> None:
    limiter, other = Limiter(name, limit=1, cooldown=0), Limiter(name)
    holder = other.acquire()
    waiter = queue_up(limiter)
    limiter.close()
    holder.release()
    assert waiter.permit().release()
    assert other.status().in_flight == 0
