"""Waiters that stand: a heap of whatever has an `order` and a `future`, which may be done before its turn comes."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shmlimit.loop_queue import Waiter


class Standing:
    """Those who have no seat, best first. Who has gone meanwhile is dropped when it is met, or when most have gone."""

    def __init__(self) -> None:
        self._heap: list[tuple[tuple[int, int, int], Waiter]] = []
        self._gone = 0

    def push(self, waiter: Waiter) -> None:
        """Add one."""
        heapq.heappush(self._heap, (waiter.order, waiter))

    def first(self) -> Waiter | None:
        """Return the best one that is still there."""
        while self._heap and self._heap[0][1].future.done():
            heapq.heappop(self._heap)
            self._gone = max(0, self._gone - 1)
        return self._heap[0][1] if self._heap else None

    def pop(self) -> None:
        """Remove the best one."""
        heapq.heappop(self._heap)

    def went(self) -> None:
        """One of them has gone: its future is done."""
        self._gone += 1
        if self._gone * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[1].future.done()]
            heapq.heapify(self._heap)
            self._gone = 0
