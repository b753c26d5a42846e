"""The loop alone, over a segment and a clock that the test moves: exactly when it polls, and what it writes."""

from __future__ import annotations

import itertools
import logging
import math
import random
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from shmlimit import _core
from shmlimit.poller import loop, policy
from shmlimit.poller.loop import Loop
from shmlimit.usage import UpstreamBlocked, Usage, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

START = 1000.0


class Segment:
    """Stands for the attachment: slots as counts, a clock that only sleeping (and a slow source) moves."""

    def __init__(self) -> None:
        self.clock = START
        self.held = self.visible = self.waiters = 0
        self.cool_until = 0.0
        self.others = [1]
        self.last_sample_us = 0
        self.set_flags = 0
        self.bell = 0
        self.script: list[tuple[float, Callable[[], object]]] = []
        self.samples: list[tuple[float, int, int]] = []
        self.failures: list[tuple[float, str]] = []
        self.pauses: list[float] = []
        self.ended_pauses: list[float] = []
        self.reaped = 0
        self.configured = 1
        self.told: list[tuple[int, int, int]] = []
        self.saved = 0
        self.lag: tuple[float, float] | None = None
        self.is_retired = False

    def at(self, seconds: float, change: Callable[[], object]) -> None:
        """At that time after the start, something happens and the bell rings."""
        self.script.append((START + seconds, change))
        self.script.sort(key=lambda item: item[0])

    def census(self) -> dict[str, int]:
        while self.script and self.script[0][0] <= self.clock:
            self._happen()
        return {
            "now_us": round(self.clock * 1e6),
            "visible_milli": self.visible * 500,
            "visible_count": self.visible,
            "held_count": self.held,
            "waiters": self.waiters,
            "cool_us": round(self.cool_until * 1e6),
            "bell": self.bell,
        }

    def poller_sleep(self, bell: int, deadline_us: int) -> None:
        assert bell == self.bell, "a change since the census must not be slept over"
        end = deadline_us / 1e6
        assert end > self.clock, "a sleep that is over already would spin"
        if self.script and self.script[0][0] <= end:
            self.clock = self.script[0][0]
            self._happen()
        else:
            self.clock = end

    def _happen(self) -> None:
        _, change = self.script.pop(0)
        change()
        self.bell += 1

    def set_lag(self, settle_us: int, stale_after_us: int) -> None:
        self.lag = (settle_us / 1e6, stale_after_us / 1e6)

    def write_sample(self, gate_count_milli: int, t0_us: int, count_milli: int) -> bool:
        self.samples.append((round(t0_us / 1e6 - START, 3), gate_count_milli, count_milli))
        if t0_us // 1000 * 1000 >= round(self.cool_until * 1e6):
            self.cool_until = 0.0
        return True

    def write_failure(self, t0_us: int, reason: str) -> bool:
        self.failures.append((round(t0_us / 1e6 - START, 3), reason))
        return True

    def pause(self, until_us: int, *, extend_only: bool) -> None:
        assert extend_only, "a person's longer pause must stand"
        self.pauses.append(round(until_us / 1e6 - START, 2))

    def save(self) -> None:
        self.saved += 1

    def follow_limit(self, told: int) -> bool:
        has_changed = self.configured != told
        self.configured = told
        self.told.append((len(self.samples), len(self.failures), told))
        return has_changed

    def end_pause(self, until_us: int) -> None:
        self.ended_pauses.append(round(until_us / 1e6 - START, 2))

    def snapshot(self) -> tuple[dict[str, Any], list[Any]]:
        return {"sample_t0_us": self.last_sample_us, "configured": self.configured, "limit": self.configured}, []

    def flags(self) -> int:
        return self.set_flags

    def living(self) -> list[int]:
        return self.others

    def reap(self) -> int:
        self.reaped += 1
        return 0

    def retire(self) -> None:
        self.is_retired = True


class Source:
    """Says what the test set, and takes as long."""

    def __init__(
        self, segment: Segment, says: object = None, *, takes: float = 0.01, min_interval: float = 0.15
    ) -> None:
        self.segment = segment
        self.says: object = Usage(0) if says is None else says
        self.takes = takes
        self.min_interval = min_interval
        self.counts = "requests"
        self.asked: list[float] = []

    def get_usage(self) -> Any:
        self.asked.append(round(self.segment.clock - START, 3))
        self.segment.clock += self.takes
        says = self.says(self.segment.clock - START) if callable(self.says) else self.says
        if isinstance(says, BaseException):
            raise says
        return says


