"""The event loop, in a thread of its own, in which those wait who wait in several queues and have no loop themselves.

A thread can sleep in one queue only; an event loop waits in any number. So the blocking forms run the asynchronous ones
here: one thread for all such callers of a process, started by the first one that has to wait, there until the end.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from shmlimit.permits import Permits

P = TypeVar("P", bound="Permits")

# A signal that comes just before a thread falls asleep does not wake it: its handler runs this much later, in seconds.
_TICK = 0.5
# By process: a forked child has none of its parent's threads, and must not touch a loop of the parent's, nor end it.
_loops: dict[int, asyncio.AbstractEventLoop] = {}


def run(wait: Callable[..., Coroutine[Any, Any, P]], *args: Any) -> P:
    """Run a coroutine function to its end, blocking, and return or raise what it does.

    If a signal handler raises meanwhile, the coroutine is cancelled; when that exception goes on it has ended, and what
    it had taken already is released.
    """
    loop = _loop()
    tasks: list[asyncio.Task[P]] = []
    # Not an Event: a signal handler that raises within its methods can leave it locked. This only wakes the thread;
    # whether the task has ended is for the task to say.
    bell = threading.Lock()
    bell.acquire()

    def start() -> None:
        tasks.append(loop.create_task(wait(*args)))
        tasks[0].add_done_callback(lambda _: bell.release())

    def cancel() -> None:
        if not tasks:  # interrupted before it was scheduled
            start()
        tasks[0].cancel()

    def wait_for_end() -> None:
        while not (tasks and tasks[0].done()):
            bell.acquire(timeout=_TICK)

    try:
        loop.call_soon_threadsafe(start)
        wait_for_end()
    except BaseException:
        loop.call_soon_threadsafe(cancel)
        wait_for_end()
        if not tasks[0].cancelled() and tasks[0].exception() is None:
            tasks[0].result().release()
        raise
    return tasks[0].result()


def _loop() -> asyncio.AbstractEventLoop:
    pid = os.getpid()
    if pid not in _loops:
        loop = asyncio.new_event_loop()
        # Started first: an interrupt in between leaves a loop that nobody uses, not one that nobody serves.
        threading.Thread(target=_serve, args=(loop,), name="shmlimit-queues", daemon=True).start()
        if _loops.setdefault(pid, loop) is not loop:
            loop.call_soon_threadsafe(loop.stop)  # another thread was faster
    return _loops[pid]


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()
