"""Virtual time: what happens next, and when."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Host time begins above zero: in the segment a time of 0 means none.
_BEGIN = 1000.0


class Timeline:
    """Events in the order of their times, equal times in the order in which they were asked for."""

    def __init__(self) -> None:
        self.now = _BEGIN
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Let it happen so many seconds from now."""
        self.at(self.now + seconds, event)

    def at(self, time: float, event: Callable[[], None]) -> None:
        """Let it happen then; a time that has passed is now."""
        heapq.heappush(self._events, (max(time, self.now), next(self._numbers), event))

    def run(self, seconds: float) -> None:
        """Let everything happen that happens within so many seconds."""
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = end
