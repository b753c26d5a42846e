"""What a limiter looks like at one moment, for people and programs."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from shmlimit import _core

if TYPE_CHECKING:
    from collections.abc import Mapping

BlockedBy = Literal["full", "cooling", "foreign", "paused", "stale"]
UsageState = Literal["live", "stale", "off", "failing"]
_FOR_EVER = 2**64 - 1


@dataclass(frozen=True)
class Holder:
    """A permit that is out. age: seconds since it was admitted."""

    pid: int
    program: str
    label: str | None
    weight: float
    age: float
    priority: int


@dataclass(frozen=True)
class Waiter:
    """A caller in the queue. age: seconds since it was queued; since: epoch seconds, what it is ordered by."""

    pid: int
    program: str
    label: str | None
    weight: float
    age: float
    priority: int
    since: float


@dataclass(frozen=True)
class UsageStatus:
    """What the upstream last said.

    count: its number in the last good poll (None: none yet); age: seconds since that poll began. state: `live`, the
    sample counts; `stale`, it is too old to count or there is none yet; `failing`, the last poll gave no information,
    for `reason`; `off`, no source is configured.
    """

    count: float | None
    age: float | None
    state: UsageState
    reason: str | None


@dataclass(frozen=True)
class Counters:
    """Statistics since the segment was created. self_heals: waits that a wake-up should have ended earlier."""

    granted: int
    queued_grants: int
    timeouts: int
    reaped: int
    watchdog: int
    rate_limited: int
    self_heals: int


@dataclass(frozen=True)
class Status:
    """One reading of a limiter. Weights in permits, durations in seconds, paused_until in epoch seconds.

    in_flight: held and cooling permits by weight. foreign: what of the upstream is not ours. available: what could be
    admitted now. limit: in force, None for an unlimited limiter; configured_limit: what a person set, or the upstream's
    own less headroom, which is None where a person sets it. paused_until None while paused: until resumed. blocked_by:
    why the first waiter waits, None if nobody waits or it is being admitted. poller: pid, None if none runs.
    """

    name: str
    limit: int | None
    configured_limit: int | None
    headroom: int | None
    in_flight: float
    held: int
    cooling: int
    queued: int
    foreign: float
    available: float | None
    paused: bool
    paused_until: float | None
    cooldown: float
    slot_timeout: float | None
    gate: str
    on_stale: str
    auto_reduced: bool
    auto_reduced_from: int | None
    notice: str | None
    usage: UsageStatus
    poller: int | None
    counters: Counters
    blocked_by: BlockedBy | None
    holders: tuple[Holder, ...]
    waiters: tuple[Waiter, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, numbers and text: valid JSON."""
        return asdict(self)


def unlimited_status(name: str) -> Status:
    """The status of a limiter that nobody has created."""
    return Status(
        name=name,
        limit=None,
        configured_limit=None,
        headroom=None,
        in_flight=0.0,
        held=0,
        cooling=0,
        queued=0,
        foreign=0.0,
        available=None,
        paused=False,
        paused_until=None,
        cooldown=0.0,
        slot_timeout=None,
        gate="upstream",
        on_stale="open",
        auto_reduced=False,
        auto_reduced_from=None,
        notice=None,
        usage=UsageStatus(None, None, "off", None),
        poller=None,
        counters=Counters(0, 0, 0, 0, 0, 0, 0),
        blocked_by=None,
        holders=(),
        waiters=(),
    )


def read_status(name: str, attachment: _core.Attachment) -> Status:
    """Read a segment, without blocking and without writing to it."""
    header, occupants = attachment.snapshot()
    paused = header["now_us"] < header["paused_until_us"]
    for_ever = header["paused_until_us"] == _FOR_EVER
    reduced = header["limit"] < header["configured"]
    return Status(
        name=name,
        limit=header["limit"],
        configured_limit=header["configured"],
        headroom=header["headroom"],
        in_flight=header["in_flight_milli"] / 1000,
        held=header["held"],
        cooling=header["cooling"],
        queued=header["queued"],
        foreign=header["foreign_milli"] / 1000,
        available=max(0, header["cap_milli"] - header["in_flight_milli"]) / 1000,
        paused=paused,
        paused_until=_epoch(header, header["paused_until_us"]) if paused and not for_ever else None,
        cooldown=header["cooldown_us"] / 1e6,
        slot_timeout=header["slot_timeout_us"] / 1e6 or None,
        gate="one-per-poll" if header["flags"] & _core.ONE_PER_POLL else "upstream",
        on_stale="closed" if header["flags"] & _core.CLOSED_ON_STALE else "open",
        auto_reduced=reduced,
        auto_reduced_from=header["configured"] if reduced else None,
        notice=_notice(name, header) if reduced else None,
        usage=_usage(attachment, header),
        poller=header["poller_pid"] or None,
        counters=Counters(**{field: header[field] for field in Counters.__dataclass_fields__}),
        blocked_by=header["blocked_by"],
        holders=tuple(_holder(header, one) for one in occupants if not one["waiting"]),
        waiters=tuple(_waiter(header, one) for one in occupants if one["waiting"]),
    )


def _epoch(header: Mapping[str, Any], host_us: int) -> float:
    return time.time() + float(host_us - header["now_us"]) / 1e6


def _age(header: Mapping[str, Any], host_us: int) -> float:
    return max(0.0, (header["now_us"] - host_us) / 1e6) if host_us else 0.0


def _notice(name: str, header: Mapping[str, Any]) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(_epoch(header, header["reduced_at_us"])))
    return (
        f"limit lowered from {header['configured']} to {header['limit']} after a 429 ({when}); "
        f"`shmlimit reset {name}` or setting the limit restores it"
    )


def _usage(attachment: _core.Attachment, header: Mapping[str, Any]) -> UsageStatus:
    configured = bool(header["flags"] & _core.HAS_USAGE)
    polled = header["count_at_us"] or header["polled_at_us"]
    count = header["count_milli"] / 1000 if header["count_at_us"] else None
    age = _age(header, header["count_at_us"]) if header["count_at_us"] else None
    reason = header["reason"] or None
    state: UsageState
    if header["sample_fresh"]:
        state, reason = "live", None
    elif reason is not None and (configured or header["poller_pid"]):
        state = "failing"
    elif configured or polled:
        state = "stale"
        reason = (
            "no poll yet: the first waiter starts one"
            if not polled
            else f"the last sample is older than {header['stale_after_us'] / 1e6:g} s"
        )
    else:
        state = "off"
    return UsageStatus(count, age, state, reason)


def _holder(header: Mapping[str, Any], one: Mapping[str, Any]) -> Holder:
    return Holder(
        pid=one["pid"],
        program=one["program"],
        label=one["label"],
        weight=one["weight_milli"] / 1000,
        age=_age(header, one["since_us"]),
        priority=one["priority"],
    )


def _waiter(header: Mapping[str, Any], one: Mapping[str, Any]) -> Waiter:
    return Waiter(
        pid=one["pid"],
        program=one["program"],
        label=one["label"],
        weight=one["weight_milli"] / 1000,
        age=_age(header, one["since_us"]),
        priority=one["priority"],
        since=one["since_ns"] / 1e9,
    )


def to_json(value: object) -> str:
    """Valid JSON on one line, in ASCII: labels may hold what a terminal obeys. A number that JSON lacks is null."""
    return json.dumps(_finite(value))


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value
