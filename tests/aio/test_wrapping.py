"""`async with` and the decorator: whose permit, how long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter
from tests.aio.tasks import run, waiting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator


@pytest.fixture
def limiter(name: str) -> Iterator[Limiter]:
    one = Limiter(name, limit=2, cooldown=0)
    yield one
    assert one.status().held == 0
    one.close()


def test_permit_serves_one_block_at_a_time_of_either_kind(limiter: Limiter) -> None:
    async def main() -> None:
        async with limiter.permit(weight=0.5, label="job") as permit:
            assert (permit.weight, permit.label) == (0.5, "job")
            assert limiter.status().holders[0].label == "job"
        assert not permit.release()
        once = limiter.permit()
        with once, pytest.raises(RuntimeError, match="in use"):
            async with once:
                pass
        async with once:
            pass

    run(main())


def test_nested_blocks_of_several_tasks_each_end_their_own(limiter: Limiter) -> None:
    limiter.limit = 10
    held = []

    async def work(inner: asyncio.Event, end: asyncio.Event) -> None:
        async with limiter:
            async with limiter:
                inner.set()
                await end.wait()
            held.append(limiter.status().held)

    async def main() -> None:
        events = [(asyncio.Event(), asyncio.Event()) for _ in range(3)]
        tasks = [asyncio.create_task(work(*pair)) for pair in events]
        for inner, _ in events:
            await inner.wait()
        assert limiter.status().held == 6
        for (_, end), task in zip(events, tasks, strict=True):
            end.set()
            await task

    run(main())
    assert held == [5, 3, 1]


def test_a_coroutine_function_holds_a_permit_during_each_call(limiter: Limiter) -> None:
    @limiter.limited(weight=2)
    async def work(value: int) -> int:
        assert limiter.status().in_flight == 2
        return value + 1

    async def main() -> None:
        assert await asyncio.gather(*(work(number) for number in range(5))) == [1, 2, 3, 4, 5]

    assert asyncio.iscoroutinefunction(work)
    run(main())


def test_an_async_generator_holds_a_permit_from_its_first_step_to_its_end(limiter: Limiter) -> None:
    seen: list[object] = []

    @limiter.limited()
    async def numbers() -> AsyncGenerator[int, str]:
        try:
            seen.append((yield 1))
            yield 2
        except ValueError as error:
            seen.append(str(error))
            yield 3
        finally:
            seen.append("closed")

    async def main() -> None:
        made = numbers()
        assert limiter.status().held == 0
        assert await made.__anext__() == 1
        assert limiter.status().held == 1
        assert await made.asend("hello") == 2
        assert await made.athrow(ValueError("thrown")) == 3
        await made.aclose()
        assert limiter.status().held == 0
        assert [number async for number in numbers()] == [1, 2]

    run(main())
    assert seen == ["hello", "thrown", "closed", None, "closed"]


def test_a_block_may_end_in_another_task(limiter: Limiter) -> None:
    async def main() -> None:
        await asyncio.create_task(limiter.__aenter__())
        assert limiter.status().held == 1
        await limiter.__aexit__(None, None, None)
        with pytest.raises(RuntimeError, match="never begun"):
            await limiter.__aexit__(None, None, None)

    run(main())


def test_an_exception_in_the_block_goes_on_and_releases(limiter: Limiter) -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            async with limiter:
                raise ZeroDivisionError
        assert limiter.status().held == 0
        limiter.limit = 1
        async with limiter:
            (task,) = await waiting(limiter)
        (await task).release()

    run(main())
