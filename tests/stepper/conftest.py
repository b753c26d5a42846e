"""The compiled stepper, the nursery, and how far each test goes."""

from __future__ import annotations

import os
import platform
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.stepper.effort import Effort
from tests.stepper.nursery import Nursery
from tests.support.workshop import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.workshop import Workshop

HERE = Path(__file__).parent
# Tests among which a given time is divided.
_TESTS = 50


@pytest.fixture(scope="session")
def nursery(workshop: Workshop) -> Iterator[Nursery]:
    """Where doomed processes come from."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip(f"steps by the trap flag of x86-64; this is {platform.machine()}")
    if missing := workshop.missing(PLAIN):
        pytest.skip(missing)
    library = workshop.directory / "stepper.so"
    workshop.compile(PLAIN, ["-shared", "-fPIC", "-o", library, *sorted(HERE.glob("*.c"))])
    with Nursery(library, workshop.directory) as nursery:
        yield nursery


@pytest.fixture(scope="session")
def seed() -> int:
    """What the choice of instructions depends on; given in SHMLIMIT_STEPPER_SEED, it is that again."""
    return int(os.environ.get("SHMLIMIT_STEPPER_SEED") or random.getrandbits(32))


@pytest.fixture
def effort(is_long: bool, seconds: float | None, seed: int) -> Effort:
    """How many instructions are tried."""
    return Effort(is_long, None if seconds is None else seconds / _TESTS, seed)
