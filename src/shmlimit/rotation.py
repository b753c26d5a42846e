"""Taking a permit of whichever of several limiters has room first."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from shmlimit.errors import AcquireTimeout, NeverAdmissible, QueueFull
from shmlimit.loop_thread import run
from shmlimit.permits import ChosenPermit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shmlimit.limiter import Limiter
    from shmlimit.request import Request


class Rotation:
    """Several limiters, of one of which a permit is wanted."""

    def __init__(self, limiters: Iterable[Limiter]) -> None:
        self._limiters = list({limiter.name: limiter for limiter in limiters}.values())
        if not self._limiters:
            raise ValueError("no limiter to take a permit of: give at least one")

    def acquire(self, asked: Request) -> ChosenPermit:
        """Return a permit, blocking."""
        return self._take_free(asked) or run(self._wait, asked)

    async def acquire_async(self, asked: Request) -> ChosenPermit:
        """Return a permit, without blocking the event loop."""
        return self._take_free(asked) or await self._wait(asked)

    def _take_free(self, asked: Request) -> ChosenPermit | None:
        for limiter in self._limiters:
            with suppress(NeverAdmissible, QueueFull):
                permit = limiter.try_acquire(weight=asked.weight, label=asked.label)
                if permit is not None:
                    return ChosenPermit(limiter, permit)
        return None

    async def _wait(self, asked: Request) -> ChosenPermit:
        """Wait in all queues; all are left at the end, and what a second one has granted meanwhile goes back."""
        with ExitStack() as places:
            waiters = [
                (limiter, places.enter_context(limiter._event_loops().place(asked))) for limiter in self._limiters
            ]
            while True:
                await asyncio.wait([waiter.future for _, waiter in waiters], return_when=asyncio.FIRST_COMPLETED)
                for limiter, waiter in [one for one in waiters if one[1].future.done()]:
                    try:
                        return ChosenPermit(limiter, waiter.take())
                    except (AcquireTimeout, NeverAdmissible, QueueFull) as error:
                        waiters.remove((limiter, waiter))
                        if not waiters:
                            raise self._refusal(asked, error) from None

    def _refusal(self, asked: Request, last: Exception) -> Exception:
        if not isinstance(last, AcquireTimeout):
            return last
        names = ", ".join(repr(limiter.name) for limiter in self._limiters)
        return AcquireTimeout(f"no permit of any of {names} within {asked.timeout} s; of the last: {last}")
