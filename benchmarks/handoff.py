"""Handoff: from release() in one process to the return of acquire() in another that was parked, on two CPUs.

Measures: the time between the two on one clock, the waiter's CPU idle before, so a wake from idle is in it; beside
multiprocessing.Semaphore in turn. Does not measure: a busy machine, longer queues.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from typing import TYPE_CHECKING, Any

from benchmarks.limiters import fresh

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

_SETTLE = 0.002  # until the other one sleeps in the kernel; if it does not yet, the figure is too good, for both


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Microseconds: candidate -> median, p95, p99."""
    context = multiprocessing.get_context("fork")
    taken: dict[str, list[float]] = {"shmlimit": [], "multiprocessing.Semaphore": []}
    with fresh(1) as limiter:
        semaphore = context.Semaphore(1)
        permits: list[Any] = []

        def take() -> None:
            permits.append(limiter.acquire())

        def give() -> None:
            permits.pop().release()

        for _ in range(10):
            for name, acquire, release in (
                ("shmlimit", take, give),
                ("multiprocessing.Semaphore", semaphore.acquire, semaphore.release),
            ):
                taken[name] += _one_side(context, acquire, release, rounds // 10)
    return {name: quantiles(values) for name, values in taken.items()}


def quantiles(values: list[float]) -> dict[str, float]:
    """Median, p95 and p99."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"median": cuts[49], "p95": cuts[94], "p99": cuts[98]}


def _one_side(context: Any, acquire: Callable[[], object], release: Callable[[], object], rounds: int) -> list[float]:
    ours, theirs = context.Pipe()
    cpus = sorted(os.sched_getaffinity(0))
    process = context.Process(target=_wait_for_it, args=(theirs, acquire, release, rounds, cpus[-1]))
    os.sched_setaffinity(0, {cpus[0]})
    process.start()
    taken = []
    for _ in range(rounds):
        acquire()
        ours.send(None)
        time.sleep(_SETTLE)
        begin = time.monotonic()
        release()
        taken.append((ours.recv() - begin) * 1e6)
    process.join()
    os.sched_setaffinity(0, cpus)
    return taken


def _wait_for_it(
    pipe: Connection, acquire: Callable[[], object], release: Callable[[], object], rounds: int, cpu: int
) -> None:
    os.sched_setaffinity(0, {cpu})
    for _ in range(rounds):
        pipe.recv()
        acquire()
        end = time.monotonic()
        release()
        pipe.send(end)
