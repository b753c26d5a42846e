"""Three processes that work beside the stopped one: each acquires and releases, and queues where it must."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shmlimit import Limiter
from tests.support.processes import HANG, Worker, hear, say

if TYPE_CHECKING:
    from tests.stepper.world import World

_SIZE = 3
_CYCLES = 4


class Crew:
    """The three. They join one limiter after the other."""

    def __init__(self) -> None:
        self._workers = [Worker(_serve) for _ in range(_SIZE)]

    def join(self, world: World) -> None:
        """Attach to that limiter; whatever they did before."""
        self._say(world.name)
        for worker in self._workers:
            assert worker.hear() == world.name
        world.others += _SIZE

    def _say(self, word: str) -> None:
        for worker in self._workers:
            worker.say(word)

    def work(self) -> None:
        """Let each do its cycles."""
        self._say("")

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

    def close(self) -> None:
        """End them."""
        for worker in self._workers:
            worker.__exit__()


def _serve() -> None:
    limiter = None
    while True:
        if name := hear():
            if limiter is not None:
                limiter.close()
            limiter = Limiter(name)
            say(name)
        elif limiter is not None:
            say(_work(limiter))


def _work(limiter: Limiter) -> list[tuple[int, int]]:
    held = []
    for _ in range(_CYCLES):
        permit = limiter.acquire(timeout=HANG)
        begin = time.monotonic_ns()
        time.sleep(0)
        held.append((begin, time.monotonic_ns()))
        permit.release()
    return held
