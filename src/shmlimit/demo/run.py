"""One kind of limit under load: an emulated upstream of its own and a real pool of processes that call it."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import shmlimit
from shmlimit.demo import worker
from shmlimit.demo.evidence import Evidence, TruthReader, reclaim_ms
from shmlimit.emulate import EmulatorProcess, EmulatorSettings
from shmlimit.usage import HttpUsage

if TYPE_CHECKING:
    from multiprocessing.pool import Pool
    from pathlib import Path

    from typing_extensions import Self

KINDS = ("shmlimit", "semaphore", "unlimited")
SESSION_MEDIAN = 3.0


class Run:
    """Starts everything on construction; `feed` begins the load. Use it as a context manager.

    Args:
        kind: One of KINDS.
        limit: The upstream's cap, and that of the limiter or semaphore.
        workers: Processes in the pool.
        gate: The limiter's gate rule.
        directory: For the truth log.
        seed: Of the upstream's random draws, so that all kinds meet alike ones.
    """

    def __init__(self, kind: str, *, limit: int, workers: int, gate: str, directory: Path, seed: int) -> None:
        self.kind = kind
        self.limit = limit
        self.killed_at: float | None = None
        self._workers = workers
        self._name = f"demo-{os.getpid()}-{kind}"
        truth = directory / f"{kind}.jsonl"
        self._emulator = EmulatorProcess(
            EmulatorSettings(limit=limit, session_median=SESSION_MEDIAN, truth=truth, seed=seed)
        )
        self.truth = TruthReader(truth)
        self.limiter: shmlimit.Limiter | None = None
        if kind == "shmlimit":
            usage = HttpUsage(f"{self._emulator.url}/v1/usage", in_flight="/usage/concurrent_sessions")
            self.limiter = shmlimit.Limiter(self._name, limit=limit, usage=usage, gate=gate)
        self._pool = self._start_pool()

    def _start_pool(self) -> Pool:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["shmlimit.demo.worker"])
        semaphore = context.Semaphore(self.limit) if self.kind == "semaphore" else None
        return context.Pool(self._workers, worker.begin, (self.kind, self._emulator.url, self._name, semaphore))

    def feed(self) -> None:
        """Give the pool calls to do without end: always more than it has processes."""
        numbers = itertools.count()

        def again(_: Any) -> None:
            try:
                self._pool.apply_async(worker.work, (next(numbers),), callback=again, error_callback=again)
            except ValueError:
                return  # the pool is closing

        for _ in range(2 * self._workers):
            again(None)

    def kill_one(self) -> bool:
        """SIGKILL a worker of the pool in the middle of its call; False if none was well under way."""
        self.truth.read()
        victim = self.truth.victim(time.monotonic())
        if victim is None:
            return False
        self.killed_at = time.monotonic()
        os.kill(int(victim["worker"]), signal.SIGKILL)
        return True

    def evidence(self, until: float) -> Evidence:
        """What the upstream saw up to that monotonic time."""
        self.truth.read()
        found = self.truth.summary(until)
        reclaimed = None
        if self.killed_at is not None and self.kind != "unlimited":
            lines = [line for line in self.truth.lines if line]
            reclaimed = reclaim_ms(lines, self.killed_at, self.limit)
        return Evidence(
            sessions=found.sessions,
            refused=found.refused,
            peak_in_flight=found.peak_in_flight,
            utilisation=round(found.utilisation, 3),
            reclaim_ms=None if reclaimed is None else round(reclaimed, 1),
        )

    def stop(self) -> None:
        """End pool, upstream, limiter and its poller."""
        self._pool.terminate()
        self._pool.join()
        self._emulator.stop()
        if self.limiter is not None:
            self.limiter.close()
            shmlimit.destroy(self._name, force=True, forget=True)
            self.limiter = None

    def __enter__(self) -> Self:
        """Give the run, to be stopped at the end of the block."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop."""
        self.stop()
