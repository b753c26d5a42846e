"""Nobody is killed here: at the end of each test the segment is whole, and no wake-up was missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shmlimit import LimiterNotFound, segment, status
from shmlimit.status import Status
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _whole_at_the_end(name: str) -> Iterator[None]:
    yield
    try:
        observer = segment.observe(name)
    except LimiterNotFound:
        return
    wait_for(observer.audit)
    reading = status(name)
    assert isinstance(reading, Status)
    assert reading.queued == 0
    assert reading.counters.self_heals == 0
