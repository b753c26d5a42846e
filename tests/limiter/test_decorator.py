"""`@limiter.limited(...)`: each call holds a permit for as long as it runs."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

from shmlimit import AcquireTimeout, Limiter

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def limiter(name: str) -> Limiter:
    return Limiter(name, limit=2, cooldown=0)


def test_a_function_holds_a_permit_while_it_runs(limiter: Limiter) -> None:
    @limiter.limited(weight=2, label="work", timeout=0)
    def work(a: int, *, b: int) -> tuple[int, list[tuple[float, str | None]]]:
        "Work hard."
        return a + b, [(holder.weight, holder.label) for holder in limiter.status().holders]

    assert work(1, b=2) == (3, [(2.0, "work")])
    assert limiter.status().in_flight == 0
    assert (work.__name__, work.__doc__) == ("work", "Work hard.")
    with limiter, pytest.raises(AcquireTimeout):
        work(1, b=2)


def test_a_function_that_raises_releases(limiter: Limiter) -> None:
    @limiter.limited()
    def fail() -> None:
        raise LookupError(f"{limiter.status().held} held")

    with pytest.raises(LookupError, match="1 held"):
        fail()
    assert limiter.status().in_flight == 0


@pytest.fixture
def counted(limiter: Limiter) -> Any:
    @limiter.limited()
    def count(to: int) -> Generator[int, int, str]:
        yield from range(to)
        return "done"

    return count


def test_a_generator_holds_from_its_first_step_until_it_is_exhausted(limiter: Limiter, counted: Any) -> None:
    steps = counted(2)
    assert limiter.status().held == 0
    assert next(steps) == 0
    assert limiter.status().held == 1
    assert next(steps) == 1
    assert limiter.status().held == 1
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "done"
    assert limiter.status().held == 0


def test_a_generator_that_is_closed_or_collected_releases(limiter: Limiter, counted: Any) -> None:
    closed, collected = counted(2), counted(2)
    next(closed)
    next(collected)
    assert limiter.status().held == 2
    closed.close()
    assert limiter.status().held == 1
    del collected
    gc.collect()
    assert limiter.status().held == 0


def test_a_generator_that_is_never_stepped_takes_nothing(limiter: Limiter, counted: Any) -> None:
    steps = counted(2)
    steps.close()
    assert limiter.status().counters.granted == 0


def test_values_and_exceptions_are_passed_into_a_generator(limiter: Limiter) -> None:
    @limiter.limited()
    def echo() -> Generator[object, object, None]:
        got: object = None
        while True:
            try:
                got = yield got
            except KeyError as error:
                got = error.args[0]

    steps = echo()
    next(steps)
    assert steps.send("sent") == "sent"
    assert steps.throw(KeyError("thrown")) == "thrown"
    with pytest.raises(LookupError):
        steps.throw(LookupError())
    assert limiter.status().held == 0
