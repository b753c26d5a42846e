"""What a caller asks for, checked."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from shmlimit import _core, settings

if TYPE_CHECKING:
    from collections.abc import Callable

_PRIORITY_MAX = 2**31 - 1


class Request(NamedTuple):
    """The arguments of `Limiter.acquire`, checked; the core checks weight and label.

    Attributes:
        deadline_us: Host time until which to wait.
        timeout: The seconds that it was made of; None: for ever.
    """

    deadline_us: int
    timeout: float | None
    weight: float
    priority: int
    since_ns: int
    label: str | None
    on_queued: Callable[[], object] | None


def request(
    *,
    timeout: float | None = None,
    weight: float = 1,
    priority: int = 0,
    since: float | None = None,
    label: str | None = None,
    on_queued: Callable[[], object] | None = None,
) -> Request:
    """Check the arguments of `Limiter.acquire`; TypeError or ValueError."""
    return Request(
        _deadline_us(timeout), timeout, weight, _check_priority(priority), _since_ns(since), label, on_queued
    )


def until_us(what: str, seconds: float) -> int:
    """Return the host time that many seconds from now."""
    return round((_core.now() + settings.check_duration(what, seconds)) * 1e6)


def _deadline_us(timeout: float | None) -> int:
    if timeout is None:
        return int(_core.NO_DEADLINE)
    seconds = settings.check_duration("timeout", timeout, longest=sys.float_info.max)
    return until_us("timeout", min(seconds, settings.DURATION_MAX))


def _check_priority(priority: int) -> int:
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise TypeError(f"priority must be a whole number, not {type(priority).__name__} {priority!r}")
    if not -_PRIORITY_MAX <= priority <= _PRIORITY_MAX:
        raise ValueError(f"priority must be from -{_PRIORITY_MAX} to {_PRIORITY_MAX}, not {priority!r}")
    return priority


def _since_ns(since: float | None) -> int:
    if since is None:
        return time.time_ns()
    return round(settings.check_duration("since", since, longest=9e9) * 1e9)
