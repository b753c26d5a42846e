"""The poller's policy: what the gate lets through after a reading, and when to ask next.

Pure functions: no clock, no I/O, so that a simulation can drive exactly what runs. All times are host seconds (the
segment's clock) but where "epoch" is said.

Why it is right (`upstream` gate). The upstream's count U lags: starts appear after up to `settle`, ends later still. So
U is evidence about *others* only. Of our own permits those admitted at least `settle` before the sample began, and
still held when it began, are surely in U; everything else in U is foreign, whether another machine's or a session of
ours that has ended here and not yet there. Foreign is thus never underestimated because of our own lagging ends, and
our own permits are added exactly, not from U. It is overestimated by our youngest permits, for at most `settle`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shmlimit.usage import Usage

# With waiters: at least this often. Without, while permits are held: only so often that a newcomer finds a sample.
WAITING_INTERVAL = 1.0
HELD_INTERVAL = 10.0
BACKOFF_FIRST = 0.5
BACKOFF_MAX = 10.0
BLOCKED_WITHOUT_END = 60.0
PAUSE_MAX = 86400.0
RETRY_AFTER_MAX = 3600.0
# No count and no time is beyond this; a float represents it to the unit.
_LARGEST = 2.0**53
_LIMIT_LARGEST = 1e6


@dataclass(frozen=True)
class Census:
    """The slots when a sample began.

    Attributes:
        t0: When that was.
        visible_weight: Weight of the permits held now and admitted at least `settle` ago, in permits.
        visible_count: Their number.
        held_count: The number of permits held.
        waiters: How many wait.
        cooled_at: When the first released permit that no sample has confirmed has cooled, or None.
        foreign: Foreign in force.
    """

    t0: float
    visible_weight: float
    visible_count: int
    held_count: int
    waiters: int
    cooled_at: float | None
    foreign: float = 0.0


@dataclass(frozen=True)
class Decision:
    """What a sample means.

    Attributes:
        gate_count: For the gate's rule: foreign (`upstream`), or the upstream's own count (`one-per-poll`). None: no
            information, the cooldown alone decides.
        pause: Seconds from now during which the upstream serves nothing; 0: it serves.
        count: The upstream's own count, for people; None: no information.
    """

    gate_count: float | None
    pause: float = 0.0
    count: float | None = None


def decide(rule: str, usage: Usage | None, census: Census, counts: str, epoch_now: float) -> Decision:
    """Return what a reading means.

    Args:
        rule: "upstream" or "one-per-poll".
        usage: The reading, or None for no information.
        census: The slots when the reading began.
        counts: "requests": the upstream counts sessions, so a fraction is truncated and our permits count one each;
            "weight": it counts cost, so ours count by weight.
        epoch_now: Now, for blocked_until.
    """
    if usage is None:
        return Decision(None)
    pause = _seconds_until(usage.blocked_until, epoch_now) or 0.0
    count = _number(usage.concurrent_sessions)
    if count is None:
        return Decision(None, pause)
    effective = count if counts == "weight" else float(math.floor(count))
    if rule == "one-per-poll":
        return Decision(effective, pause, count)
    ours = census.visible_weight if counts == "weight" else float(census.visible_count)
    return Decision(max(0.0, effective - ours), pause, count)


def told_limit(limit: object) -> int | None:
    """The upstream's own limit in whole permits; None if it has told none that makes sense."""
    number = _number(limit)
    return None if number is None else math.floor(min(number, _LIMIT_LARGEST))


def _number(value: object) -> float | None:
    """Text, booleans, negative and infinite numbers are nonsense: no information, never zero."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # Compared before it is converted: a whole number may be beyond any float.
    return float(value) if 0 <= value <= _LARGEST else None


def _seconds_until(moment: object, epoch_now: float) -> float | None:
    """From now until an epoch time, from 0 to PAUSE_MAX; None if it is none."""
    if isinstance(moment, bool) or not isinstance(moment, (int, float)) or moment != moment:
        return None
    return min(max(0.0, float(max(-_LARGEST, min(moment, _LARGEST))) - epoch_now), PAUSE_MAX)


def pause_of_block(blocked_until: float | None, epoch_now: float) -> float:
    """Seconds to pause when the upstream says it blocks this account; a minute where it does not say until when."""
    seconds = _seconds_until(blocked_until, epoch_now)
    return BLOCKED_WITHOUT_END if seconds is None else seconds


def next_poll(rule: str, census: Census, last_t0: float | None, min_interval: float) -> float | None:
    """Return when to poll next (a time in the past: now), or None for not before something changes.

    With waiters: as soon as a released permit has cooled; every min_interval while foreign sessions may keep somebody
    out, or where each sample admits one (`one-per-poll`); at least every second in any case. Without waiters but with
    permits held: every 10 s. Never more often than min_interval.
    """
    if last_t0 is None:
        return census.t0 if census.waiters or census.held_count else None
    earliest = last_t0 + min_interval
    if census.waiters:
        due = last_t0 + WAITING_INTERVAL
        if census.foreign or rule == "one-per-poll":
            due = earliest
        elif census.cooled_at is not None:
            due = min(due, census.cooled_at)
        return max(due, earliest)
    return max(last_t0 + HELD_INTERVAL, earliest) if census.held_count else None


def backoff(failures: int, retry_after: object, jitter: float) -> float:
    """Seconds to leave the source alone after that many failures in a row; jitter is from 0 to 1."""
    wait = min(BACKOFF_MAX, BACKOFF_FIRST * 2.0 ** min(failures - 1, 16)) * (0.75 + 0.5 * jitter)
    return max(wait, min(_number(retry_after) or 0.0, RETRY_AFTER_MAX))
