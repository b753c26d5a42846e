"""`with limiter:` blocks, nested and interleaved: each gives back one permit, whatever thread it ends in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter
from tests.support.processes import Worker, say

if TYPE_CHECKING:
    from collections.abc import Generator


# What crashed the interpreter once runs in a worker, where it would not take the test run with it.


def _leave_without_entering(name: str) -> None:
    limiter = Limiter(name)
    try:
        limiter.__exit__(None, None, None)
    except RuntimeError as error:
        say(str(error))
    say(limiter.status().held)


def test_leaving_without_entering_is_an_error(name: str) -> None:
    Limiter(name, limit=2, cooldown=0)
    with Worker(_leave_without_entering, name) as worker:
        assert name in worker.hear()
        assert worker.hear() == 0
        assert worker.end() == 0


def _close_in_another_thread(name: str) -> None:
    limiter = Limiter(name)

    def stream() -> Generator[int, None, None]:
        with limiter:
            yield limiter.status().held

    steps = stream()
    say(next(steps))
    thread = threading.Thread(target=steps.close)
    thread.start()
    thread.join()
    say(limiter.status().held)


def test_a_generator_entered_in_one_thread_may_be_closed_in_another(name: str) -> None:
    Limiter(name, limit=2, cooldown=0)
    with Worker(_close_in_another_thread, name) as worker:
        assert worker.hear() == 1
        assert worker.hear() == 0
        assert worker.end() == 0


def test_generators_left_in_another_order_than_entered_release_all(name: str) -> None:
    limiter = Limiter(name, limit=3, cooldown=0)

    def stream() -> Generator[None, None, None]:
        with limiter:
            yield

    streams = [stream() for _ in range(3)]
    for one in streams:
        next(one)
    for left, one in zip((2, 1, 0), (streams[1], streams[0], streams[2]), strict=True):
        one.close()
        assert limiter.status().held == left


def test_two_limiters_do_not_leave_each_others_blocks(name: str) -> None:
    one, other = Limiter(name, limit=2, cooldown=0), Limiter(name)
    with one, other:
        assert one.status().held == 2
    with one:
        with other:
            pass
        assert one.status().held == 1
    assert one.status().held == 0


def test_thrown_out_of_a_deep_block_every_level_is_released(name: str) -> None:
    limiter = Limiter(name, limit=8, cooldown=0)
    with pytest.raises(LookupError, match="5 in flight"), limiter, limiter, limiter.permit(weight=2), limiter:
        raise LookupError(f"{limiter.status().in_flight:g} in flight")
    assert limiter.status().in_flight == 0