@pytest.fixture
def segment(monkeypatch: pytest.MonkeyPatch) -> Segment:
    one = Segment()

    class Core:
        NO_READING = _core.NO_READING
        ONE_PER_POLL = _core.ONE_PER_POLL
        CLOSED_ON_STALE = _core.CLOSED_ON_STALE
        RETIRED = _core.RETIRED

        @staticmethod
        def now() -> float:
            return one.clock

    monkeypatch.setattr(loop, "_core", Core)
    monkeypatch.setattr(random, "random", lambda: 0.5)
    return one


def run(segment: Segment, source: Source, seconds: float, **options: Any) -> Loop:
    """Run the loop until that long after the start, when the segment loses its name."""
    end = START + seconds
    if not any(at == end for at, _ in segment.script):
        segment.at(seconds, lambda: setattr(segment, "set_flags", segment.set_flags | _core.RETIRED))
    one = Loop(cast("_core.Attachment", segment), source, lambda: True, segment.save, **options)
    one.run()
    return one


def gaps(times: list[float]) -> list[float]:
    return [round(later - earlier, 3) for earlier, later in itertools.pairwise(times)]


def test_before_the_first_poll_it_writes_how_far_the_count_lags(segment: Segment) -> None:
    segment.held = 1
    source = Source(segment, lambda _: Usage(0) if segment.lag == (2.5, 20.0) else pytest.fail("asked before"))
    source.settle, source.stale_after = 2.5, 20.0  # type: ignore[attr-defined]
    run(segment, source, 5.0)
    assert source.asked


def test_what_a_source_does_not_say_has_its_default_and_a_rarely_asked_one_does_not_go_stale(segment: Segment) -> None:
    run(segment, Source(segment), 1.0)
    assert segment.lag == (1.0, 15.0)
    run(segment, Source(segment, min_interval=30.0), 1.0)
    assert segment.lag == (1.0, 90.0)


@pytest.mark.parametrize(
    ("name", "value"), [("settle", -1), ("settle", "2"), ("stale_after", 0), ("min_interval", True), ("counts", "all")]
)
def test_manners_that_make_no_sense_are_refused(segment: Segment, name: str, value: object) -> None:
    source = Source(segment)
    setattr(source, name, value)
    with pytest.raises((TypeError, ValueError), match=f"^{name} is {value!r}"):
        run(segment, source, 1.0)


def test_an_unused_limiter_is_never_polled(segment: Segment) -> None:
    source = Source(segment)
    run(segment, source, 29.0)
    assert source.asked == []


def test_a_limiter_whose_permits_are_only_cooling_is_not_polled(segment: Segment) -> None:
    segment.cool_until = START + 0.35
    source = Source(segment)
    run(segment, source, 29.0)
    assert source.asked == []


def test_while_permits_are_only_held_it_is_polled_every_ten_seconds(segment: Segment) -> None:
    segment.held = 4
    source = Source(segment, Usage(9))
    run(segment, source, 45.0)
    assert source.asked == [0.0, 10.01, 20.02, 30.03, 40.04]


def test_with_a_waiter_and_nothing_to_gain_it_is_polled_every_second(segment: Segment) -> None:
    segment.held, segment.waiters, segment.visible = 4, 1, 4
    source = Source(segment, Usage(4))
    run(segment, source, 4.5)
    assert gaps(source.asked) == [1.01, 1.0, 1.0, 1.0]


def test_while_foreign_sessions_may_keep_a_waiter_out_it_is_polled_every_min_interval(segment: Segment) -> None:
    segment.waiters = 1
    source = Source(segment, Usage(4), min_interval=0.2)
    run(segment, source, 10.0)
    assert set(gaps(source.asked)[1:]) == {0.2}
    assert len(source.asked) == 50


def test_a_waiter_that_comes_after_a_quiet_time_is_answered_at_once(segment: Segment) -> None:
    segment.held = 4
    segment.at(3.0, lambda: setattr(segment, "waiters", 1))
    source = Source(segment)
    run(segment, source, 3.5)
    assert source.asked == [0.0, 3.0]


