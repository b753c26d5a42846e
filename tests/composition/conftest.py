"""Two limiters of one permit each; at the end of each test nobody holds or waits for anything of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter, segment
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

Pair = tuple[Limiter, Limiter]


@pytest.fixture
def pair(name: str) -> Iterator[Pair]:
    first, second = (Limiter(f"{name}-{letter}", limit=1, cooldown=0) for letter in "ab")
    try:
        yield first, second
        for limiter in (first, second):
            wait_for(segment.observe(limiter.name).audit)
            now = limiter.status()
            assert (now.held, now.queued, now.in_flight) == (0, 0, 0)
    finally:
        for limiter in (first, second):
            segment.destroy(limiter.name, force=True)
