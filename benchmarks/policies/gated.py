"""shmlimit in the laboratory: its core and its poller's policy, driven by virtual time as its processes drive them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shmlimit.poller import policy
from shmlimit.settings import MIN_INTERVAL, SETTLE
from shmlimit.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.policies.laboratory import Bench

_UNLIMITED = 1e18
_POLLER_STARTS = 0.25


class Gated:
    """The core, and a poller that asks the upstream.

    Args:
        bench: Where it works.
        rule: "upstream" or "one-per-poll"; None: nothing is asked, the cooldown alone decides.
        headroom: The limit is that much lower than the upstream's.
        cooldown: Seconds.
        settle: Seconds.
    """

    def __init__(
        self, bench: Bench, *, rule: str | None, headroom: int = 0, cooldown: float = 0.35, settle: float = SETTLE
    ) -> None:
        self._bench = bench
        self._timeline = bench.timeline
        self._core = bench.core
        self._rule = rule
        self._waiting: dict[int, Callable[[], None]] = {}
        self._look_at = _UNLIMITED
        self._bell = -1
        self._foreign = 0.0
        self._last_t0: float | None = None
        self._is_polling = False
        self._set_clock()
        self._core.begin(
            max(1, bench.scenario.limit - headroom),
            cooldown=cooldown,
            settle=settle,
            one_per_poll=rule == "one-per-poll",
            has_usage=rule is not None,
        )
        if rule is not None:
            self._timeline.after(_POLLER_STARTS, self._poll_if_due)

    def _set_clock(self) -> None:
        self._core.set_now(self._timeline.now)

    def arrive(self, user: int, go: Callable[[], None]) -> None:
        self._set_clock()
        if self._core.enter(user, self._timeline.now):
            go()
        else:
            self._waiting[user] = go
        self._settle()

    def leave(self, user: int, lasted: float) -> None:
        self._set_clock()
        self._core.release(user)
        self._settle()

    def refused(self, user: int) -> None:
        self.leave(user, 0.0)

    def close(self) -> None:
        self._core.end()

    def _settle(self) -> None:
        """What others do upon it: who is admitted goes, the first of the others looks, the poller hears its bell."""
        while self._waiting:
            admitted, earliest = self._core.look(self._waiting)
            if not admitted:
                if earliest < self._look_at or self._look_at <= self._timeline.now:
                    self._look_at = earliest
                    self._timeline.at(earliest, self._tick)
                break
            for user in admitted:
                self._waiting.pop(user)()
        if self._rule is not None:
            self._poll_if_due()

    def _tick(self) -> None:
        if self._timeline.now >= self._look_at:
            self._set_clock()
            self._settle()

    # ---- The poller.

    def _poll_if_due(self) -> None:
        if self._is_polling:
            return
        self._set_clock()
        assert self._rule is not None
        census, bell = self._core.census(self._foreign)
        due = policy.next_poll(self._rule, census, self._last_t0, MIN_INTERVAL)
        if due is None:
            return
        if due > self._timeline.now:
            if bell != self._bell:
                self._bell = bell
                self._timeline.at(due, self._poll_if_due)
            return
        self._is_polling = True
        self._last_t0 = census.t0
        half = self._bench.scenario.round_trip / 2
        self._timeline.after(half, lambda: self._read(census, half))

    def _read(self, census: policy.Census, half: float) -> None:
        usage = Usage(concurrent_sessions=self._bench.upstream.account.read().sessions)
        self._timeline.after(half, lambda: self._apply(census, usage))

    def _apply(self, census: policy.Census, usage: Usage) -> None:
        assert self._rule is not None
        self._set_clock()
        decision = policy.decide(self._rule, usage, census, "requests", 0.0)
        assert decision.gate_count is not None
        assert decision.count is not None
        self._foreign = decision.gate_count
        self._core.sample(decision.gate_count, census.t0, decision.count)
        self._is_polling = False
        self._bell = -1
        self._settle()
