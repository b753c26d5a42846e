"""Containers with process ids of their own that share a segment: pids mean nothing there, locks do."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from shmlimit import Limiter
from tests.lifecycle.books import all_is_free
from tests.limiter.callers import queue_up
from tests.namespaces import container
from tests.support.processes import Worker, hear, say, wait_for


@pytest.fixture(autouse=True)
def _permitted() -> None:
    container.need("pid")


def _hold(name: str) -> None:
    permit = Limiter(name).acquire(timeout=30)
    say(os.getpid())
    hear()
    say(permit.release())


def _wait_and_hold(name: str) -> None:
    say("waiting")
    _hold(name)


def _reap(name: str) -> None:
    limiter = Limiter(name)
    say([limiter.reap(), limiter.try_acquire() is None, [one.pid for one in limiter.status().holders]])


def _contained(step: str, name: str) -> None:
    container.unshare("pid")
    container.as_first_process({"hold": _hold, "wait": _wait_and_hold, "reap": _reap}[step], name)


def test_two_containers_in_which_everybody_is_pid_1_share_the_limit(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    with Worker(_contained, "hold", name) as one, Worker(_contained, "hold", name) as other:
        assert one.hear() != other.hear()
        assert [one.hear(), other.hear()] == [1, 1]
        assert [holder.pid for holder in limiter.status().holders] == [1, 1]
        assert limiter.try_acquire() is None
        one.say()
        assert one.hear() is True
        assert limiter.acquire(timeout=0).release()
        assert limiter.status().held == 1
        other.say()
        assert other.hear() is True
    all_is_free(limiter)
    assert limiter.status().counters.reaped == 0


def test_a_holder_killed_in_a_container_gives_its_slot_to_a_waiter_outside(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(_contained, "hold", name) as holder:
        pid = holder.hear()
        assert holder.hear() == 1
        waiter = queue_up(limiter)
        os.kill(pid, signal.SIGKILL)
        waiter.permit().release()
    assert limiter.status().counters.reaped == 1
    all_is_free(limiter)


def test_a_holder_killed_outside_gives_its_slot_to_a_waiter_in_a_container(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(_hold, name) as holder:
        holder.hear()
        with Worker(_contained, "wait", name) as waiter:
            waiter.hear()
            assert waiter.hear() == "waiting"
            wait_for(lambda: limiter.status().queued)
            holder.kill()
            assert waiter.hear() == 1
            waiter.say()
            assert waiter.hear() is True
    assert limiter.status().counters.reaped == 1
    all_is_free(limiter)


def test_nobody_alive_is_taken_for_dead_because_its_pid_is_not_known_here(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    with Worker(_hold, name) as outside, Worker(_contained, "hold", name) as inside:
        assert outside.hear() == outside.pid
        inside.hear()
        assert inside.hear() == 1
        assert limiter.reap() == 0
        with Worker(_contained, "reap", name) as reaper:
            reaper.hear()
            reaped, is_full, pids = reaper.hear()
            assert (reaped, is_full, sorted(pids)) == (0, True, [1, outside.pid])
        for worker in (inside, outside):
            worker.say()
            assert worker.hear() is True
    all_is_free(limiter)


def _reuse_a_pid(name: str) -> None:
    """As pid 1: a holder with pid 2 dies, and another process gets pid 2."""
    limiter = Limiter(name)
    holder = _fork_holding(name)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    try:
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(holder - 1))
    except OSError as error:
        say(f"ns_last_pid: {error.strerror}")
        return
    reader, writer = os.pipe()
    namesake = os.fork()
    if not namesake:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    say([holder == namesake, limiter.acquire(timeout=0).release()])
    os.close(writer)
    os.waitpid(namesake, 0)


def _fork_holding(name: str) -> int:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        permit = Limiter(name).acquire(timeout=30)
        os.write(writer, b"h")
        signal.pause()
        permit.release()
    assert os.read(reader, 1) == b"h"
    os.close(reader)
    os.close(writer)
    return child


def _reuse_a_pid_contained(name: str) -> None:
    container.unshare("pid")
    container.as_first_process(_reuse_a_pid, name)


def test_a_process_that_got_a_dead_holders_pid_does_not_keep_its_slot(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(_reuse_a_pid_contained, name) as worker:
        worker.hear()
        found = worker.hear()
        if isinstance(found, str):
            pytest.skip(found)
        assert found == [True, True]
    all_is_free(limiter)


def _fill_a_container(name: str) -> None:
    say([_fork_holding(name) for _ in range(3)])
    hear()


def _fill(name: str) -> None:
    container.unshare("pid")
    container.as_first_process(_fill_a_container, name)


def test_a_container_that_is_killed_as_a_whole_gives_everything_back(name: str) -> None:
    limiter = Limiter(name, limit=3, cooldown=0)
    with Worker(_fill, name) as worker:
        first = worker.hear()
        worker.hear()
        assert limiter.try_acquire() is None
        os.kill(first, signal.SIGKILL)
        worker.end()
        assert limiter.acquire(timeout=0, weight=3).release()
    assert limiter.status().counters.reaped == 3
    all_is_free(limiter)
