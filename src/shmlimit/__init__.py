"""One concurrency limit for every process on a host, by name, with no server.

>>> from shmlimit import Limiter
>>> limiter = Limiter("umans", limit=4)    # create it, or attach when it exists   # doctest: +SKIP
>>> with limiter:                          # one permit, blocking                   # doctest: +SKIP
...     call_upstream()
"""

from __future__ import annotations

from shmlimit import segment as _segment
from shmlimit import statefile as _statefile
from shmlimit._core import Permit
from shmlimit.composition import acquire_all, acquire_all_async, acquire_any, acquire_any_async, all_of, any_of
from shmlimit.errors import (
    AcquireTimeout,
    ConfigMismatchWarning,
    InvalidName,
    LimiterClosed,
    LimiterInUse,
    LimiterNotFound,
    NeverAdmissible,
    ParticipantsFull,
    QueueFull,
    SegmentCorrupt,
    SegmentIncompatible,
    SegmentOrphaned,
    SegmentRefused,
    ShmlimitError,
    UnsupportedPlatform,
)
from shmlimit.limiter import Limiter
from shmlimit.permits import ChosenPermit, Permits
from shmlimit.status import Status
from shmlimit.status import read_status as _read_status

__all__ = [
    "AcquireTimeout",
    "ChosenPermit",
    "ConfigMismatchWarning",
    "InvalidName",
    "Limiter",
    "LimiterClosed",
    "LimiterInUse",
    "LimiterNotFound",
    "NeverAdmissible",
    "ParticipantsFull",
    "Permit",
    "Permits",
    "QueueFull",
    "SegmentCorrupt",
    "SegmentIncompatible",
    "SegmentOrphaned",
    "SegmentRefused",
    "ShmlimitError",
    "Status",
    "UnsupportedPlatform",
    "acquire_all",
    "acquire_all_async",
    "acquire_any",
    "acquire_any_async",
    "all_of",
    "any_of",
    "destroy",
    "limiters",
    "status",
]


def limiters() -> list[str]:
    """Return the names of this user's limiters, sorted."""
    return _segment.names()


def status(name: str | None = None) -> Status | list[Status]:
    """Read a limiter (or, with None, all of them) without becoming a participant and without blocking.

    Raises:
        LimiterNotFound: There is no limiter of that name.
    """
    if name is not None:
        return _read_status(name, _segment.observe(name))
    readings = []
    for one in limiters():
        try:
            readings.append(_read_status(one, _segment.observe(one)))
        except (ShmlimitError, OSError):
            continue
    return readings


def destroy(name: str, force: bool = False, *, forget: bool = False) -> None:
    """Remove a limiter, without blocking.

    Args:
        name: The limiter's name.
        force: Also while processes are attached: their next acquire raises SegmentOrphaned, their releases still work.
        forget: Also remove the saved settings; else limit, headroom and cooldown come back when it is created again.

    Raises:
        LimiterNotFound: There is no limiter of that name, nor settings to forget.
        LimiterInUse: Processes are attached, and force was not given. Nothing was changed.
    """
    if forget:
        forgotten = _statefile.forget(name)
    try:
        _segment.destroy(name, force=force)
    except (SegmentCorrupt, SegmentIncompatible):
        if not force:
            raise
        _segment.unlink(name)
    except LimiterNotFound:
        if not (forget and forgotten):
            raise