def test_one_per_poll_is_polled_every_min_interval_also_while_the_upstream_is_empty(segment: Segment) -> None:
    segment.set_flags = _core.ONE_PER_POLL
    segment.waiters = 3
    source = Source(segment, Usage(0))
    run(segment, source, 3.0)
    assert set(gaps(source.asked)[1:]) == {0.15}


def test_a_released_slot_is_confirmed_by_one_sample_right_after_its_cooldown(segment: Segment) -> None:
    segment.held, segment.waiters = 4, 1
    segment.at(0.5, lambda: setattr(segment, "cool_until", START + 0.850123))
    source = Source(segment)
    run(segment, source, 1.5)
    # In the next whole millisecond: a sample's time is kept without its fraction.
    assert source.asked == [0.0, 0.851]


def test_a_poll_that_took_long_to_connect_is_followed_only_min_interval_after_its_end(segment: Segment) -> None:
    segment.waiters = 1
    source = Source(segment, Usage(4), takes=0.4)
    run(segment, source, 2.0)
    assert source.asked[:3] == [0.0, 0.55, 0.95]


@pytest.mark.parametrize("min_interval", [0.0, 0.05, 2.0, 30.0])
def test_no_two_polls_begin_within_min_interval(segment: Segment, min_interval: float) -> None:
    segment.waiters = 1
    segment.at(1.0, lambda: setattr(segment, "cool_until", START + 1.1))
    segment.at(5.0, lambda: setattr(segment, "held", 2))
    segment.at(6.0, lambda: setattr(segment, "waiters", 0))
    segment.at(40.0, lambda: setattr(segment, "waiters", 1))
    source = Source(segment, lambda now: Usage(now % 2 < 1), min_interval=min_interval)
    run(segment, source, 100.0)
    assert len(source.asked) > 3
    assert min(gaps(source.asked)) >= min_interval


def test_the_last_pollers_last_poll_counts_for_min_interval(segment: Segment) -> None:
    segment.waiters = 1
    segment.last_sample_us = round((START - 2.0) * 1e6)
    source = Source(segment, min_interval=30.0)
    run(segment, source, 29.0)
    assert source.asked == [28.0]


def test_what_a_sample_says_is_written_with_the_time_before_the_request(segment: Segment) -> None:
    segment.waiters, segment.held, segment.visible = 1, 3, 2
    run(segment, Source(segment, Usage(3.9), takes=0.3), 0.4)
    assert segment.samples == [(0.0, 1000, 3900)]
    assert segment.failures == []


def test_an_upstream_that_counts_weight_is_compared_with_weights(segment: Segment) -> None:
    segment.waiters, segment.held, segment.visible = 1, 2, 2
    source = Source(segment, Usage(1.75))
    source.counts = "weight"
    run(segment, source, 0.1)
    assert segment.samples[0] == (0.0, 750, 1750)


@pytest.mark.parametrize("count", [2**24, 1e12, 2**53])
def test_a_huge_count_is_full_and_never_mistaken_for_no_reading(segment: Segment, count: float) -> None:
    segment.waiters = 1
    run(segment, Source(segment, Usage(count)), 0.1)
    assert segment.samples[0] == (0.0, _core.NO_READING - 1, round(count * 1000))


FAILURES: list[tuple[object, str]] = [
    (UsageError("HTTP 500"), "HTTP 500"),
    (OSError("\x1b[31mline\nbreak \udcff"), "OSError: ?[31mline?break ?"),
    (KeyError("x" * 10_000), "KeyError: 'xxx"),
    (lambda now: None, "the source returned no information"),
    (lambda now: 3, "the source returned int, expected Usage or None"),
    (Usage(cast("float", "3")), "the count '3' is not a number of sessions"),
    (Usage(True), "the count True is not a number of sessions"),
    (Usage(math.nan), "the count nan is not a number of sessions"),
    (Usage(-1), "the count -1 is not a number of sessions"),
    (Usage(10**400), "is not a number of sessions"),
    (UsageError("odd", retry_after=cast("float", "soon")), "odd"),
    (UpstreamBlocked("odd", blocked_until=cast("float", "soon")), "odd"),
]


