"""asyncio on the same limiter: waiting, time-outs, order, many waiters, several loops."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

import shmlimit
from shmlimit import AcquireTimeout, Limiter, LimiterClosed, NeverAdmissible, QueueFull, SegmentOrphaned
from shmlimit import loop_queue as seats
from tests.aio.tasks import order_of, run, until, waiting
from tests.support.processes import Worker, hear, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def limiter(name: str) -> Iterator[Limiter]:
    with_cooldown_off = Limiter(name, limit=1, cooldown=0)
    yield with_cooldown_off
    now = with_cooldown_off.status()
    assert (now.held, now.queued) == (0, 0)
    with_cooldown_off.close()


def hold_one(name: str) -> None:
    permit = Limiter(name).acquire()
    say(os.getpid())
    hear()
    permit.release()
    hear()


def test_never_more_tasks_at_work_than_the_limit(limiter: Limiter) -> None:
    limiter.limit = 3
    at_work = most = 0

    async def work() -> None:
        nonlocal at_work, most
        async with limiter:
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0.001)
            at_work -= 1

    async def main() -> None:
        await asyncio.gather(*(work() for _ in range(60)))

    run(main())
    assert most == 3
    assert limiter.status().counters.self_heals == 0


def test_ten_thousand_tasks_wait_in_a_few_seats_and_all_are_served(limiter: Limiter) -> None:
    served = []

    async def work(number: int) -> None:
        async with limiter:
            served.append(number)

    async def main() -> None:
        first = await limiter.acquire_async()
        tasks = [asyncio.create_task(work(number)) for number in range(10_000)]
        await until(lambda: limiter.status().queued == seats.SEATS)
        first.release()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert served == list(range(10_000))


def test_a_release_in_another_process_wakes_a_task_without_a_tick(
    limiter: Limiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats.LoopQueue, "_on_tick", lambda _: None)
    with Worker(hold_one, limiter.name) as holder:
        holder.hear()

        async def main() -> None:
            (task,) = await waiting(limiter)
            holder.say("release")
            (await task).release()

        run(main())
        holder.say()


def test_without_any_bell_the_ticks_find_the_permit(limiter: Limiter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seats.LoopQueue, "_on_bell", lambda queue: os.eventfd_read(queue._channel))
    with Worker(hold_one, limiter.name) as holder:
        holder.hear()

        async def main() -> None:
            (task,) = await waiting(limiter)
            holder.say("release")
            (await task).release()

        run(main())
        holder.say()


def test_a_killed_holder_gives_its_permit_to_a_task(limiter: Limiter) -> None:
    with Worker(hold_one, limiter.name) as holder:
        holder.hear()

        async def main() -> None:
            (task,) = await waiting(limiter)
            holder.kill()
            (await task).release()

        run(main())
    assert limiter.status().counters.reaped == 1


def test_a_process_killed_with_waiting_tasks_blocks_nobody(limiter: Limiter) -> None:
    with limiter.permit() as mine, Worker(wait_in_a_loop, limiter.name) as other:
        other.hear()
        other.kill()
        mine.release()
        limiter.acquire().release()


def wait_in_a_loop(name: str) -> None:
    limiter = Limiter(name)

    async def main() -> None:
        tasks = await waiting(limiter, 3)
        say()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_a_time_out_leaves_the_queue_and_is_counted(limiter: Limiter) -> None:
    async def main() -> None:
        async with limiter:
            for timeout in (0, 0.01):
                with pytest.raises(AcquireTimeout, match="1 held"):
                    await limiter.acquire_async(timeout=timeout)
            assert limiter.status().queued == 0

    run(main())
    assert limiter.status().counters.timeouts == 2


def test_who_stands_may_time_out_too(limiter: Limiter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seats, "SEATS", 1)

    async def main() -> None:
        async with limiter:
            (seated,) = await waiting(limiter)
            with pytest.raises(AcquireTimeout):
                await limiter.acquire_async(timeout=0.01)
        (await seated).release()

    run(main())


def test_tasks_go_by_priority_then_since_then_arrival_also_those_that_stand(
    limiter: Limiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "SEATS", 2)
    options: dict[str, dict[str, Any]] = {
        "second": {"since": 100.0},
        "third": {"since": 200.0},
        "fourth": {"since": 200.0},
        "last": {"priority": -1, "since": 1.0},
        "first": {"priority": 1, "since": 900.0},
        "fifth": {"since": 300.0},
    }

    async def main() -> None:
        holder = await limiter.acquire_async()
        tasks = {}
        for name, option in options.items():
            tasks[name] = asyncio.create_task(limiter.acquire_async(**option))
            await asyncio.sleep(0)
        assert limiter.status().queued == 2
        holder.release()
        assert await order_of(tasks) == ["first", "second", "third", "fourth", "fifth", "last"]

    run(main())


def test_tasks_and_processes_share_one_order(limiter: Limiter) -> None:
    served: list[str] = []

    async def main() -> None:
        holder = await limiter.acquire_async()
        (late,) = await waiting(limiter, since=300.0)
        with Worker(wait_its_turn, limiter.name, 200.0) as other:
            await until(lambda: limiter.status().queued == 2)
            (early,) = await waiting(limiter, since=100.0)
            holder.release()
            (await early).release()
            await until(other.has_said)
            assert not late.done()
            other.say()
            served.append("late")
            (await late).release()

    run(main())
    assert served == ["late"]


def wait_its_turn(name: str, since: float) -> None:
    with Limiter(name).acquire(since=since):
        say()
        hear()


def test_loops_in_several_threads_wait_at_once(limiter: Limiter) -> None:
    counts = []

    async def work() -> None:
        for _ in range(5):
            async with limiter:
                await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(work() for _ in range(10)))
        counts.append(1)

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == 4
    assert limiter.status().counters.granted >= 200


def test_a_limit_lowered_below_its_weight_ends_a_wait(limiter: Limiter) -> None:
    limiter.limit = 3

    async def main() -> None:
        holder = await limiter.acquire_async(weight=3)
        first, heavy = [*await waiting(limiter), *await waiting(limiter, weight=2)]
        limiter.limit = 1
        with pytest.raises(NeverAdmissible):
            await heavy
        holder.release()
        (await first).release()

    run(main())


def test_who_finds_no_slot_stands_but_the_first_is_told(name: str) -> None:
    tiny = Limiter(name, limit=1, cooldown=0, slots=2)

    async def both() -> None:
        holder = await tiny.acquire_async()
        (seated,) = await waiting(tiny)
        standing = asyncio.create_task(tiny.acquire_async())
        await asyncio.sleep(0)
        assert not standing.done()
        holder.release()
        (await seated).release()
        (await standing).release()
        holders = [await tiny.acquire_async(), tiny.try_acquire()]
        assert holders[1] is None
        tiny.limit = 2
        holders[1] = tiny.try_acquire()
        with pytest.raises(QueueFull):
            await tiny.acquire_async()
        for one in holders:
            assert one is not None
            one.release()

    run(both())
    tiny.close()


def test_a_segment_that_lost_its_name_ends_the_waits(limiter: Limiter) -> None:
    async def main() -> None:
        holder = await limiter.acquire_async()
        tasks = await waiting(limiter, 3)
        shmlimit.destroy(limiter.name, force=True)
        for task in tasks:
            with pytest.raises(SegmentOrphaned):
                await task
        holder.release()

    run(main())


def test_a_closed_limiter_says_so_and_its_waiters_still_get_their_permits(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)

    async def main() -> None:
        holder = await limiter.acquire_async()
        (task,) = await waiting(limiter)
        limiter.close()
        with pytest.raises(LimiterClosed):
            await limiter.acquire_async()
        holder.release()
        (await task).release()

    run(main())


def test_on_queued_is_called_once_when_there_is_no_room_and_may_refuse(limiter: Limiter) -> None:
    calls = []

    def refuse() -> None:
        raise RuntimeError("rather not")

    async def main() -> None:
        holder = await limiter.acquire_async(on_queued=lambda: calls.append("at once"))
        with pytest.raises(RuntimeError, match="rather not"):
            await limiter.acquire_async(on_queued=refuse)
        assert limiter.status().queued == 0
        (task,) = await waiting(limiter, on_queued=lambda: calls.append("queued"))
        holder.release()
        (await task).release()

    run(main())
    assert calls == ["queued"]


def test_a_permit_in_time_leaves_no_timer_behind(limiter: Limiter) -> None:
    timers: list[asyncio.TimerHandle] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def watched(delay: float, call: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
            timers.append(call_later(delay, call, *args))
            return timers[-1]

        async with limiter:
            with pytest.MonkeyPatch.context() as monkeypatch:
                monkeypatch.setattr(loop, "call_later", watched)
                (task,) = await waiting(limiter, timeout=1e6)
            (timer,) = [one for one in timers if one.when() - loop.time() > 1e5]
        (await task).release()
        assert timer.cancelled()

    run(main())


def test_a_forked_child_waits_in_a_loop_of_its_own(limiter: Limiter) -> None:
    async def once() -> None:
        async with limiter:
            (task,) = await waiting(limiter)
        (await task).release()

    run(once())
    child = os.fork()
    if not child:
        try:
            asyncio.run(once())
        except BaseException:  # noqa: BLE001
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    run(once())


def test_uvloop_serves_as_well(limiter: Limiter) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        async with limiter:
            tasks = await waiting(limiter, 5)
        for task in tasks:
            (await task).release()

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def test_uvloop_takes_a_look_that_is_due_at_once(limiter: Limiter) -> None:
    uvloop = pytest.importorskip("uvloop")
    limiter.cooldown = 0.0002  # below the resolution of its timers
    complaints: list[dict[str, Any]] = []

    async def work() -> None:
        async with limiter:
            pass

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        await asyncio.gather(*(work() for _ in range(50)))

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    assert not complaints
