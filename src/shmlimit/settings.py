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
# In place of a number: the limit is the upstream's own.
UPSTREAM = "upstream"
# Until the upstream has told its own, if none is known from before: whoever waits has it asked.
FIRST_LIMIT = 0
GATES = ("upstream", "one-per-poll")
ON_STALE = ("open", "closed")


def check_limit(limit: object) -> int:
    """Return a limit: a whole number from 0 (closed) to 8000."""
    return _check_permits("limit", limit, "0 (closed)")


def check_headroom(headroom: object) -> int:
    """Return a headroom: a whole number from 0 to 8000."""
    return _check_permits("headroom", headroom, "0")


def _check_permits(what: str, number: object, least: str) -> int:
    if isinstance(number, (bool, float, str, bytes)) or not hasattr(type(number), "__index__"):
        raise TypeError(f"{what} must be a whole number, not {type(number).__name__} {number!r}")
    value = number.__index__()  # type: ignore[attr-defined]
    if not 0 <= value <= _core.LIMIT_LIMIT:
        raise ValueError(f"{what} must be from {least} to {_core.LIMIT_LIMIT}, not {number!r}")
    return int(value)


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
    """What a new segment is filled with.

    Seconds; headroom None: a person sets the limit; slot_timeout None: no watchdog; usage None: no source.
    """

    limit: int
    configured_limit: int
    headroom: int | None
    cooldown: float
    slot_timeout: float | None
    gate: str
    on_stale: str
    slots: int
    usage: dict[str, Any] | None

    def format(self, fd: int, path: str) -> None:
        """Fill the empty file with the segment that is to be at path."""
        config = json.dumps({"usage": self.usage}, separators=(",", ":")).encode()
        if len(config) > _core.CONFIG_LIMIT:
            raise ValueError(f"the usage source takes {len(config)} bytes of JSON, {_core.CONFIG_LIMIT} are allowed")
        _core.format_segment(
            fd,
            path,
            slots=self.slots,
            limit=self.limit,
            configured=self.configured_limit,
            flags=self._flags(),
            headroom=self.headroom,
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
    try:
        usage = json.loads(config)["usage"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return usage if isinstance(usage, dict) else None
