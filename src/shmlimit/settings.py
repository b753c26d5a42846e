"""The settings of a limiter: checked, as they are written into a new segment, and as arguments are checked anywhere."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

from shmlimit import _core

DEFAULT_COOLDOWN = 0.35
DEFAULT_SLOT_TIMEOUT = 300.0
DEFAULT_SLOTS = 4096
# Least time between two polls of a source that does not say.
MIN_INTERVAL = 0.15
# How long a start may take to show in the upstream's count, where the source does not say: 1 s is where the simulation
# of the gate has no refusals of its own making (DESIGN 6).
SETTLE = 1.0
# Longer than the slow polling interval of 10 s and a time-out together, so that a sample stands until the next.
STALE_AFTER = 15.0
# Longest duration that makes sense for any setting, in seconds (a year).
DURATION_MAX = 366 * 86400.0
GATES = ("upstream", "one-per-poll")
ON_STALE = ("open", "closed")
# In place of a number: the limit is the upstream's own, and this one until it has told it.
FOLLOW = "upstream"
FIRST_LIMIT = 1


def check_limit(limit: object) -> int:
    """Return a limit: a whole number from 0 (closed) to 8000."""
    if isinstance(limit, (bool, float, str, bytes)) or not hasattr(type(limit), "__index__"):
        raise TypeError(f"limit must be a whole number or 'upstream', not {type(limit).__name__} {limit!r}")
    value = limit.__index__()  # type: ignore[attr-defined]
    if not 0 <= value <= _core.LIMIT_LIMIT:
        raise ValueError(f"limit must be from 0 (closed) to {_core.LIMIT_LIMIT}, not {limit!r}")
    return int(value)


def check_headroom(headroom: object) -> int:
    """Return a headroom: whole permits, 0 to 8000."""
    if isinstance(headroom, bool) or not isinstance(headroom, int):
        raise TypeError(f"headroom must be a whole number, not {type(headroom).__name__} {headroom!r}")
    if not 0 <= headroom <= _core.LIMIT_LIMIT:
        raise ValueError(f"headroom must be from 0 to {_core.LIMIT_LIMIT}, not {headroom!r}")
    return headroom


def check_duration(what: str, seconds: object, *, longest: float = DURATION_MAX) -> float:
    """Return a duration in seconds: a finite number from 0 to `longest`."""
    if isinstance(seconds, (bool, str, bytes)) or not hasattr(type(seconds), "__float__"):
        raise TypeError(f"{what} must be a number of seconds, not {type(seconds).__name__} {seconds!r}")
    try:
        value = float(seconds)  # type: ignore[arg-type]
    except OverflowError:
        value = math.inf
    if not math.isfinite(value) or not 0 <= value <= longest:
        raise ValueError(f"{what} must be from 0 to {longest:g} seconds, not {seconds!r}")
    return value


def check_slot_timeout(slot_timeout: object) -> float | None:
    """Return a slot time-out in seconds, above 0; None turns the watchdog off."""
    if slot_timeout is None:
        return None
    value = check_duration("slot_timeout", slot_timeout)
    if value < 1e-6:
        raise ValueError(f"slot_timeout must be above 0, or None to turn the watchdog off, not {slot_timeout!r}")
    return value


def check_choice(what: str, value: object, choices: tuple[str, ...]) -> str:
    """Return the value if it is one of the choices."""
    if value not in choices:
        raise ValueError(f"{what} must be {' or '.join(repr(choice) for choice in choices)}, not {value!r}")
    return str(value)


def microseconds(seconds: float | None) -> int:
    """Return a duration as the core takes it; None is 0."""
    return 0 if seconds is None else round(seconds * 1e6)


@dataclass(frozen=True)
class Settings:
    """What a new segment is filled with. Seconds; slot_timeout None: no watchdog; usage None: no source.

    headroom: how far below the upstream's own limit this one is kept; None: it does not follow.
    """

    limit: int
    configured_limit: int
    cooldown: float
    slot_timeout: float | None
    gate: str
    on_stale: str
    slots: int
    usage: dict[str, Any] | None
    headroom: int | None = None

    def format(self, fd: int, path: str) -> None:
        """Fill the empty file with the segment that is to be at path."""
        follow = {} if self.headroom is None else {"headroom": self.headroom}
        config = json.dumps({"usage": self.usage, **follow}, separators=(",", ":")).encode()
        if len(config) > _core.CONFIG_LIMIT:
            raise ValueError(f"the usage source takes {len(config)} bytes of JSON, {_core.CONFIG_LIMIT} are allowed")
        _core.format_segment(
            fd,
            path,
            slots=self.slots,
            limit=self.limit,
            configured=self.configured_limit,
            flags=self._flags(),
            cooldown_us=microseconds(self.cooldown),
            slot_timeout_us=microseconds(self.slot_timeout),
            stale_after_us=microseconds(STALE_AFTER),
            settle_us=microseconds(SETTLE),
            config=config,
        )

    def _flags(self) -> int:
        return (
            (_core.ONE_PER_POLL if self.gate == "one-per-poll" else 0)
            | (_core.CLOSED_ON_STALE if self.on_stale == "closed" else 0)
            | (_core.HAS_USAGE if self.usage is not None else 0)
        )


def check_slots(slots: object) -> int:
    """Return a number of slots: 1 to 8192."""
    if isinstance(slots, bool) or not isinstance(slots, int):
        raise TypeError(f"slots must be a whole number, not {type(slots).__name__} {slots!r}")
    if not 1 <= slots <= _core.SLOTS_LIMIT:
        raise ValueError(f"slots must be from 1 to {_core.SLOTS_LIMIT}, not {slots!r}")
    return slots


def given(value: object) -> bool:
    """True unless the argument is the `...` that stands for "not given"."""
    return not isinstance(value, EllipsisType)


def read_usage(config: bytes) -> dict[str, Any] | None:
    """Return the usage source in a segment's configuration; None if there is none, or it is not readable."""
    usage = _read_config(config).get("usage")
    return usage if isinstance(usage, dict) else None


def read_headroom(config: bytes) -> int | None:
    """Return how far below the upstream's limit a segment's is kept; None: it does not follow, or is not readable."""
    headroom = _read_config(config).get("headroom")
    return headroom if isinstance(headroom, int) and 0 <= headroom <= _core.LIMIT_LIMIT else None


def _read_config(config: bytes) -> dict[str, Any]:
    try:
        found = json.loads(config)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
