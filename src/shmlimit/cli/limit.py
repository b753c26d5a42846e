"""How a limit is shown that may be the upstream's own."""

from __future__ import annotations


def shown_limit(limit: int | None, headroom: int | None) -> str:
    """Return a limit, and where it is from if it is the upstream's; headroom None: a person has set it."""
    number = "unlimited" if limit is None else str(limit)
    if headroom is None:
        return number
    return f"{number} ({upstreams_own(headroom)})" if limit else f"{number} (until the upstream tells its own)"


def upstreams_own(headroom: int) -> str:
    """Return what is followed."""
    return "the upstream's own" + (f" less {headroom}" if headroom else "")
