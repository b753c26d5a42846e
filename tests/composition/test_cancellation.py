"""Cancelled or interrupted at any point, a call holds nothing and waits nowhere; and what is held is never too much."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shmlimit import AcquireTimeout, Limiter, acquire_all_async, acquire_any_async, all_of, any_of, loop_queue
from shmlimit.bundle import Bundle
from tests.aio.tasks import run, until

if TYPE_CHECKING:
    from shmlimit import Permits
    from tests.composition.conftest import Pair


class Trap:
    """Cancels a task at the n-th step of its call: before or after it does anything to a limiter or a queue."""

    STEPS: tuple[tuple[type, str], ...] = (
        (Limiter, "try_acquire"),
        (Limiter, "status"),
        (loop_queue.LoopQueue, "join"),
        (loop_queue.LoopQueue, "leave"),
        (loop_queue.LoopQueue, "_hand_over"),
        (loop_queue.Waiter, "take"),
    )

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.task: asyncio.Task[Permits] | None = None
        self.sprung = False
        self._left = at
        for owner, name in self.STEPS:
            monkeypatch.setattr(owner, name, self._watched(getattr(owner, name)))

    def _watched(self, step: Any) -> Any:
        def watched(*args: Any, **kwargs: Any) -> Any:
            self._count()
            result = step(*args, **kwargs)
            self._count()
            return result

        return watched

    def _count(self) -> None:
        task = self.task
        if task is None or self.sprung or task.done():
            return
        if not self._left:
            self.sprung = True
            is_own_step = asyncio.current_task() is task
            if is_own_step:
                # Nothing cancels a task in the midst of a step, but as soon as that is over.
                task.get_loop().call_soon(task.cancel)
            else:
                task.cancel()
        self._left -= 1


async def acquire_both(pair: Pair) -> Permits:
    return await acquire_all_async([(limiter, 1) for limiter in pair])


async def acquire_either(pair: Pair) -> Permits:
    return await acquire_any_async(pair)


@pytest.mark.parametrize("patience", [0, 1e6])
@pytest.mark.parametrize("call", [acquire_both, acquire_either])
def test_cancelled_at_any_step_nothing_is_held(pair: Pair, call: Any, patience: float) -> None:
    async def main(trap: Trap) -> None:
        holders = [limiter.acquire() for limiter in pair]
        task = trap.task = asyncio.create_task(call(pair))
        with contextlib.suppress(asyncio.CancelledError):
            for holder in holders:
                for _ in range(3):
                    await asyncio.sleep(0)
                holder.release()
            (await task).release()
        for holder in holders:
            holder.release()
        trap.task = None
        assert [(now.held, now.queued) for now in (limiter.status() for limiter in pair)] == [(0, 0), (0, 0)]

    at = 0
    while True:
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(Bundle, "_patience", lambda *_: patience)
            trap = Trap(monkeypatch, at)
            run(main(trap))
            if not trap.sprung:
                break
            at += 1
    assert at > 10


class Plan(NamedTuple):
    """What one task does."""

    which: str
    weights: tuple[float, float]
    timeout: float | None
    priority: int
    works: int
    cancelled_after: int | None


PLANS = st.builds(
    Plan,
    which=st.sampled_from(["all", "any", "first", "second"]),
    weights=st.tuples(*[st.sampled_from([0.5, 1, 2])] * 2),
    timeout=st.sampled_from([None, None, 0, 0.002]),
    priority=st.integers(0, 1),
    works=st.integers(0, 3),
    cancelled_after=st.none() | st.integers(0, 12),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans=st.lists(PLANS, min_size=2, max_size=12))
def test_whatever_tasks_do_each_limit_holds_and_all_is_given_back(pair: Pair, plans: list[Plan]) -> None:
    for limiter in pair:
        limiter.limit = 2
    held = dict.fromkeys((limiter.name for limiter in pair), 0.0)

    def holding(plan: Plan) -> Any:
        options: dict[str, Any] = {"timeout": plan.timeout, "priority": plan.priority}
        if plan.which == "all":
            return all_of(list(zip(pair, plan.weights, strict=True)), **options)
        if plan.which == "any":
            return any_of(pair, weight=plan.weights[0], **options)
        return all_of([(pair[plan.which == "second"], plan.weights[0])], **options)

    async def work(plan: Plan) -> None:
        with contextlib.suppress(AcquireTimeout):
            async with holding(plan) as permits:
                taken = [
                    (limiter.name, permits[limiter].weight) for limiter in pair if limiter.name in permits._permits
                ]
                assert len(taken) == (2 if plan.which == "all" else 1)
                for name, weight in taken:
                    held[name] += weight
                    assert held[name] <= 2
                try:
                    for _ in range(plan.works):
                        await asyncio.sleep(0)
                finally:
                    for name, weight in taken:
                        held[name] -= weight

    async def main() -> None:
        tasks = [asyncio.create_task(work(plan)) for plan in plans]
        for turn in range(14):
            for plan, task in zip(plans, tasks, strict=True):
                if plan.cancelled_after == turn:
                    task.cancel()
            await asyncio.sleep(0)
        await until(lambda: all(task.done() for task in tasks))
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                task.result()

    run(main())
    assert [(now.held, now.queued) for now in (limiter.status() for limiter in pair)] == [(0, 0), (0, 0)]
