"""Reclaim: from SIGKILL of the only holder to the return of acquire() in a process that was parked.

Measures: that time, without cooldown (which would be added) and without a poller. Does not measure: a loaded machine.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from typing import TYPE_CHECKING

from benchmarks.handoff import quantiles
from benchmarks.limiters import fresh

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from shmlimit import Limiter


def measure(rounds: int) -> dict[str, float]:
    """Milliseconds: median, p95, p99, max."""
    context = multiprocessing.get_context("fork")
    taken = []
    with fresh(1) as limiter:
        for _ in range(rounds):
            ours, theirs = context.Pipe()
            holder = context.Process(target=_hold, args=(theirs, limiter))
            holder.start()
            ours.recv()
            waiter = context.Process(target=_wait, args=(theirs, limiter))
            waiter.start()
            while not limiter.status().queued:
                time.sleep(0.001)
            begin = time.monotonic()
            os.kill(holder.pid or 0, signal.SIGKILL)
            taken.append((ours.recv() - begin) * 1e3)
            holder.join()
            waiter.join()
    return {**quantiles(taken), "max": max(taken)}


def _hold(pipe: Connection, limiter: Limiter) -> None:
    with limiter:
        pipe.send(None)
        signal.pause()


def _wait(pipe: Connection, limiter: Limiter) -> None:
    with limiter:
        pipe.send(time.monotonic())
