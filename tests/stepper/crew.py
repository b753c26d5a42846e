"""Three processes that work beside the stopped one: each acquires and releases, and queues where it must."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shmlimit import Limiter
from tests.support.processes import HANG, Worker, hear, say

if TYPE_CHECKING:
    from typing_extensions import Self

    from tests.stepper.world import World

_SIZE = 3
_CYCLES = 4


class Crew:
    """The three; use it as a context manager."""

    def __init__(self, world: World) -> None:
        world.others += _SIZE
        self._workers = [Worker(_work, world.name) for _ in range(_SIZE)]
        for worker in self._workers:
            worker.hear()

    def work(self) -> None:
        """Let each do its cycles."""
        for worker in self._workers:
            worker.say()

    def hear(self) -> list[tuple[int, int]]:
        """Wait until all have done them: when a permit was certainly held, from and until."""
        return [(begin, end) for worker in self._workers for begin, end in worker.hear()]

    def check(self, held: list[tuple[int, int]], limit: int) -> None:
        """By their own clocks, never more than the limit were held at once."""
        ends = sorted([(end, -1) for _, end in held] + [(begin, 1) for begin, _ in held])
        now = 0
        for _, change in ends:
            now += change
            assert now <= limit, f"{now} permits were held at once, the limit is {limit}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for worker in self._workers:
            worker.__exit__()


def _work(name: str) -> None:
    limiter = Limiter(name)
    say("ready")
    while True:
        hear()
        held = []
        for _ in range(_CYCLES):
            permit = limiter.acquire(timeout=HANG)
            begin = time.monotonic_ns()
            time.sleep(0)
            held.append((begin, time.monotonic_ns()))
            permit.release()
        say(held)
