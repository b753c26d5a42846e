"""Uncontended pairs in one process: acquire and release, and the `with` statement, beside multiprocessing.Semaphore.

Measures: one iteration of a loop, its overhead taken off, in many short interleaved rounds (minimum and median).
Does not measure: contention, waiting, cooldown (0 here), a usage gate (none here).
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.limiters import fresh

if TYPE_CHECKING:
    from collections.abc import Callable

_ITERATIONS = 5000


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Nanoseconds per pair: candidate -> min, median."""
    with fresh(4) as limiter:
        semaphore = multiprocessing.Semaphore(4)

        def ours() -> None:
            for _ in range(_ITERATIONS):
                limiter.try_acquire().release()  # type: ignore[union-attr]

        def theirs() -> None:
            for _ in range(_ITERATIONS):
                semaphore.acquire()
                semaphore.release()

        def ours_with() -> None:
            for _ in range(_ITERATIONS):
                with limiter:
                    pass

        def theirs_with() -> None:
            for _ in range(_ITERATIONS):
                with semaphore:
                    pass

        def nothing() -> None:
            for _ in range(_ITERATIONS):
                pass

        candidates: dict[str, Callable[[], None]] = {
            "try_acquire() + release()": ours,
            "multiprocessing.Semaphore acquire() + release()": theirs,
            "with limiter": ours_with,
            "with multiprocessing.Semaphore": theirs_with,
        }
        taken: dict[str, list[float]] = {name: [] for name in candidates}
        overhead = min(_seconds(nothing) for _ in range(rounds))
        for _ in range(rounds):
            for name, candidate in candidates.items():
                taken[name].append((_seconds(candidate) - overhead) / _ITERATIONS * 1e9)
    return {name: {"min": min(values), "median": statistics.median(values)} for name, values in taken.items()}


def _seconds(function: Callable[[], None]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin
