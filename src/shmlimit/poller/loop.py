"""The poller's loop: asks the source when the policy says so, and writes into the segment what the policy makes of it."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING

from shmlimit import _core
from shmlimit.poller import policy
from shmlimit.usage import UpstreamBlocked, Usage, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shmlimit.usage import UsageSource

_log = logging.getLogger("shmlimit.poller")

IDLE_AFTER = 30.0
_LOOK_AFTER = 5.0
_GATE_COUNT_MAX = _core.NO_READING - 1


class Loop:
    """Polls for one segment, for as long as somebody uses it.

    Args:
        attachment: This process's attachment, elected.
        source: What to ask.
        is_named: Whether the segment still has its name.
    """

    def __init__(self, attachment: _core.Attachment, source: UsageSource, is_named: Callable[[], bool]) -> None:
        self._attachment = attachment
        self._source = source
        self._is_named = is_named
        self._rule = "one-per-poll" if attachment.flags() & _core.ONE_PER_POLL else "upstream"
        self._counts = str(getattr(source, "counts", "requests"))
        self._min_interval = float(getattr(source, "min_interval", 0.15))
        self._last_t0: float | None = None
        self._foreign = 0.0
        self._failures = 0
        self._not_before = 0.0

    def run(self) -> None:
        """Poll until nobody has been attached for 30 s, or the segment has lost its name."""
        alone_since: float | None = None
        look_at = 0.0
        while True:
            raw = self._attachment.census()
            census = self._census(raw)
            if census.t0 >= look_at:
                look_at = census.t0 + _LOOK_AFTER
                if not self._is_named():
                    self._attachment.retire()
                    return
                alone_since = None if self._attachment.living() else alone_since or census.t0
                if alone_since is not None and census.t0 - alone_since >= IDLE_AFTER:
                    return
                self._attachment.reap()
            if self._attachment.flags() & _core.RETIRED:
                return
            due = policy.next_poll(census, self._last_t0, self._min_interval)
            if due is not None:
                due = max(due, self._not_before)
                if due <= census.t0:
                    self._poll(census)
                    continue
            until = look_at if due is None else min(due, look_at)
            self._attachment.poller_sleep(raw["bell"], round(until * 1e6))

    def _census(self, raw: dict[str, int]) -> policy.Census:
        return policy.Census(
            t0=raw["now_us"] / 1e6,
            visible_weight=raw["visible_milli"] / 1000,
            visible_count=raw["visible_count"],
            held_count=raw["held_count"],
            waiters=raw["waiters"],
            cooled_at=raw["cool_us"] / 1e6 if raw["cool_us"] else None,
            foreign=self._foreign,
        )

    def _poll(self, census: policy.Census) -> None:
        self._last_t0 = census.t0
        try:
            usage = self._source.get_usage()
        except UpstreamBlocked as block:
            self._pause(policy.pause_of_block(block.blocked_until, time.time()))
            self._fail(census, str(block), block.retry_after)
        except UsageError as error:
            self._fail(census, str(error), error.retry_after)
        except Exception as error:  # noqa: BLE001  (a source's own error is no information, whatever it is)
            self._fail(census, f"{type(error).__name__}: {error}", None)
        else:
            self._apply(census, usage)

    def _apply(self, census: policy.Census, usage: Usage | None) -> None:
        decision = policy.decide(self._rule, usage, census, self._counts, time.time())
        self._pause(decision.pause)
        if usage is None:
            self._fail(census, "the source had no information", None)
        elif decision.gate_count is None:
            self._fail(census, f"the count {usage.concurrent_sessions!r} is not a number of sessions", None)
        else:
            self._failures = 0
            self._not_before = 0.0
            self._foreign = decision.gate_count
            gate_count_milli = min(round(decision.gate_count * 1000), _GATE_COUNT_MAX)
            count_milli = min(round(usage.concurrent_sessions * 1000), 2**63)
            self._attachment.write_sample(gate_count_milli, round(census.t0 * 1e6), count_milli)

    def _fail(self, census: policy.Census, reason: str, retry_after: float | None) -> None:
        self._failures += 1
        self._foreign = 0.0
        wait = policy.backoff(self._failures, retry_after, random.random())  # noqa: S311  (no secret)
        self._not_before = _core.now() + wait
        if self._failures == 1:
            _log.warning("no information: %s; the cooldown alone decides until the next good poll", reason)
        self._attachment.write_failure(round(census.t0 * 1e6), reason)

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            _log.warning("the upstream serves nothing for another %.0f s: paused", seconds)
            self._attachment.pause(round((_core.now() + seconds) * 1e6), extend_only=True)
