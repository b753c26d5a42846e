"""Signals during a blocked acquire: Ctrl-C leaves no trace, and never is a permit both held and not returned."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from typing import Any

import pytest

from shmlimit import AcquireTimeout, Limiter, Permit
from tests.limiter.callers import queue_up
from tests.support.processes import Worker, hear, say, wait_for

ROUNDS = 300


def _acquire_until_interrupted(name: str) -> None:
    limiter = Limiter(name)
    try:
        limiter.acquire(on_queued=lambda: say("queued"))
    except KeyboardInterrupt:
        # Looked at while the traceback, with all its frames, is still alive.
        now = limiter.status()
        say([now.queued, now.held, now.counters.timeouts])
    hear()


def test_ctrl_c_ends_a_blocked_acquire_and_leaves_nothing(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    with Worker(_acquire_until_interrupted, name) as worker:
        assert worker.hear() == "queued"
        worker.process.send_signal(signal.SIGINT)
        assert worker.hear() == [0, 1, 0]
        assert worker.process.poll() is None
        assert limiter.status().queued == 0
        assert holder.release()
        assert limiter.acquire(timeout=0).release()
        worker.say()
        assert worker.end() == 0


def test_ctrl_c_at_the_head_lets_those_behind_it_go(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    holder = limiter.acquire()
    with Worker(_acquire_heavy_until_interrupted, name) as head:
        assert head.hear() == "queued"
        waiter = queue_up(limiter)
        head.process.send_signal(signal.SIGINT)
        assert waiter.permit().release()
        assert head.hear() == "left"
    holder.release()


def _acquire_heavy_until_interrupted(name: str) -> None:
    try:
        Limiter(name).acquire(weight=2, since=1.0, on_queued=lambda: say("queued"))
    except KeyboardInterrupt:
        say("left")


def _spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def _race_grants_with_interrupts(name: str, seed: int) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    sys.setswitchinterval(1e-4)
    chance = random.Random(seed)
    main = threading.main_thread().ident
    assert main is not None
    told: dict[str, Any] = {"raised": 0, "held": 0, "wrong": []}

    def grant_and_interrupt(holder: Permit, delay: float, grant_first: bool) -> None:
        wait_for(lambda: limiter.status().queued == 1)
        if grant_first:
            holder.release()
        else:
            signal.pthread_kill(main, signal.SIGINT)
        _spin(delay)
        if grant_first:
            signal.pthread_kill(main, signal.SIGINT)
        else:
            holder.release()

    for number in range(ROUNDS):
        permit: Permit | None = None
        holder = limiter.acquire()
        delay = chance.choice([0.0, chance.uniform(0, 2e-4), chance.uniform(0, 2e-3)])
        thread = threading.Thread(target=grant_and_interrupt, args=(holder, delay, chance.random() < 0.7))
        try:
            thread.start()
            permit = limiter.acquire()
            while True:  # the interrupt is still to come
                time.sleep(0.001)
        except KeyboardInterrupt:
            thread.join()
            now = limiter.status()
            expected = (1, 0) if permit is not None else (0, 0)
            if (now.held, now.queued) != expected:
                told["wrong"].append([number, now.held, now.queued, permit is not None])
            if permit is not None:
                told["held"] += 1
                permit.release()
            else:
                told["raised"] += 1
    now = limiter.status()
    told["left"] = [now.held, now.queued, now.in_flight, now.counters.self_heals]
    say(told)


@pytest.mark.parametrize("seed", [1, 2])
def test_an_interrupt_that_races_the_grant_either_raises_or_returns_a_permit_never_both(name: str, seed: int) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(_race_grants_with_interrupts, name, seed) as worker:
        told = worker.hear()
        assert worker.end() == 0
    assert told["wrong"] == []
    assert told["raised"] + told["held"] == ROUNDS
    assert told["left"] == [0, 0, 0.0, 0]
    assert limiter.acquire(timeout=0).release()


def _acquire_with_alarms(name: str) -> None:
    signal.signal(signal.SIGALRM, lambda *_: say("alarm"))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    with Limiter(name).permit():
        signal.setitimer(signal.ITIMER_REAL, 0)
        say("held")


def test_a_signal_handler_that_does_not_raise_runs_and_the_wait_goes_on(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    with Worker(_acquire_with_alarms, name) as worker:
        wait_for(lambda: limiter.status().queued == 1)
        waiter = limiter.status().waiters[0]
        assert [worker.hear() for _ in range(5)] == ["alarm"] * 5
        assert [(one.pid, one.since) for one in limiter.status().waiters] == [(worker.pid, waiter.since)]
        holder.release()
        while (word := worker.hear()) != "held":
            assert word == "alarm"
        assert worker.end() == 0


def _time_out_with_alarms(name: str) -> None:
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
    began = time.monotonic()
    try:
        Limiter(name).acquire(timeout=0.3)
    except AcquireTimeout:
        say(time.monotonic() - began)
    signal.setitimer(signal.ITIMER_REAL, 0)


def test_signals_neither_shorten_nor_renew_a_time_out(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with limiter, Worker(_time_out_with_alarms, name) as worker:
        assert worker.hear() >= 0.3


def _acquire_with_a_handler_that_raises(name: str) -> None:
    def refuse(*_: object) -> None:
        raise LookupError("from the handler")

    signal.signal(signal.SIGUSR1, refuse)
    limiter = Limiter(name)
    try:
        limiter.acquire(on_queued=lambda: say("queued"))
    except LookupError as error:
        say([str(error), limiter.status().queued])


def test_whatever_a_signal_handler_raises_leaves_the_queue(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with limiter, Worker(_acquire_with_a_handler_that_raises, name) as worker:
        assert worker.hear() == "queued"
        os.kill(worker.pid, signal.SIGUSR1)
        assert worker.hear() == ["from the handler", 0]
