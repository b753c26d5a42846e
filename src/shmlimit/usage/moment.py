"""Points in time as upstreams write them, turned into epoch seconds."""

from __future__ import annotations

import email.utils
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMESTAMP = re.compile(
    r"(?<![0-9])([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})"
    r"(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r"(?:([Zz])|([+-])([0-9]{2}):?([0-9]{2}))?(?![0-9])"
)

MAX_RETRY_AFTER = 3600.0
"""Seconds; a longer wish is cut to this, so that one absurd header cannot silence a poller for days."""


def _epoch(match: re.Match[str]) -> float | None:
    year, month, day, hour, minute, second, fraction, zulu, sign, zone_hours, zone_minutes = match.groups()
    # Providers that leave the zone out mean UTC; the local zone of whoever polls can only be wrong.
    zone = timezone.utc
    try:
        if not zulu and sign:
            offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
            zone = timezone(-offset if sign == "-" else offset)
        moment = datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=zone
        ).timestamp()
    except (ValueError, OverflowError):
        return None
    return moment + (int(fraction) / 10 ** len(fraction) if fraction else 0.0)


def parse_timestamp(text: str) -> float | None:
    """Turn an ISO 8601 date and time into epoch seconds, without blocking; None when it is not one."""
    match = _TIMESTAMP.fullmatch(text)
    return None if match is None else _epoch(match)


def find_timestamps(text: str) -> Iterator[float]:
    """Yield every ISO 8601 date and time within a text as epoch seconds, without blocking."""
    for match in _TIMESTAMP.finditer(text):
        moment = _epoch(match)
        if moment is not None:
            yield moment


def _parse_http_date(text: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()


def parse_retry_after(text: str | None, *, date: str | None, now: float) -> float | None:
    """Turn a Retry-After header into seconds from now, without blocking.

    Args:
        text: The header: whole seconds or an HTTP date, or None when it is absent.
        date: The answer's Date header. An HTTP date is compared with it, so that a wrong clock on either
            side cancels out.
        now: Epoch seconds here, used when there is no usable *date*.

    Returns:
        Seconds from 0 to 3600, or None when the header is absent or is neither form.
    """
    if text is None:
        return None
    text = text.strip()
    if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text):
        # float() and not int(): thousands of digits are infinite here, not a ValueError.
        return min(max(float(text), 0.0), MAX_RETRY_AFTER)
    moment = _parse_http_date(text)
    if moment is None:
        return None
    sent_at = _parse_http_date(date) if date is not None else None
    return min(max(moment - (now if sent_at is None else sent_at), 0.0), MAX_RETRY_AFTER)
