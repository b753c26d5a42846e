"""What an emulated upstream is like: plain values, as the command line takes them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from shmlimit.emulate.answer_headers import FEEDS
from shmlimit.emulate.faults import UsageFault
from shmlimit.emulate.foreign import ForeignLoad
from shmlimit.emulate.retry_after import RetryAfter

if TYPE_CHECKING:
    from pathlib import Path

# A lag is clipped here; a median above it would be a constant in disguise.
LONGEST_LAG = 2.0
HIGHEST_LIMIT = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorSettings:
    """One emulated account and its manners; durations are float seconds.

    Attributes:
        limit: Soft cap; above it the usage answer says `priority.low`.
        hard_cap: Sessions counted at which a start is refused with 429; None is *limit*.
        end_lag: Median time an ended session stays in the enforced count, clipped to 2.0; 0 is at once.
        start_lag: Median time until a start is reported, clipped to 2.0; 0 is at once.
        report_lag: The report is up to this old; 0 is never old.
        noise: Probability that a report is one too high or too low.
        retry_after: Retry-After of a refusal: seconds, "none", "date", "date:SECONDS" or "absurd".
        box_after: This many concurrency 429s are forgiven, the next one boxes the account; 0 never does.
        box_seconds: How long a boxed account answers 403 everywhere.
        session_median: Median length of a session that does not name its own, clipped to ten times that.
        first_byte: Time until a session's first byte.
        foreign: Somebody else on the account: "none", "steady:K", "square:K:PERIOD", "bursts:K:EVERY".
        feed: Whose headers tell the enforced count with each answer to work: "none", "elevenlabs" or "zenrows".
        usage_faults: Faults of the usage endpoint, `KIND[:ARG][@START-END]`; the first one in force wins.
        api_key_env: Environment variable that holds the only accepted key; None accepts any.
        truth: File for the ground-truth log, overwritten; None keeps no log.
        port: Port on 127.0.0.1; 0 lets the system choose.
        seed: Makes the random draws repeatable; None does not.

    Raises:
        ValueError: A value is out of range or not of the kind that is expected.
    """

    limit: int = 4
    hard_cap: int | None = None
    end_lag: float = 0.25
    start_lag: float = 0.0
    report_lag: float = 1.0
    noise: float = 0.0
    retry_after: str = "1"
    box_after: int = 0
    box_seconds: float = 30.0
    session_median: float = 2.0
    first_byte: float = 0.05
    foreign: str = "none"
    feed: str = "none"
    usage_faults: tuple[str, ...] = ()
    api_key_env: str | None = None
    truth: Path | None = None
    port: int = 0
    seed: int | None = None

    def __post_init__(self) -> None:
        _whole("limit", self.limit, 1, HIGHEST_LIMIT)
        if self.hard_cap is not None:
            _whole("hard-cap", self.hard_cap, self.limit, 2 * HIGHEST_LIMIT, low_is="the limit")
        _seconds("end-lag", self.end_lag, 0.0, LONGEST_LAG)
        _seconds("start-lag", self.start_lag, 0.0, LONGEST_LAG)
        _seconds("report-lag", self.report_lag, 0.0, 3600.0)
        _number("noise", self.noise, 0.0, 1.0, "a probability")
        RetryAfter.parse(self.retry_after)
        _whole("box-after", self.box_after, 0, 1_000_000)
        _seconds("box-seconds", self.box_seconds, 0.001, 86_400.0)
        _seconds("session-median", self.session_median, 0.001, 3600.0)
        _seconds("first-byte", self.first_byte, 0.0, 3600.0)
        load = ForeignLoad.parse(self.foreign)
        if load.sessions > self.cap:
            raise ValueError(
                f"foreign {self.foreign!r} has {load.sessions} sessions, at most the hard cap {self.cap} fit"
            )
        if self.feed not in FEEDS:
            raise ValueError(f"feed must be one of {', '.join(FEEDS)}, not {self.feed!r}")
        for fault in self.usage_faults:
            UsageFault.parse(fault)
        if self.api_key_env is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.api_key_env):
            # Not echoed: whoever put the key itself here should not find it in a log.
            raise ValueError("api-key-env must be the name of an environment variable (letters, digits, _)")
        _whole("port", self.port, 0, 65_535)
        if self.seed is not None:
            _whole("seed", self.seed, 0, 2**64 - 1)

    @property
    def cap(self) -> int:
        """The hard cap in force: sessions counted at which a start is refused."""
        return self.limit if self.hard_cap is None else self.hard_cap

    def to_arguments(self) -> list[str]:
        """Give the command line options that describe these settings."""
        arguments: list[str] = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "usage_faults":
                arguments += [f"--usage-fault={fault}" for fault in value]
            elif value is not None:
                arguments.append(f"--{field.name.replace('_', '-')}={value}")
        return arguments


def _whole(name: str, value: int, low: int, high: int, *, low_is: str | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        bottom = f"{low} ({low_is})" if low_is else str(low)
        raise ValueError(f"{name} must be a whole number from {bottom} to {high}, not {value!r}")


def _seconds(name: str, value: float, low: float, high: float) -> None:
    _number(name, value, low, high, "seconds")


def _number(name: str, value: float, low: float, high: float, kind: str) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{name} must be {kind} from {low:g} to {high:g}, not {value!r}")
