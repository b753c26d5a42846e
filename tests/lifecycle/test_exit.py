"""Processes that leave by themselves while they hold or wait."""

from __future__ import annotations

import os
import sys
import threading

from shmlimit import Limiter
from tests.lifecycle.books import all_is_free
from tests.limiter.callers import queue_up
from tests.support.processes import Worker, hear, say, wait_for


def _hold_and_exec(name: str) -> None:
    permit = Limiter(name).acquire()
    say(permit.weight)
    hear()
    os.execv(sys.executable, [sys.executable, "-c", "import signal; signal.pause()"])


def test_exec_in_a_holder_frees_its_slot(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(_hold_and_exec, name) as holder:
        assert holder.hear() == 1
        waiter = queue_up(limiter)
        holder.say()
        waiter.permit().release()
        assert holder.process.poll() is None
    all_is_free(limiter)


def _hold_and_exit(name: str) -> None:
    permit = Limiter(name).acquire()
    say(permit.weight)
    os._exit(3)


def test_os_exit_in_a_holder_frees_its_slot(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(_hold_and_exit, name) as holder:
        assert holder.hear() == 1
        assert holder.end() == 3
        assert limiter.acquire(timeout=0).release()
    all_is_free(limiter)


def _exit_with_parked_threads(name: str) -> None:
    limiter = Limiter(name)
    for _ in range(4):
        threading.Thread(target=limiter.acquire, daemon=True).start()
    wait_for(lambda: limiter.status().queued == 4)
    say("parked")
    hear()


def test_an_interpreter_exits_with_threads_parked_and_leaves_nothing(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    with Worker(_exit_with_parked_threads, name) as worker:
        assert worker.hear() == "parked"
        worker.say()
        assert worker.end() == 0
    limiter.reap()
    assert limiter.status().queued == 0
    holder.release()
    all_is_free(limiter)
