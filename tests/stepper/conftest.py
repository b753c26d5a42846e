"""The compiled stepper, the nursery, and how far each test goes."""

from __future__ import annotations

import os
import platform
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.stepper.crew import Crew
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
def library(workshop: Workshop) -> Path:
    """The stepper, which a doomed process loads."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip(f"steps by the trap flag of x86-64; this is {platform.machine()}")
    if missing := workshop.missing(PLAIN):
        pytest.skip(missing)
    library = workshop.directory / "stepper.so"
    workshop.compile(PLAIN, ["-shared", "-fPIC", "-o", library, *sorted(HERE.glob("*.c"))])
    return library


@pytest.fixture(scope="session")
def _nurseries() -> Iterator[list[Nursery]]:
    nurseries: list[Nursery] = []
    yield nurseries
    for nursery in nurseries:
        nursery.close()


@pytest.fixture
def nursery(library: Path, _nurseries: list[Nursery]) -> Nursery:
    """Where doomed processes come from: the same for all tests, until one fails and leaves it as it is."""
    if not _nurseries or not _nurseries[-1].is_empty:
        _nurseries.append(Nursery(library))
    return _nurseries[-1]


@pytest.fixture(scope="session")
def _crews() -> Iterator[list[Crew]]:
    crews: list[Crew] = []
    yield crews
    for crew in crews:
        crew.close()


@pytest.fixture
def crew(_crews: list[Crew], request: pytest.FixtureRequest) -> Crew:
    """Who works beside a stopped process: the same for all tests, until one fails."""
    if not _crews or request.session.testsfailed:
        _crews.append(Crew())
    return _crews[-1]


@pytest.fixture(scope="session")
def seed() -> int:
    """What the choice of instructions depends on; given in SHMLIMIT_STEPPER_SEED, it is that again."""
    return int(os.environ.get("SHMLIMIT_STEPPER_SEED") or random.getrandbits(32))


@pytest.fixture
def effort(is_long: bool, seconds: float | None, seed: int) -> Effort:
    """How many instructions are tried."""
    print(f"SHMLIMIT_STEPPER_SEED={seed}")
    return Effort(is_long, None if seconds is None else seconds / _TESTS, seed)
