"""How long it takes until the slot of a killed holder is another's, where others wait for it."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from shmlimit import Limiter, segment
from tests.storm import journal
from tests.storm.course import PARKED
from tests.storm.director import HANG
from tests.storm.nursery import nurse
from tests.support.processes import Worker, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def measure(directory: Path, name: str, kills: int, usage: str | None) -> list[float]:
    """Kill the oldest holder so many times, each time once all others are parked; milliseconds until it was replaced.

    Args:
        directory: For the journals.
        name: The limiter's, which is created.
        kills: How many.
        usage: Where the upstream's count is read; None: nobody polls.
    """
    limiter = Limiter(name, limit=PARKED.limit, cooldown=0, slot_timeout=None, usage=usage)
    attachment = segment.attach(name)
    nursery = Worker(nurse, str(directory), name, PARKED.name, start_new_session=True)
    killed = []
    try:
        nursery.hear()
        for number in range(PARKED.callers + kills):
            nursery.say(["start", number])
            nursery.hear()
            _wait_until_parked(limiter, min(number + 1, PARKED.callers))
            if number < PARKED.callers - 1:
                continue
            if usage is not None:
                wait_for(attachment.poller_is_alive, HANG)
            oldest = limiter.status().holders[0].pid
            killed.append(time.monotonic_ns())
            os.kill(oldest, signal.SIGKILL)
            _wait_until_parked(limiter, PARKED.callers - 1)
        wait_for(lambda: len(_admissions(directory)) == PARKED.limit + len(killed), HANG)
    finally:
        os.killpg(nursery.pid, signal.SIGKILL)
        nursery.__exit__()
    admitted = sorted(_admissions(directory))[PARKED.limit :]
    return [(got - at) / 1e6 for at, got in zip(killed, admitted, strict=True)]


def _wait_until_parked(limiter: Limiter, callers: int) -> None:
    """Until so many callers hold all there is, and the others wait."""

    def is_so() -> bool:
        now = limiter.status()
        return now.held == min(callers, PARKED.limit) and now.held + now.queued == callers

    wait_for(is_so, HANG)


def _admissions(directory: Path) -> list[int]:
    lines = [line for path in directory.iterdir() for line in journal.read(path)]
    return [at for at, event, *_ in lines if event == "got"]


def figures(times: Sequence[float]) -> str:
    """The figures of a measurement, in words."""
    ordered = sorted(times)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return f"{len(ordered)} killed holders: p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {ordered[-1]:.1f} ms"
