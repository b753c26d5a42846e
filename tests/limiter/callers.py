"""Threads that call acquire(), so that a test can watch them wait."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tests.support.processes import HANG, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shmlimit import Limiter, Permit


class Caller:
    """A thread in `limiter.acquire(**options)`."""

    def __init__(self, limiter: Limiter, **options: Any) -> None:
        self._limiter = limiter
        self._options = options
        self._permit: Permit | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._acquire, daemon=True)
        self._thread.start()

    def _acquire(self) -> None:
        try:
            self._permit = self._limiter.acquire(**self._options)
        except BaseException as error:  # noqa: BLE001
            self._error = error

    def permit(self) -> Permit:
        """What acquire() returned, or raised; waits for it."""
        self._thread.join(HANG)
        assert not self._thread.is_alive(), "still waiting"
        if self._error is not None:
            raise self._error
        assert self._permit is not None
        return self._permit

    @property
    def is_waiting(self) -> bool:
        return self._thread.is_alive()


def queue_up(limiter: Limiter, **options: Any) -> Caller:
    """Start a caller that has to wait; it is in the queue on return."""
    before = limiter.status().queued
    caller = Caller(limiter, **options)
    wait_for(lambda: limiter.status().queued == before + 1 or not caller.is_waiting)
    if not caller.is_waiting:
        raise AssertionError(f"did not wait: {caller.permit()}")
    return caller


def order_of_grants(limiter: Limiter, holder: Permit, callers: Sequence[tuple[str, Caller]]) -> list[str]:
    """Release the holder, then each permit as it is granted; the callers' tags in the order of the grants."""
    order = []
    waiting = dict(callers)
    holder.release()
    while waiting:
        tag = wait_for(lambda: next((tag for tag, caller in waiting.items() if not caller.is_waiting), None))
        assert limiter.status().held == 1
        order.append(tag)
        waiting.pop(tag).permit().release()
    return order