@pytest.mark.parametrize(("says", "reason"), FAILURES, ids=[reason for _, reason in FAILURES])
def test_a_poll_without_information_is_written_as_that_in_one_line_and_polling_goes_on(
    segment: Segment, says: object, reason: str
) -> None:
    segment.waiters = 1
    source = Source(segment, lambda now: Usage(0) if now > 2.0 else says(now) if callable(says) else says)
    run(segment, source, 4.0)
    at, written = segment.failures[0]
    assert at == 0.0
    assert reason in written
    assert written.isprintable()
    assert len(written) <= 200
    assert segment.samples, "it recovered"


def test_failures_are_spaced_out_to_ten_seconds_and_a_success_ends_that(segment: Segment) -> None:
    segment.waiters = 1
    source = Source(segment)
    source.says = lambda now: Usage(0) if len(source.asked) == 9 else UsageError("down")
    run(segment, source, 60.0)
    # A waiter is worth one poll a second, so that the first backoff of half a second does not show.
    assert gaps(source.asked)[:10] == [1.01, 1.01, 2.01, 4.01, 8.01, 10.01, 10.01, 10.01, 1.01, 1.0]


@pytest.mark.parametrize("error", [UsageError("busy", retry_after=20), UpstreamBlocked("busy", retry_after=20)])
def test_the_upstreams_retry_after_is_kept_to_whatever_the_bell_says(segment: Segment, error: UsageError) -> None:
    segment.waiters = 1
    for second in range(1, 30):
        segment.at(second, lambda: None)
    source = Source(segment, error)
    run(segment, source, 30.5)
    assert source.asked == [0.0, 20.01]


def test_a_failure_forgets_the_foreign_sessions_of_the_sample_before(segment: Segment) -> None:
    segment.waiters = 1
    source = Source(segment, lambda now: Usage(4) if now < 0.1 else UsageError("down"))
    run(segment, source, 1.5)
    assert source.asked == [0.0, 0.16, 1.16]


def test_a_block_pauses_again_at_each_poll_and_is_logged_once(
    segment: Segment, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: segment.clock + 1e9)
    segment.waiters = 1
    source = Source(segment, Usage(0, blocked_until=START + 1e9 + 50))
    with caplog.at_level(logging.WARNING):
        run(segment, source, 20.0)
    assert set(segment.pauses) == {50.0}
    assert len(segment.pauses) == len(source.asked) > 10
    assert [record.getMessage() for record in caplog.records] == [
        "the upstream serves nothing for another 50 s: paused"
    ]


@pytest.mark.parametrize("block", [Usage(0, blocked_until=START + 1e9 + 50), UpstreamBlocked("HTTP 403")])
def test_a_block_that_is_lifted_early_ends_the_pause_that_it_was(
    segment: Segment, monkeypatch: pytest.MonkeyPatch, block: object
) -> None:
    monkeypatch.setattr(time, "time", lambda: segment.clock + 1e9)
    segment.waiters = 1
    run(segment, Source(segment, lambda now: block if now < 2 else Usage(0)), 20.0)
    assert len(segment.pauses) > 1
    assert segment.ended_pauses == [max(segment.pauses)]


def test_no_information_ends_no_pause(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: segment.clock + 1e9)
    segment.waiters = 1
    source = Source(segment, lambda now: Usage(0, blocked_until=1e12) if now < 2 else UsageError("down"))
    run(segment, source, 20.0)
    assert segment.pauses
    assert segment.ended_pauses == []


def test_a_block_that_has_ended_when_it_was_to_ends_no_pause(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: segment.clock + 1e9)
    segment.waiters = 1
    run(segment, Source(segment, Usage(0, blocked_until=START + 1e9 + 2)), 20.0)
    assert segment.pauses
    assert segment.ended_pauses == [], "whatever pauses now is another's"


def test_a_refused_account_pauses_and_is_a_failed_poll(segment: Segment) -> None:
    segment.waiters = 1
    run(segment, Source(segment, UpstreamBlocked("blocked (HTTP 403)")), 0.2)
    assert segment.pauses == [0.01 + policy.BLOCKED_WITHOUT_END]
    assert segment.failures == [(0.0, "blocked (HTTP 403)")]
    assert segment.samples == []


