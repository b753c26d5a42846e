"""A cancelled wait leaves nothing behind, whenever it comes: a permit is never lost and never leaked."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter
from shmlimit import loop_queue as seats
from tests.aio.tasks import run, until, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shmlimit import Permit


@pytest.fixture
def limiter(name: str) -> Iterator[Limiter]:
    one = Limiter(name, limit=1, cooldown=0)
    yield one
    now = one.status()
    assert (now.held, now.queued, now.in_flight) == (0, 0, 0)
    one.close()


async def cancel(task: asyncio.Task[Permit]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_cancelled_while_it_waits(limiter: Limiter) -> None:
    async def main() -> None:
        async with limiter:
            first, second = await waiting(limiter, 2)
            await cancel(first)
            assert limiter.status().queued == 1
        (await second).release()

    run(main())


def test_cancelled_while_it_stands(limiter: Limiter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seats, "SEATS", 1)

    async def main() -> None:
        async with limiter:
            (seated,) = await waiting(limiter)
            standing = [asyncio.create_task(limiter.acquire_async()) for _ in range(5)]
            await asyncio.sleep(0)
            for task in standing[:4]:
                await cancel(task)
        (await seated).release()
        (await standing[4]).release()

    run(main())


def test_cancelled_when_the_grant_is_there_but_the_loop_has_not_looked(limiter: Limiter) -> None:
    async def main() -> None:
        holder = await limiter.acquire_async()
        first, second = await waiting(limiter, 2)
        holder.release()  # grants, while this task keeps the loop
        await cancel(first)
        (await second).release()

    run(main())


def test_cancelled_when_the_loop_has_looked_but_the_task_has_not_run(
    limiter: Limiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled: list[bool] = []

    async def main() -> None:
        holder = await limiter.acquire_async()
        first, second = await waiting(limiter, 2)
        hand_over = seats.LoopQueue._hand_over

        def hand_over_and_cancel(queue: seats.LoopQueue, waiter: seats.Waiter) -> None:
            hand_over(queue, waiter)
            if not cancelled:
                cancelled.append(first.cancel())

        monkeypatch.setattr(seats.LoopQueue, "_hand_over", hand_over_and_cancel)
        holder.release()
        with pytest.raises(asyncio.CancelledError):
            await first
        (await second).release()

    run(main())
    assert cancelled == [True]


def test_cancelled_inside_the_block(limiter: Limiter) -> None:
    async def work(inside: asyncio.Event) -> None:
        async with limiter:
            inside.set()
            await asyncio.Event().wait()

    async def main() -> None:
        inside = asyncio.Event()
        task = asyncio.create_task(work(inside))
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert limiter.status().held == 0

    run(main())


def test_a_loop_that_ends_with_waiters_leaves_none(limiter: Limiter) -> None:
    async def main() -> None:
        await waiting(limiter, 3)

    with limiter.permit():
        run(main())
        assert limiter.status().queued == 0


def test_a_loop_closed_without_cancelling_gives_its_places_back(limiter: Limiter) -> None:
    loop = asyncio.new_event_loop()
    with limiter.permit():
        task = loop.create_task(limiter.acquire_async())
        while not limiter.status().queued:
            loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        with pytest.raises(RuntimeError, match="closed"):
            task.cancel()
        del task

        async def again() -> None:
            (other,) = await waiting(limiter)
            await cancel(other)

        run(again())
        assert limiter.status().queued == 0


@pytest.mark.parametrize("seed", range(8))
def test_any_mix_of_cancellations_time_outs_and_releases_ends_with_all_free(limiter: Limiter, seed: int) -> None:
    chance = random.Random(seed)
    limiter.limit = 3

    async def work() -> None:
        try:
            async with limiter.permit(
                timeout=chance.choice([None, 0, 0.003, 5]),
                weight=chance.choice([0.5, 1, 2]),
                priority=chance.randrange(2),
            ):
                await asyncio.sleep(chance.choice([0, 0.001, 0.002]))
        except TimeoutError:
            pass

    async def main() -> None:
        tasks = [asyncio.create_task(work()) for _ in range(200)]
        while left := [task for task in tasks if not task.done()]:
            chance.choice(left).cancel()
            await asyncio.sleep(chance.choice([0, 0.0005]))
        await until(lambda: all(task.done() for task in tasks))

    run(main())
    now = limiter.status()
    assert now.counters.self_heals == 0
    with limiter.permit(weight=3, timeout=0):
        pass
