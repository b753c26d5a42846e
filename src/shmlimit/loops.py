"""The event loops of this process that wait for one Limiter."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any

from shmlimit.loop_queue import LoopQueue
from shmlimit.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shmlimit import _core
    from shmlimit.limiter import Limiter
    from shmlimit.loop_queue import Waiter
    from shmlimit.request import Request


class Loops:
    """A queue for each loop in which somebody waits, and the permits of `async with limiter` blocks by task."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._lock = threading.Lock()
        self._relay: Relay | None = None
        self._queues: dict[asyncio.AbstractEventLoop, LoopQueue] = {}
        self._entered: dict[asyncio.Task[Any] | None, list[_core.Permit]] = {}
        self._pid = os.getpid()

    async def acquire(self, asked: Request) -> _core.Permit:
        """Return a permit, at once or after waiting in this loop's queue."""
        if asyncio.get_running_loop() not in self._queues:
            permit = self._limiter.try_acquire(weight=asked.weight, label=asked.label)
            if permit is not None:
                return permit
        with self.place(asked) as waiter:
            await waiter.future
            return waiter.take()

    @contextlib.contextmanager
    def place(self, asked: Request) -> Iterator[Waiter]:
        """Wait in this loop's queue during a `with` block; at its end what has not been taken goes back."""
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = self._open_queue()
        try:
            waiter = queue.join(asked)
            try:
                yield waiter
            finally:
                queue.leave(waiter)
        finally:
            if queue.is_empty:
                self._queues.pop(loop, None)

    def _open_queue(self) -> LoopQueue:
        with self._lock:
            attachment = self._limiter._live()
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._relay = None
                self._queues.clear()  # of the parent's loops
            for loop in [loop for loop in self._queues if loop.is_closed()]:
                del self._queues[loop]  # with tasks that were never cancelled
            if self._relay is None:
                self._relay = Relay(attachment)
            return LoopQueue(self._limiter, attachment, self._relay)

    async def enter(self) -> _core.Permit:
        """Begin an `async with limiter` block of this task."""
        permit = await self._limiter.acquire_async()
        self._entered.setdefault(asyncio.current_task(), []).append(permit)
        return permit

    def exit(self) -> None:
        """End the innermost `async with limiter` block of this task."""
        task = asyncio.current_task()
        permits = self._entered.get(task)
        if permits is None:
            # Entered in another task (an async generator that is closed here): all of these weigh 1, so any will do.
            task = next(iter(self._entered), None)
            permits = self._entered.get(task)
            if permits is None:
                raise RuntimeError(f"{self._limiter!r}: the end of an `async with` block that was never begun")
        permits.pop().release()
        if not permits:
            del self._entered[task]
