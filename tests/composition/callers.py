"""Threads that wait in a call, so that a test can watch them."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

from tests.support.processes import HANG, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from shmlimit import Limiter, Permit, Permits


class Caller:
    """A thread in a call that returns permits."""

    def __init__(self, call: Callable[..., Permit | Permits], *args: Any, **options: Any) -> None:
        self._call = functools.partial(call, *args, **options)
        self._permits: Permit | Permits | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._permits = self._call()
        except BaseException as error:  # noqa: BLE001  (raised again in the test)
            self._error = error

    def permits(self) -> Any:
        """What the call returned, or raised; waits for it."""
        self._thread.join(HANG)
        assert not self._thread.is_alive(), "still waiting"
        if self._error is not None:
            raise self._error
        return self._permits

    @property
    def is_waiting(self) -> bool:
        return self._thread.is_alive()

    def until_queued(self, limiter: Limiter, count: int = 1) -> None:
        """Wait until that many are in the limiter's queue."""
        wait_for(lambda: limiter.status().queued == count or not self.is_waiting)
        assert self.is_waiting, f"did not wait: {self.permits()}"
