"""What a source says of itself: how it counts, how often it may be asked, how far its count lags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from shmlimit.settings import MIN_INTERVAL, SETTLE, STALE_AFTER
from shmlimit.usage.argument import check_choice, check_seconds
from shmlimit.usage.http import Counts

if TYPE_CHECKING:
    from shmlimit.usage import UsageSource


@dataclass(frozen=True)
class Manners:
    """A source's manners; seconds.

    Attributes:
        counts: "requests" or "weight".
        min_interval: Left between two polls at least.
        settle: How long a start may take to show in the count.
        stale_after: How long a reading counts: longer than the slow interval of 10 s and a time-out together, and than
            three polls of a source that may be asked only rarely, so that one stands until the next.
    """

    counts: Counts
    min_interval: float
    settle: float
    stale_after: float


def manners_of(source: UsageSource) -> Manners:
    """Return what the source says of itself, and the defaults where it says nothing.

    Raises:
        TypeError, ValueError: It says something that is not allowed.
    """
    min_interval = check_seconds("min_interval", getattr(source, "min_interval", MIN_INTERVAL), positive=False)
    stale_after = check_seconds("stale_after", getattr(source, "stale_after", STALE_AFTER), positive=True)
    return Manners(
        counts=check_choice("counts", getattr(source, "counts", "requests"), get_args(Counts)),
        min_interval=min_interval,
        settle=check_seconds("settle", getattr(source, "settle", SETTLE), positive=False),
        stale_after=max(stale_after, 3 * min_interval),
    )
