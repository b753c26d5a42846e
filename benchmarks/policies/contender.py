"""Admission policies that know nothing of the upstream but its refusals: what users have, or would write."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.policies.laboratory import Bench


class Contender(Protocol):
    """Decides when a worker may start a session."""

    def arrive(self, user: int, go: Callable[[], None]) -> None:
        """A worker wants a session: call go() once it may start."""

    def leave(self, user: int, lasted: float) -> None:
        """Its session has ended after so many seconds."""

    def refused(self, user: int) -> None:
        """Its session was refused: it arrives again later."""

    def close(self) -> None:
        """The run is over."""


class Unlimited:
    """Start at once, and try again when refused."""

    def __init__(self, _: Bench) -> None:
        pass

    def arrive(self, user: int, go: Callable[[], None]) -> None:
        go()

    def leave(self, user: int, lasted: float) -> None:
        pass

    def refused(self, user: int) -> None:
        pass

    def close(self) -> None:
        pass


class Semaphore:
    """So many at once, in the order in which they came; the number may change.

    Attributes:
        limit: How many; a fraction counts for nothing until it is whole.
    """

    def __init__(self, bench: Bench) -> None:
        self.limit = float(bench.scenario.limit)
        self.running = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def arrive(self, user: int, go: Callable[[], None]) -> None:
        self._waiting.append(go)
        self._admit()

    def leave(self, user: int, lasted: float) -> None:
        self.running -= 1
        self._admit()

    def refused(self, user: int) -> None:
        self.running -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.running < int(self.limit):
            self.running += 1
            self._waiting.popleft()()

    def close(self) -> None:
        pass


class Aimd(Semaphore):
    """A limit from 1 to twice the cap: up by one for each limit's worth of sessions, halved by a refusal."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self._most = 2.0 * bench.scenario.limit

    def leave(self, user: int, lasted: float) -> None:
        self.limit = min(self._most, self.limit + 1 / self.limit)
        super().leave(user, lasted)

    def refused(self, user: int) -> None:
        self.limit = max(1.0, self.limit / 2)
        super().refused(user)


class Gradient(Semaphore):
    """A limit that follows the ratio of the usual latency to the present one, as Netflix's concurrency-limits does.

    The rule and its constants are those of its `Gradient2Limit` (github.com/Netflix/concurrency-limits): the usual
    latency is an average over 600 sessions, tolerance 1.5, room for a queue of 4, smoothing 0.2. It ignores refusals.
    """

    _LONG = 600
    _TOLERANCE = 1.5
    _QUEUE = 4
    _SMOOTHING = 0.2

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self._usual = 0.0
        self._seen = 0
        self._most = 2.0 * bench.scenario.limit

    def leave(self, user: int, lasted: float) -> None:
        self._seen += 1
        weight = 1 / min(self._seen, self._LONG)
        self._usual += (lasted - self._usual) * weight
        if self.running >= self.limit / 2:
            gradient = max(0.5, min(1.0, self._TOLERANCE * self._usual / lasted))
            aim = self.limit * gradient + self._QUEUE
            self.limit = max(1.0, min(self._most, self.limit * (1 - self._SMOOTHING) + aim * self._SMOOTHING))
        super().leave(user, lasted)
