"""Processes that die or stop while they hold or wait: what they had comes back, and nobody else is held up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from shmlimit import Limiter, ParticipantsFull, _core, segment
from tests.lifecycle.books import all_is_free
from tests.limiter.callers import queue_up
from tests.support.processes import Worker, hear, say, state_of, wait_for


def _hold(name: str, weight: float = 1, since: float | None = None) -> None:
    permit = Limiter(name).acquire(weight=weight, since=since)
    say("held")
    hear()
    say(permit.release())


def _stay(name: str) -> None:
    limiter = Limiter(name)
    say(limiter.limit)
    hear()


def test_a_killed_holders_slot_reaches_a_parked_waiter(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(_hold, name) as holder, Worker(_stay, name) as bystander:
        assert [holder.hear(), bystander.hear()] == ["held", 1]
        waiter = queue_up(limiter)
        holder.kill()
        permit = waiter.permit()
        now = limiter.status()
        assert (now.held, now.counters.reaped, now.counters.watchdog) == (1, 1, 0)
        assert [one.pid for one in now.holders] == [os.getpid()]
        permit.release()
        bystander.say()
        assert bystander.end() == 0
    all_is_free(limiter)


def test_a_killed_holders_slot_is_free_at_once_for_who_finds_no_room(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    for _ in range(3):
        with Worker(_hold, name) as holder:
            assert holder.hear() == "held"
            assert limiter.try_acquire() is None
            holder.kill()
            assert limiter.acquire(timeout=0).release()
    assert limiter.status().counters.reaped == 3
    all_is_free(limiter)


def test_a_killed_holders_permit_cools(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=600)
    with Worker(_hold, name, 2.5) as holder:
        assert holder.hear() == "held"
        holder.kill()
    assert limiter.reap() == 1
    assert limiter.reap() == 0
    now = limiter.status()
    assert (now.held, now.cooling, now.in_flight) == (0, 1, 2.5)


def test_a_zombie_holder_is_dead(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(_hold, name) as holder:
        assert holder.hear() == "held"
        waiter = queue_up(limiter)
        holder.kill(reap=False)
        permit = waiter.permit()
        assert state_of(holder.pid) == "Z"
        permit.release()
    all_is_free(limiter)


@pytest.mark.parametrize("weight", [1, 2])
def test_a_killed_waiter_at_the_head_does_not_block_the_queue(name: str, weight: float) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    one, other = limiter.acquire(), limiter.acquire()
    with Worker(_hold, name, weight, 1.0) as head:
        wait_for(lambda: limiter.status().queued == 1)
        waiter = queue_up(limiter)
        assert [found.pid for found in limiter.status().waiters] == [head.pid, os.getpid()]
        head.kill()
        one.release()  # room for the second, and for a head that is heavier there never was
        waiter.permit().release()
        other.release()
    assert limiter.status().counters.reaped == 0  # it held nothing
    all_is_free(limiter)


def test_a_heavy_head_that_dies_lets_the_next_go_without_any_release(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    holder = limiter.acquire()
    with Worker(_hold, name, 2, 1.0) as head:
        wait_for(lambda: limiter.status().queued == 1)
        waiter = queue_up(limiter)
        head.kill()
        waiter.permit().release()
    holder.release()
    all_is_free(limiter)


def test_a_stopped_holder_keeps_its_slot_and_others_go_on(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    with Worker(_hold, name) as holder:
        assert holder.hear() == "held"
        holder.stop()
        for _ in range(100):
            with limiter.permit(timeout=0):
                assert limiter.try_acquire() is None
        assert limiter.reap() == 0
        assert [one.pid for one in limiter.status().holders] == [holder.pid]
        holder.say()
        holder.go_on()
        assert holder.hear() is True
        assert holder.end() == 0
    all_is_free(limiter)


def test_a_stopped_waiter_does_not_block_those_behind_it(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    holders = [limiter.acquire(), limiter.acquire()]
    with Worker(_hold, name, 1, 1.0) as head:
        wait_for(lambda: limiter.status().queued == 1)
        head.stop()
        waiter = queue_up(limiter)
        for holder in holders:
            holder.release()
        permit = waiter.permit()  # granted by us to both, though the first cannot run
        assert {one.pid for one in limiter.status().holders} == {head.pid, os.getpid()}
        permit.release()
        head.go_on()
        assert head.hear() == "held"
        head.say()
        assert head.hear() is True
    all_is_free(limiter)


def _hold_and_fork(name: str) -> None:
    permit = Limiter(name).acquire()
    child = os.fork()
    if not child:
        say(os.getpid())
        signal.pause()
    hear()
    say(permit.release())


def test_the_parents_slot_comes_back_while_its_forked_child_lives(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(_hold_and_fork, name) as parent:
        child = parent.hear()
        try:
            parent.kill()
            assert state_of(child) in {"S", "R"}  # between fork and exec, all this time
            assert limiter.acquire(timeout=0).release()
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_child_killed_between_fork_and_exec_takes_nothing_along(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(_hold_and_fork, name) as parent:
        child = parent.hear()
        os.kill(child, signal.SIGKILL)
        wait_for(lambda: state_of(child) in {"Z", ""})
        assert limiter.reap() == 0
        assert [one.pid for one in limiter.status().holders] == [parent.pid]
        parent.say()
        assert parent.hear() is True
    all_is_free(limiter)


def _hold_and_start_a_program(name: str) -> None:
    permit = Limiter(name).acquire()
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], close_fds=False) as child:
        say(child.pid)
        hear()
    permit.release()


def test_a_program_that_a_holder_started_does_not_keep_the_slot(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(_hold_and_start_a_program, name) as holder:
        child = holder.hear()
        try:
            holder.kill()
            assert limiter.acquire(timeout=0).release()
            assert state_of(child) in {"S", "R"}
        finally:
            os.kill(child, signal.SIGKILL)
    all_is_free(limiter)


def _work_until_killed(name: str) -> None:
    limiter = Limiter(name)
    say("working")
    while True:
        with limiter.permit():
            pass


def test_workers_killed_at_random_lose_nothing(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    for _ in range(4):
        workers = [Worker(_work_until_killed, name) for _ in range(4)]
        try:
            assert [worker.hear() for worker in workers] == ["working"] * 4
            for worker in workers:
                for _ in range(20):  # while the others die, too
                    with limiter.permit():
                        assert limiter.status().in_flight <= 2
                worker.kill()
        finally:
            for worker in workers:
                worker.__exit__()
    all_is_free(limiter)


def _attach_many(path: str, most: int) -> None:
    kept: list[_core.Attachment] = []
    try:
        while len(kept) < most:
            kept.append(_core.Attachment(path))
        say(len(kept))
    except ParticipantsFull as full:
        say([len(kept), str(full)])
    hear()


def test_every_participant_taken_is_refused_until_some_die(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0, slots=1)
    path = segment.path_of(name)
    with Worker(_attach_many, path, 400) as one, Worker(_attach_many, path, 400) as two:
        assert [one.hear(), two.hear()] == [400, 400]
        with Worker(_attach_many, path, 400) as three:
            count, message = three.hear()
            assert count == 1024 - 400 - 400 - 1
            assert path in message
            with pytest.raises(ParticipantsFull):
                _core.Attachment(path)
            one.kill()
            extra = [_core.Attachment(path) for _ in range(3)]
            assert len(limiter.status().to_dict()["holders"]) == 0
            assert all(attachment.audit() for attachment in extra)
