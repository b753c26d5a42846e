"""What an account's refusals lead to: low priority at the first, the penalty box at one too many."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from shmlimit.emulate.settings import EmulatorSettings

# For so long the first refusal's deadline is set ahead, which is no stop: the window in which requests are counted.
WINDOW_SECONDS = 18_000


class Shown(NamedTuple):
    """What the usage answer shows of it; times are on the account's clock."""

    reason: str | None = None
    until: float | None = None


class Penalty:
    """The ladder of one account.

    Args:
        settings: When the account is boxed, for how long, and how late that shows.
    """

    def __init__(self, settings: EmulatorSettings) -> None:
        self._settings = settings
        self._refusals = 0
        self._box_from = self._box_until = -math.inf
        self._limited_from = math.inf
        self._plan = (math.inf, math.inf)

    def begin(self, now: float) -> None:
        """Let the time of the planned box count from *now*."""
        if self._settings.box_window is not None:
            begins_at, ends_at = self._settings.box_window
            self._plan = (now + begins_at, now + ends_at)

    def note_refusal(self, now: float) -> bool:
        """Count a concurrency refusal; whether it boxes the account."""
        self._limited_from = min(self._limited_from, now)
        self._refusals += 1
        if not 0 < self._settings.box_after < self._refusals:
            return False
        self._refusals = 0
        self._box_from, self._box_until = now, now + self._settings.box_seconds
        return True

    def boxed_until(self, now: float) -> float | None:
        """Give the end of the latest box, which may be past; None while there was none."""
        began, ends = self._latest(now)
        return ends if now >= began > -math.inf else None

    def is_boxed(self, now: float) -> bool:
        """Say whether the account sits in the penalty box."""
        began, ends = self._latest(now)
        return began <= now < ends

    def shown(self, now: float) -> Shown:
        """Give what the usage answer shows, which may be late; the end of a past box stays."""
        then = now - self._settings.box_lag
        if (until := self.boxed_until(then)) is not None:
            return Shown("cap_abuse", until)
        if self._settings.box_after and then >= self._limited_from:
            return Shown("rate_limited", self._limited_from + WINDOW_SECONDS)
        return Shown()

    def _latest(self, now: float) -> tuple[float, float]:
        if now >= self._plan[0] > self._box_from:
            return self._plan
        return self._box_from, self._box_until