@pytest.mark.parametrize(
    ("flags", "without"), [(0, "the cooldown alone decides"), (_core.CLOSED_ON_STALE, "nobody is admitted")]
)
def test_a_run_of_failures_is_logged_once_with_what_it_means(
    segment: Segment, caplog: pytest.LogCaptureFixture, flags: int, without: str
) -> None:
    segment.set_flags = flags
    segment.waiters = 1
    with caplog.at_level(logging.WARNING):
        run(segment, Source(segment, UsageError("HTTP 500")), 20.0)
    assert [record.getMessage() for record in caplog.records] == [
        f"no information: HTTP 500; until there is, {without}"
    ]


def test_it_ends_when_nobody_else_has_been_attached_for_thirty_seconds(segment: Segment) -> None:
    segment.others = []
    Loop(cast("_core.Attachment", segment), Source(segment), lambda: True, segment.save).run()
    assert segment.clock - START == 30.0
    assert not segment.is_retired


def test_somebody_who_attaches_meanwhile_makes_it_stay(segment: Segment) -> None:
    segment.others = []
    segment.at(22.0, lambda: setattr(segment, "others", [7]))
    segment.at(41.0, lambda: setattr(segment, "others", []))
    Loop(cast("_core.Attachment", segment), Source(segment), lambda: True, segment.save).run()
    assert 41.0 + 30.0 <= segment.clock - START <= 41.0 + 35.0


def test_idle_after_can_be_chosen(segment: Segment) -> None:
    segment.others = []
    Loop(cast("_core.Attachment", segment), Source(segment), lambda: True, segment.save, idle_after=5.0).run()
    assert segment.clock - START == 5.0


def test_it_retires_a_segment_that_has_lost_its_name_and_ends(segment: Segment) -> None:
    segment.waiters = 1
    Loop(cast("_core.Attachment", segment), Source(segment), lambda: segment.clock < START + 7, segment.save).run()
    assert segment.is_retired
    assert segment.clock - START <= 12.0


def test_it_takes_back_what_the_dead_hold_also_while_nobody_waits(segment: Segment) -> None:
    segment.held = 1
    run(segment, Source(segment), 29.0)
    assert segment.reaped >= 5


def test_one_started_on_demand_without_any_answer_ends_so_that_another_is_started(segment: Segment) -> None:
    segment.waiters = 1
    source = Source(segment, UsageError("the environment variable KEY is not set"))
    Loop(cast("_core.Attachment", segment), source, lambda: True, segment.save, tries=3).run()
    assert source.asked == [0.0, 1.01, 2.02]
    assert segment.clock >= START + 4.0, "not before the next poll was due, so that no waiter polls earlier"


def test_one_started_on_demand_that_had_an_answer_stays(segment: Segment) -> None:
    segment.waiters = 1
    source = Source(segment, lambda now: Usage(0) if now < 1 else UsageError("down"))
    run(segment, source, 100.0, tries=3)
    assert len(segment.failures) > 6


def test_one_started_by_hand_never_gives_up(segment: Segment) -> None:
    segment.waiters = 1
    run(segment, Source(segment, UsageError("down")), 100.0)
    assert len(segment.failures) > 6


def test_the_upstreams_limit_is_told_after_its_sample_and_saved_when_it_changes(segment: Segment) -> None:
    segment.waiters = 1
    run(segment, Source(segment, lambda now: Usage(0, limit=4.9 if now < 2.5 else 8)), 4.5)
    assert segment.told == [(1, 0, 4), (2, 0, 4), (3, 0, 4), (4, 0, 8), (5, 0, 8)]
    assert segment.saved == 2


@pytest.mark.parametrize("says", [Usage(0), Usage(0, limit=-1), Usage(-1, limit=4), UsageError("down")])
@pytest.mark.parametrize(("configured", "told"), [(4, []), (0, [1])])
def test_without_a_limit_the_last_one_stands_and_the_first_is_one(
    segment: Segment, says: object, configured: int, told: list[int]
) -> None:
    segment.waiters, segment.configured = 1, configured
    run(segment, Source(segment, says), 0.1)
    assert [limit for *_, limit in segment.told] == told
    assert segment.saved == len(told)
