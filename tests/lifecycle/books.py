"""What must be so once everybody has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shmlimit import segment
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from shmlimit import Limiter


def all_is_free(limiter: Limiter) -> None:
    """Nobody holds or waits, and the sum agrees with the slots."""
    wait_for(segment.attach(limiter.name).audit)
    limiter.reap()
    now = limiter.status()
    assert (now.held, now.queued, now.in_flight) == (0, 0, 0.0)
