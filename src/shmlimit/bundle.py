"""Taking a permit of each of several limiters: all or none.

No way of taking them is both frugal and fair: who holds one while it waits for the next keeps others out, and who never
holds any while it waits is never served where each limiter has a queue, as room goes to those who wait for it. So what
is held may be kept meanwhile, but not for long.
 - At first for as long as the cooldown lasts. A released permit counts that long anyway, so this wastes no more than
   to give it back at once. Then it is given back: there is no deadlock, whatever else is held by whom.
 - Where that was too short, twice as long the next time. The caller's `since` has grown old meanwhile, so it is first
   in each queue at last, and holds for longer than the next release takes: nobody starves, of equal priority.
 - But only in the order of names. Of two who hold what the other waits for, one holds against it: that one gives back
   soon, however often it has done so, and the other goes on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from shmlimit.loop_thread import run
from shmlimit.permits import Permits, release_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shmlimit import _core
    from shmlimit.limiter import Limiter
    from shmlimit.request import Request


# At first, where the cooldown is shorter: what a hand-over takes on a busy machine, in seconds.
_PATIENCE_MIN = 0.05
_DOUBLINGS_MAX = 20


class Want(NamedTuple):
    """What is wanted of one limiter."""

    limiter: Limiter
    weight: float

    @property
    def has_room(self) -> bool:
        """Whether it looks as if it could be had at once: to be taken for a hint."""
        now = self.limiter.status()
        return now.available is None or (not now.queued and self.weight <= now.available)


class Bundle:
    """Several limiters, of each of which a permit is wanted."""

    def __init__(self, wanted: Iterable[tuple[Limiter, float]]) -> None:
        self._wanted: dict[str, Want] = {}
        for limiter, weight in wanted:
            before = self._wanted.get(limiter.name)
            self._wanted[limiter.name] = (
                Want(limiter, weight) if before is None else Want(before.limiter, before.weight + weight)
            )
        if not self._wanted:
            raise ValueError("no limiter to take a permit of: give at least one")

    def acquire(self, asked: Request) -> Permits:
        """Return a permit of each, blocking."""
        held: dict[str, _core.Permit] = {}
        try:
            return Permits(held) if self._take_free(asked, held) else run(self._wait, asked, held)
        except BaseException:
            release_all(held.values())
            raise

    async def acquire_async(self, asked: Request) -> Permits:
        """Return a permit of each, without blocking the event loop."""
        held: dict[str, _core.Permit] = {}
        try:
            return Permits(held) if self._take_free(asked, held) else await self._wait(asked, held)
        except BaseException:
            release_all(held.values())
            raise

    def _missing(self, held: dict[str, _core.Permit]) -> list[Want]:
        """Those still to be had, in the order in which to take them: nothing is held for one known to have no room."""
        missing = [want for name, want in self._wanted.items() if name not in held]
        return sorted(missing, key=lambda want: (want.has_room, want.limiter.name))

    def _take_free(self, asked: Request, held: dict[str, _core.Permit]) -> bool:
        """Take what can be had at once, up to the first that cannot; whether that is all."""
        for want in self._missing(held):
            permit = want.limiter.try_acquire(weight=want.weight, label=asked.label)
            if permit is None:
                return False
            held[want.limiter.name] = permit
        return True

    async def _wait(self, asked: Request, held: dict[str, _core.Permit]) -> Permits:
        times_given_back = 0
        while len(held) < len(self._wanted):
            want = self._missing(held)[0]
            with want.limiter._event_loops().place(asked._replace(weight=want.weight)) as waiter:
                if held and not waiter.future.done():
                    await asyncio.wait([waiter.future], timeout=self._patience(held, want, times_given_back))
                    if not waiter.future.done():
                        # The place in the queue is kept.
                        release_all(held.values())
                        held.clear()
                        times_given_back += 1
                await waiter.future
                held[want.limiter.name] = waiter.take()
            self._take_free(asked, held)
        return Permits(held)

    def _patience(self, held: dict[str, _core.Permit], want: Want, times_given_back: int) -> float:
        """How long to hold these while waiting for that, in seconds."""
        first = max(_PATIENCE_MIN, *(self._wanted[name].limiter.cooldown for name in held))
        is_in_order = max(held) < want.limiter.name
        return first * 2.0 ** min(times_given_back, _DOUBLINGS_MAX) if is_in_order else first
