"""How the usage endpoint misbehaves, and when."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

PLAIN_KINDS = (
    "down",
    "hang",
    "hang-body",
    "huge",
    "html",
    "truncated",
    "missing-field",
    "null",
    "text",
    "fraction",
    "numeric",
    "extra",
    "limit-null",
    "no-hard-cap",
    "no-priority",
    "frozen",
    "redirect",
)
ALLOWED = (
    f"KIND[:ARG][@START-END] with KIND one of {', '.join(PLAIN_KINDS)}, slow:SECONDS, "
    "replicas:SECONDS and skew:SECONDS (up to 3600), rate:PER_MINUTE, status:CODE (400 to 599) "
    "and START before END in seconds"
)


@dataclass(frozen=True, slots=True)
class UsageFault:
    """One fault of the usage endpoint and its time window in seconds since the start."""

    kind: str
    argument: float = 0.0
    begins_at: float = 0.0
    ends_at: float = math.inf

    @classmethod
    def parse(cls, text: str) -> UsageFault:
        """Read the text of one `--usage-fault`, without blocking.

        Raises:
            ValueError: *text* is not one of the allowed forms.
        """
        what, at, window = text.partition("@")
        kind, colon, argument = what.partition(":")
        try:
            begins_at, ends_at = _window(window) if at else (0.0, math.inf)
            if kind in PLAIN_KINDS and not colon:
                return cls(kind, 0.0, begins_at, ends_at)
            if kind in ("slow", "replicas", "skew", "rate") and 0 < float(argument) <= 3600:
                return cls(kind, float(argument), begins_at, ends_at)
            if kind == "status" and 400 <= int(argument) <= 599:
                return cls(kind, int(argument), begins_at, ends_at)
        except ValueError:
            pass
        raise ValueError(f"usage-fault must be {ALLOWED}; not {text!r}")

    def is_in_force(self, elapsed: float) -> bool:
        """Say whether the fault shows at *elapsed* seconds since the start."""
        return self.begins_at <= elapsed < self.ends_at


def fault_in_force(faults: Iterable[UsageFault], elapsed: float) -> UsageFault | None:
    """Give the first of *faults* whose window includes *elapsed* seconds, or None."""
    return next((fault for fault in faults if fault.is_in_force(elapsed)), None)


def disfigured(document: dict[str, Any], kind: str) -> dict[str, Any]:
    """Give a copy of a usage *document*, spoilt or reshaped as *kind* says; other kinds change nothing."""
    spoilt = deepcopy(document)
    usage, limits = spoilt["usage"], spoilt["limits"]["concurrency"]
    if kind == "missing-field":
        del usage["concurrent_sessions"]
    elif kind == "null":
        usage["concurrent_sessions"] = None
    elif kind == "text":
        usage["concurrent_sessions"] = "unavailable"
    elif kind == "fraction":
        usage["concurrent_sessions"] += 0.5
    elif kind == "numeric":
        usage["concurrent_sessions"], limits["limit"] = str(usage["concurrent_sessions"]), str(limits["limit"])
    elif kind == "extra":
        spoilt["news"] = usage["news"] = {"nobody": ["has", "heard", "of"]}
    elif kind == "limit-null":
        limits["limit"] = None
    elif kind == "no-hard-cap":
        del limits["hard_cap"]
    elif kind == "no-priority":
        del usage["priority"]
    return spoilt


def skewed(document: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Give a copy of a usage *document* by a clock that is *seconds* fast."""
    spoilt = deepcopy(document)
    priority = spoilt["usage"]["priority"]
    if priority["boxed_until"] is not None:
        until = datetime.fromisoformat(priority["boxed_until"]) + timedelta(seconds=seconds)
        priority["boxed_until"] = until.isoformat()
    return spoilt


def _window(text: str) -> tuple[float, float]:
    begin, dash, end = text.partition("-")
    begins_at, ends_at = float(begin), float(end)
    if not dash or not 0 <= begins_at < ends_at < math.inf:
        raise ValueError(text)
    return begins_at, ends_at
