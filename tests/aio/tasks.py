"""Event loops and tasks that wait for permits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.support.processes import HANG

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from shmlimit import Limiter, Permit


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """asyncio.run with a guard against hangs; warnings of asyncio's debug mode are errors."""
    return asyncio.run(asyncio.wait_for(main, HANG), debug=True)


async def until(condition: Callable[[], object]) -> None:
    """Look at each turn of the loop until the condition is true; run() guards hangs."""
    while not condition():
        await asyncio.sleep(0.001)


async def waiting(limiter: Limiter, count: int = 1, **options: Any) -> list[asyncio.Task[Permit]]:
    """That many tasks in acquire_async, all in the limiter's queue."""
    before = limiter.status().queued
    tasks = []
    for _ in range(count):
        tasks.append(asyncio.create_task(limiter.acquire_async(**options)))
        await until(lambda: limiter.status().queued == before + len(tasks))
    return tasks


async def order_of(tasks: dict[str, asyncio.Task[Permit]]) -> list[str]:
    """The names of the tasks in the order in which they get their permits; each releases before the next."""
    names = []
    left = dict(tasks)
    while left:
        await asyncio.wait(left.values(), return_when=asyncio.FIRST_COMPLETED)
        for name in [name for name, task in left.items() if task.done()]:
            names.append(name)
            (await left.pop(name)).release()
    return names
