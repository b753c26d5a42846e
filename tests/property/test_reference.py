"""The Python API does what the reference does, step by step, whatever is done to both."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.machine import LimiterMachine
from tests.property.nursery import Nursery

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROUNDS = 3
_EXAMPLES = 40


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as one:
        yield one


def test_the_limiter_and_the_reference_agree_after_every_step(
    nursery: Nursery, first_seed: int, seconds: float | None, is_long: bool
) -> None:
    LimiterMachine.nursery = nursery
    end = time.monotonic() + (seconds or 0) / 2  # the other half is the histories'
    effort = settings(
        max_examples=_EXAMPLES,
        stateful_step_count=40,
        phases=[Phase.generate, Phase.shrink] if is_long else [Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    number = first_seed
    while number < first_seed + _ROUNDS if seconds is None else time.monotonic() < end:
        print(f"--hypothesis-seed {number}")
        run_state_machine_as_test(seed(number)(LimiterMachine), settings=effort)
        number += 1
    print(f"{(number - first_seed) * _EXAMPLES} examples of up to 40 steps")
