"""The poller's loop: asks the source when the policy says so, and writes what the policy makes of it."""

from __future__ import annotations

import logging
import math
import random
import time
from typing import TYPE_CHECKING

from shmlimit import _core
from shmlimit.poller import policy
from shmlimit.poller.follow import follow
from shmlimit.poller.manners import manners_of
from shmlimit.usage import UpstreamBlocked, Usage, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shmlimit.usage import UsageSource

_log = logging.getLogger("shmlimit.poller")

IDLE_AFTER = 30.0
# A poller that was started on demand and has never had an answer ends after so many failures, about 25 s: the next
# one is started by another waiter, with that one's environment and key.
TRIES = 6
_LOOK_AFTER = 5.0
_REASON_MAX = 200
# A source that was left alone for longer has to connect again, which takes several round trips.
_CONNECTED_FOR = 2.0
_GATE_COUNT_MAX = _core.NO_READING - 1


class Loop:
    """Polls for one segment, for as long as somebody uses it.

    Args:
        attachment: This process's attachment, elected.
        source: What to ask.
        is_named: Whether the segment still has its name.
        save: Saves what must outlive the segment.
        idle_after: Seconds without any other participant after which it ends.
        tries: Failures after which it ends if there was no good poll before; None: it never does.
    """

    def __init__(
        self,
        attachment: _core.Attachment,
        source: UsageSource,
        is_named: Callable[[], bool],
        save: Callable[[], object],
        *,
        idle_after: float = IDLE_AFTER,
        tries: int | None = None,
    ) -> None:
        self._attachment = attachment
        self._source = source
        self._is_named = is_named
        self._save = save
        self._idle_after = idle_after
        self._tries = tries
        self._rule = "one-per-poll" if attachment.flags() & _core.ONE_PER_POLL else "upstream"
        self._manners = manners_of(source)
        # When the last poll was sent. The last poller's counts too, or a min_interval of minutes would end with it.
        last_t0_us = attachment.snapshot()[0]["sample_t0_us"]
        self._last_t0: float | None = last_t0_us / 1e6 if last_t0_us else None
        self._has_answered = False
        self._foreign = 0.0
        self._failures = 0
        self._not_before = 0.0
        # The longest pause that a block was the reason for, as it is written; 0: none.
        self._block_us = 0

    def run(self) -> None:
        """Poll until nobody has been attached for idle_after, the segment lost its name, or the tries are used up."""
        self._attachment.set_lag(round(self._manners.settle * 1e6), round(self._manners.stale_after * 1e6))
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
                if alone_since is not None and census.t0 - alone_since >= self._idle_after:
                    return
                self._attachment.reap()
            if self._attachment.flags() & _core.RETIRED:
                return
            due = policy.next_poll(self._rule, census, self._last_t0, self._manners.min_interval)
            if due is not None:
                due = max(due, self._not_before)
                if due <= census.t0:
                    if self._failures == self._tries and not self._has_answered:
                        return
                    self._poll(census)
                    self._pace(census.t0)
                    continue
            until = look_at if due is None else min(due, look_at)
            self._attachment.poller_sleep(raw["bell"], math.ceil(until * 1e6))

    def _census(self, raw: dict[str, int]) -> policy.Census:
        return policy.Census(
            t0=raw["now_us"] / 1e6,
            visible_weight=raw["visible_milli"] / 1000,
            visible_count=raw["visible_count"],
            held_count=raw["held_count"],
            waiters=raw["waiters"],
            # A sample's time is kept in whole milliseconds, cut off: an earlier one would not confirm the slot.
            cooled_at=-(-raw["cool_us"] // 1000) / 1000 if raw["cool_us"] else None,
            foreign=self._foreign,
        )

    def _pace(self, t0: float) -> None:
        # Connecting delays the request and not the next one, so they would arrive within min_interval.
        connected = self._last_t0 is not None and t0 - self._last_t0 < _CONNECTED_FOR
        self._last_t0 = t0 if connected else _core.now()

    def _poll(self, census: policy.Census) -> None:
        try:
            usage: object = self._source.get_usage()
        except UpstreamBlocked as block:
            self._pause(policy.pause_of_block(block.blocked_until, time.time()))
            self._fail(census, str(block), block.retry_after)
        except UsageError as error:
            self._fail(census, str(error), error.retry_after)
        except Exception as error:  # noqa: BLE001  (a source's own error is no information, whatever it is)
            self._fail(census, f"{type(error).__name__}: {error}", None)
        else:
            if isinstance(usage, Usage):
                self._apply(census, usage)
            else:
                found = "no information" if usage is None else f"{type(usage).__name__}, expected Usage or None"
                self._fail(census, f"the source returned {found}", None)

    def _apply(self, census: policy.Census, usage: Usage) -> None:
        decision = policy.decide(self._rule, usage, census, self._manners.counts, time.time())
        if decision.pause:
            self._pause(decision.pause)
        else:
            self._end_pause()
        if decision.gate_count is None or decision.count is None:
            self._fail(census, f"the count {usage.concurrent_sessions!r:.40} is not a number of sessions", None)
            return
        self._has_answered = True
        self._failures = 0
        self._not_before = 0.0
        self._foreign = decision.gate_count
        gate_count_milli = min(round(decision.gate_count * 1000), _GATE_COUNT_MAX)
        self._attachment.write_sample(gate_count_milli, round(census.t0 * 1e6), round(decision.count * 1000))
        # After the sample: a higher limit must not be filled on what was known of others before.
        self._follow(policy.told_limit(usage.limit))

    def _follow(self, told: int | None) -> None:
        if follow(self._attachment, told):
            self._save()

    def _fail(self, census: policy.Census, reason: str, retry_after: object) -> None:
        self._failures += 1
        self._foreign = 0.0
        wait = policy.backoff(self._failures, retry_after, random.random())  # noqa: S311  (no secret)
        self._not_before = _core.now() + wait
        reason = one_line(reason)
        if self._failures == 1:
            _log.warning("no information: %s; until there is, %s", reason, self._without())
        self._attachment.write_failure(round(census.t0 * 1e6), reason)
        self._follow(None)

    def _without(self) -> str:
        closed = self._attachment.flags() & _core.CLOSED_ON_STALE
        return "nobody is admitted" if closed else "the cooldown alone decides"

    def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            return
        now = _core.now()
        # Each poll tells of the same block again; only its beginning is news.
        if now >= self._block_us / 1e6:
            _log.warning("the upstream serves nothing for another %.0f s: paused", seconds)
        until_us = round((now + seconds) * 1e6)
        self._block_us = max(self._block_us, until_us)
        self._attachment.pause(until_us, extend_only=True)

    def _end_pause(self) -> None:
        """The upstream serves again: the pause ends, unless a person or a 429 has set another one since."""
        if self._block_us > _core.now() * 1e6:
            _log.warning("the upstream serves again before it said: no longer paused")
            self._attachment.end_pause(self._block_us)
        self._block_us = 0


def one_line(text: str) -> str:
    """Text from outside, fit for one line of a log or terminal."""
    return "".join(character if character.isprintable() else "?" for character in text[:_REASON_MAX])
