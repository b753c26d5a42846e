"""What the usage endpoint shows of the sessions: a count that lags, is refreshed seldom, and may be one off."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from shmlimit.emulate.account import Session
    from shmlimit.emulate.settings import EmulatorSettings


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of the usage endpoint: the lagging count, its weight, and whether it lies above the soft cap."""

    sessions: int
    is_low_priority: bool
    weight: float = 0.0


class Report:
    """The reported count of an account.

    Args:
        settings: Lags, noise and how often it is refreshed.
        random: Where lags and noise are drawn from.
    """

    def __init__(self, settings: EmulatorSettings, random: Random) -> None:
        self._settings = settings
        self._random = random
        # Everything a report may still show: sessions that had not left at the last reported instant.
        self._sessions: list[Session] = []
        self._instant = -math.inf
        self._kept: Reading | None = None
        self._kept_until = -math.inf

    def add(self, session: Session, counted: int, now: float) -> None:
        """Take note of a session that has started."""
        self._sessions.append(session)
        # Without this the list would grow for as long as nobody reads the usage endpoint.
        if len(self._sessions) > 2 * counted + 64:
            oldest_instant = now - self._settings.report_lag
            self._sessions = [s for s in self._sessions if s.leaves_at > oldest_instant]

    def read(self, now: float, limit: int) -> Reading:
        """Take a reading, which is never older than the one before."""
        if self._kept is None or now >= self._kept_until:
            self._kept = self._fresh(now, limit)
            self._kept_until = now + self._settings.refresh
        return self._kept

    def _fresh(self, now: float, limit: int) -> Reading:
        instant = now - self._random.uniform(0.0, self._settings.report_lag)
        self._instant = max(self._instant, instant)
        self._sessions = [s for s in self._sessions if s.leaves_at > self._instant]
        visible = [s for s in self._sessions if s.visible_from <= self._instant]
        shown = len(visible)
        is_low_priority = shown > limit
        if self._random.random() < self._settings.noise:
            shown = max(0, shown + self._random.choice((-1, 1)))
        return Reading(shown, is_low_priority, sum(s.weight for s in visible))
