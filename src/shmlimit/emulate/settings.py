"""What an emulated upstream is like: plain values, as the command line takes them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

from shmlimit.emulate.answer_headers import FEEDS
from shmlimit.emulate.faults import UsageFault
from shmlimit.emulate.foreign import ForeignLoad
from shmlimit.emulate.retry_after import RetryAfter

if TYPE_CHECKING:
    from pathlib import Path

# A lag is clipped here; a median above it would be a constant in disguise.
LONGEST_LAG = 2.0
HIGHEST_LIMIT = 8_000
LISTS = frozenset({"limit_changes", "weights", "usage_faults"})
"""Settings of which there may be several: their options are in the singular."""


class LimitChange(NamedTuple):
    """The soft cap from a time on, in seconds since the first own session."""

    at: float
    limit: int

    @classmethod
    def parse(cls, text: str) -> LimitChange:
        """Read the text of one `--limit-change`, N@SECONDS, without blocking.

        Raises:
            ValueError: *text* is of another form.
        """
        limit, _, at = text.partition("@")
        try:
            change = cls(float(at), int(limit))
            if 0 <= change.at < math.inf and 1 <= change.limit <= HIGHEST_LIMIT:
                return change
        except ValueError:
            pass
        raise ValueError(f"limit-change must be N@SECONDS with N from 1 to {HIGHEST_LIMIT}, not {text!r}")


def model_weight(text: str) -> tuple[str, float]:
    """Read the text of one `--weight`, MODEL=WEIGHT, without blocking.

    Raises:
        ValueError: *text* is of another form.
    """
    model, equals, weight = text.rpartition("=")
    try:
        if equals and model and 0 < float(weight) <= 1000:
            return model, float(weight)
    except ValueError:
        pass
    raise ValueError(f"weight must be MODEL=WEIGHT with WEIGHT above 0 and at most 1000, not {text!r}")


def _window(text: str) -> tuple[float, float]:
    begin, _, end = text.partition("-")
    try:
        begins_at, ends_at = float(begin), float(end)
        if 0 <= begins_at < ends_at < math.inf:
            return begins_at, ends_at
    except ValueError:
        pass
    raise ValueError(f"box must be START-END in seconds since the first session, START before END, not {text!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorSettings:
    """One emulated account and its manners; durations are float seconds.

    Attributes:
        limit: Soft cap; above it the usage answer says `priority.low`.
        hard_cap: Sessions counted at which a start is refused with 429; None is *limit*.
        cap_error: Sessions that are enforced beyond the hard cap that is told; below 0: short of it.
        limit_changes: The soft cap from some times on, `N@SECONDS` after the first own session; without *hard_cap* the
            hard cap changes with it.
        queue_depth: Sessions above the cap that wait for room; 0 refuses them at once.
        queue_timeout: How long one waits before it is refused after all.
        end_lag: Median time an ended session stays in the enforced count, clipped to 2.0; 0 is at once.
        start_lag: Median time until a start is reported, clipped to 2.0; 0 is at once.
        report_lag: The report is up to this old; 0 is never old.
        refresh: The report is made anew only so often; 0 at each reading.
        noise: Probability that a report is one too high or too low.
        retry_after: Retry-After of a refusal: seconds, "none", "date", "date:SECONDS" or "absurd".
        edge: Probability that work gets a 429 from something before the upstream (cf-ray), which says nothing of it.
        busy: Probability that work gets a 429 although there is room.
        overload: Probability that work gets a 503; above 0 the service mode is low_interactivity.
        box_after: This many concurrency 429s are forgiven (the first one tells a deadline that is no stop), the next
            one boxes the account; 0 never does.
        box_seconds: How long a boxed account answers 403 everywhere.
        box: A time after the first own session in which it is boxed in any case, `START-END`; None is never.
        box_lag: How late all that shows in the usage answer.
        session_median: Median length of a session that does not name its own, clipped to ten times that.
        first_byte: Time until a session's first byte.
        abort: Probability that the upstream hangs up in the middle of an answer.
        phantom: How long a session whose client went away stays counted.
        keep_cancelled: Whether one that is not streamed stays counted to its natural end when its client goes.
        min_hold: How long each session counts at least.
        weights: What a session counts for in the weighted report, `MODEL=WEIGHT`; 1 for other models.
        foreign: Somebody else on the account: "none", "steady:K", "step:K:AT", "ramp:K:EVERY", "square:K:PERIOD",
            "bursts:K:EVERY".
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
    cap_error: int = 0
    limit_changes: tuple[str, ...] = ()
    queue_depth: int = 0
    queue_timeout: float = 30.0
    end_lag: float = 0.25
    start_lag: float = 0.0
    report_lag: float = 1.0
    refresh: float = 0.0
    noise: float = 0.0
    edge: float = 0.0
    busy: float = 0.0
    overload: float = 0.0
    retry_after: str = "1"
    box_after: int = 0
    box_seconds: float = 30.0
    box: str | None = None
    box_lag: float = 0.0
    session_median: float = 2.0
    first_byte: float = 0.05
    abort: float = 0.0
    phantom: float = 0.0
    keep_cancelled: bool = False
    min_hold: float = 0.0
    weights: tuple[str, ...] = ()
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
        _whole("cap-error", self.cap_error, -HIGHEST_LIMIT, HIGHEST_LIMIT)
        _whole("queue-depth", self.queue_depth, 0, 1_000_000)
        for change in self.limit_changes:
            LimitChange.parse(change)
        for weight in self.weights:
            model_weight(weight)
        for name in ("refresh", "box_lag", "phantom", "min_hold", "queue_timeout"):
            _seconds(name.replace("_", "-"), getattr(self, name), 0.0, 86_400.0)
        for name in ("noise", "edge", "busy", "overload", "abort"):
            _number(name, getattr(self, name), 0.0, 1.0, "a probability")
        if not isinstance(self.keep_cancelled, bool):
            raise ValueError(f"keep-cancelled must be true or false, not {self.keep_cancelled!r}")
        _ = self.box_window
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

    @property
    def box_window(self) -> tuple[float, float] | None:
        """The planned box in seconds since the first own session, or None."""
        return None if self.box is None else _window(self.box)

    def to_arguments(self) -> list[str]:
        """Give the command line options that describe these settings."""
        arguments: list[str] = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in LISTS:
                arguments += [f"--{field.name[:-1].replace('_', '-')}={one}" for one in value]
            elif isinstance(value, bool):
                arguments += [f"--{field.name.replace('_', '-')}"] * value
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
