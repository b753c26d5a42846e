"""A name at which a limiter may be or not, and what must be so after a death in making or removing it."""

from __future__ import annotations

import os

from shmlimit import Limiter, LimiterNotFound, Permit, SegmentOrphaned, segment
from tests.stepper.operation import LIMIT, SLOTS


class Place:
    """The name; and, where a limiter was made there, somebody who uses it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._user: Limiter | None = None

    def make(self) -> None:
        self._user = self._open()

    def _open(self) -> Limiter:
        return Limiter(self.name, limit=LIMIT, cooldown=0, slots=SLOTS)

    def visit(self, limit: int) -> Limiter | None:
        """Open it while somebody is stopped in making or removing it; None: it is being removed.

        Returns:
            A limiter that is none of his: he may not take its name away.
        """
        try:
            limiter = self._open()
        except LimiterNotFound:
            return None
        if self._user is None or not self._is_named(self._user):
            permits = _all_of(limiter)
            assert len(permits) == limit, f"{len(permits)} permits can be had, the limit is {limit}"
            for permit in permits:
                assert permit.release()
            return limiter
        limiter.close()
        return None

    def check_named(self, limiter: Limiter) -> None:
        assert self._is_named(limiter), "the name of another limiter was taken away"

    def _is_named(self, limiter: Limiter) -> bool:
        assert limiter._attachment is not None
        return segment.is_named(self.name, limiter._attachment)

    def recover(self, limit: int, *, by_reap: bool) -> None:
        """Whoever opens the name has a whole limiter; with the one that was there, never more than the limit."""
        limiter = self._open()
        if by_reap:
            limiter.reap()
        permits = _all_of(self._user) if self._user else []
        permits += _all_of(limiter)
        assert len(permits) == limit, f"{len(permits)} permits can be had, the limit is {limit}"
        for permit in permits:
            assert permit.release()
        if self._user:
            self._user.close()
        self._user = None
        limiter.close()
        self.clear()

    def clear(self) -> None:
        """Remove it; what a killed creator left under a private name goes as soon as it is old."""
        segment.destroy(self.name)
        segment._remove_abandoned(self.name)
        left = [entry for entry in os.listdir(segment.directory()) if self.name in entry]  # noqa: PTH208
        assert not left, f"left: {left}"


def _all_of(limiter: Limiter) -> list[Permit]:
    permits = []
    try:
        while permit := limiter.try_acquire():
            permits.append(permit)
    except SegmentOrphaned:
        pass
    return permits
