from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest

from shmlimit.emulate import EmulatorSettings
from shmlimit.emulate.account import Account, Refusal, Session
from shmlimit.emulate.penalty import Shown


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Scene:
    """An account with a clock to move, its truth records and the leave times it asked to be woken at."""

    def __init__(self, seed: int = 1, **settings: Any) -> None:
        self.clock = Clock()
        self.records: list[dict[str, Any]] = []
        self.leaves_due: list[float] = []
        self.account = Account(
            EmulatorSettings(**settings),
            clock=self.clock,
            random=Random(seed),
            wall_clock=lambda: 1_700_000_000.0 + self.clock.now,
            record=self.records.append,
            on_leave_due=self.leaves_due.append,
        )

    def start(self, *, own: bool = True) -> Session:
        session = self.account.start(own=own)
        assert isinstance(session, Session)
        return session

    def refuse(self, *, own: bool = True) -> Refusal:
        refusal = self.account.start(own=own)
        assert isinstance(refusal, Refusal)
        return refusal

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["event"] == kind]


def test_a_start_is_counted_at_once_and_refused_at_the_hard_cap() -> None:
    scene = Scene(limit=2)
    scene.start()
    scene.start()
    assert scene.account.working == scene.account.counted == 2
    assert scene.refuse() == Refusal(429, 2)
    assert scene.account.counted == 2


def test_a_hard_cap_above_the_limit_admits_up_to_it() -> None:
    scene = Scene(limit=1, hard_cap=2)
    scene.start()
    scene.start()
    assert scene.refuse().status == 429


def test_an_ended_session_stays_counted_until_its_end_lag_has_passed() -> None:
    scene = Scene(limit=1, end_lag=0.25)
    session = scene.start()
    scene.clock.now += 5
    scene.account.end(session, "completed")
    assert (scene.account.working, scene.account.counted) == (0, 1)
    scene.refuse()
    assert scene.leaves_due == [session.leaves_at]
    scene.clock.now = math.nextafter(session.leaves_at, 0)
    scene.refuse()
    scene.clock.now = session.leaves_at
    scene.start()


def test_end_lags_have_the_asked_median_and_never_pass_two_seconds() -> None:
    scene = Scene(limit=8000, end_lag=1.0)
    lags = []
    for _ in range(4000):
        session = scene.start()
        scene.account.end(session, "completed")
        lags.append(session.leaves_at - scene.clock.now)
        scene.clock.now += 1
    lags.sort()
    assert 0.95 < lags[2000] < 1.05
    assert lags[0] > 0
    assert max(lags) == pytest.approx(2.0)
    assert len(set(lags)) > 1000


def test_without_an_end_lag_a_session_leaves_the_count_as_it_ends() -> None:
    scene = Scene(end_lag=0)
    scene.account.end(scene.start(), "completed")
    assert scene.account.counted == 0
    assert [record["event"] for record in scene.records] == ["begin", "start", "end", "leave"]
    assert scene.leaves_due == []


def test_ending_a_session_twice_changes_nothing() -> None:
    scene = Scene()
    session = scene.start()
    scene.account.end(session, "aborted")
    scene.clock.now += 10
    scene.account.settle()
    before = list(scene.records)
    scene.account.end(session, "completed")
    assert scene.records == before
    assert (scene.account.aborted, scene.account.completed, scene.account.counted) == (1, 0, 0)


def test_a_leave_is_logged_at_its_own_time_however_late_it_is_noticed() -> None:
    scene = Scene()
    session = scene.start()
    scene.account.end(session, "completed")
    scene.clock.now += 100
    scene.start()
    (leave,) = scene.events("leave")
    assert leave["t"] == session.leaves_at < scene.clock.now
    assert (leave["working"], leave["counted"]) == (0, 0)
    times = [record["t"] for record in scene.records]
    assert times == sorted(times)


def test_without_a_report_lag_the_report_is_the_count() -> None:
    scene = Scene(report_lag=0, end_lag=0.5)
    session = scene.start()
    assert scene.account.read().sessions == 1
    scene.account.end(session, "completed")
    assert scene.account.read().sessions == 1
    scene.clock.now = session.leaves_at
    assert scene.account.read().sessions == 0


def test_a_report_is_the_count_of_an_instant_at_most_the_report_lag_ago_and_never_goes_back() -> None:
    scene = Scene(limit=1, end_lag=0, report_lag=10.0)
    counts = {}
    open_session: Session | None = None
    readings = []
    # The count is 0 and 1 in turn; the instant a reading shows is found again from the random draws.
    draws = Random(1)
    instant = -math.inf
    for step in range(400):
        scene.clock.now += 1
        if open_session is None:
            open_session = scene.start()
        else:
            scene.account.end(open_session, "completed")
            open_session = None
        counts[scene.clock.now] = scene.account.counted
        now = scene.clock.now
        instant = max(instant, now - draws.uniform(0, 10.0))
        draws.random()
        expected = counts.get(float(math.floor(instant)), 0)
        readings.append(scene.account.read().sessions)
        assert readings[-1] == expected, step
    assert 0 < sum(readings) < 400


def test_a_start_is_reported_only_after_the_start_lag() -> None:
    scene = Scene(start_lag=1.0, report_lag=0)
    session = scene.start()
    assert session.visible_from > scene.clock.now
    assert (scene.account.counted, scene.account.read().sessions) == (1, 0)
    scene.clock.now = session.visible_from
    assert scene.account.read().sessions == 1


def test_a_session_shorter_than_its_start_lag_is_never_reported() -> None:
    scene = Scene(start_lag=1.0, end_lag=0, report_lag=0)
    session = scene.start()
    scene.account.end(session, "completed")
    scene.clock.now = session.visible_from
    assert scene.account.read().sessions == 0


def test_noise_is_one_either_way_with_its_probability_and_never_below_zero() -> None:
    scene = Scene(noise=0.5, report_lag=0)
    scene.start()
    readings = [scene.account.read().sessions for _ in range(2000)]
    assert set(readings) == {0, 1, 2}
    assert 900 < readings.count(1) < 1100
    empty = Scene(noise=1.0, report_lag=0)
    assert {empty.account.read().sessions for _ in range(200)} == {0, 1}


def test_no_noise_by_default() -> None:
    scene = Scene(report_lag=0)
    scene.start()
    assert {scene.account.read().sessions for _ in range(500)} == {1}


def test_priority_is_low_above_the_soft_cap_only() -> None:
    scene = Scene(limit=1, hard_cap=2, report_lag=0)
    scene.start()
    assert not scene.account.read().is_low_priority
    scene.start()
    assert scene.account.read().is_low_priority


def test_foreign_sessions_take_part_in_every_count_but_the_own_ones() -> None:
    scene = Scene(limit=2, report_lag=0)
    scene.start(own=False)
    scene.start()
    account = scene.account
    assert (account.working, account.own_working, account.counted, account.read().sessions) == (2, 1, 2, 2)
    assert scene.refuse(own=False).status == 429
    assert account.refused == 0
    assert scene.events("refused")[0]["own"] is False
    assert (account.peak_working, account.peak_own_working) == (2, 1)


def test_one_refusal_too_many_boxes_the_account_for_a_while() -> None:
    scene = Scene(limit=1, end_lag=0, box_after=2, box_seconds=30)
    session = scene.start()
    assert [scene.refuse().status for _ in range(2)] == [429, 429]
    assert not scene.account.is_boxed
    assert scene.refuse().status == 429
    assert scene.account.is_boxed
    assert scene.account.penalty.boxed_until(scene.clock.now) == scene.clock.now + 30
    assert scene.account.wall(scene.clock.now + 30) == 1_700_000_000.0 + scene.clock.now + 30
    scene.account.end(session, "completed")
    assert scene.refuse().status == 403
    scene.clock.now += 30
    assert not scene.account.is_boxed
    scene.start()
    # Counting begins anew: the next two refusals are forgiven again.
    scene.refuse()
    scene.refuse()
    assert not scene.account.is_boxed
    assert [record["boxes"] for record in scene.events("refused") if record["status"] == 429] == [
        *(False, False, True),
        *(False, False),
    ]


def test_foreign_refusals_do_not_box_the_account() -> None:
    scene = Scene(limit=1, box_after=1)
    scene.start()
    for _ in range(5):
        scene.refuse(own=False)
    assert not scene.account.is_boxed


def test_without_box_after_no_number_of_refusals_boxes_the_account() -> None:
    scene = Scene(limit=1)
    scene.start()
    for _ in range(1000):
        scene.refuse()
    assert not scene.account.is_boxed


def test_finishing_stops_open_sessions_and_records_nothing_more() -> None:
    scene = Scene()
    first, second = scene.start(), scene.start(own=False)
    scene.account.finish()
    assert [record["event"] for record in scene.records[-3:]] == ["end", "end", "finish"]
    assert {record["outcome"] for record in scene.events("end")} == {"stopped"}
    before = list(scene.records)
    scene.account.end(first, "aborted")
    scene.account.end(second, "completed")
    scene.account.log_usage(reported=1, fault=None)
    scene.clock.now += 100
    scene.account.settle()
    scene.account.finish()
    assert scene.records == before
    assert (scene.account.completed, scene.account.aborted) == (0, 0)
    with pytest.raises(RuntimeError, match="finished"):
        scene.account.start(own=True)


def test_session_lengths_have_the_asked_median_and_are_clipped_to_ten_times_it() -> None:
    account = Scene(session_median=2.0).account
    lengths = sorted(account.draw_session_length() for _ in range(20_000))
    assert 1.95 < lengths[10_000] < 2.05
    assert lengths[-1] <= 20.0
    assert lengths[-1] > 10.0


@pytest.mark.parametrize("seed", range(5))
def test_the_counts_follow_from_the_log_whatever_happens(seed: int) -> None:
    chance = Random(seed)
    scene = Scene(seed, limit=3, hard_cap=5, end_lag=0.4, report_lag=2.0, start_lag=0.3)
    running: list[Session] = []
    for _ in range(3000):
        scene.clock.now += chance.expovariate(8.0)
        action = chance.random()
        if action < 0.5:
            session = scene.account.start(own=chance.random() < 0.7)
            if isinstance(session, Session):
                running.append(session)
        elif action < 0.9 and running:
            session = running.pop(chance.randrange(len(running)))
            scene.account.end(session, chance.choice(("completed", "aborted")))
        else:
            assert 0 <= scene.account.read().sessions <= 5
    working = counted = 0
    previous = -math.inf
    for record in scene.records:
        kind = record["event"]
        if kind == "refused":
            assert counted == 5
        working += (kind == "start") - (kind == "end")
        counted += (kind == "start") - (kind == "leave")
        assert (record["working"], record["counted"]) == (working, counted)
        assert 0 <= working <= counted <= 5
        assert record["t"] >= previous
        previous = record["t"]
    assert len(scene.events("refused")) > 100
    assert working == scene.account.working == len(running)


def test_a_long_run_without_readings_keeps_no_history() -> None:
    scene = Scene(limit=2, end_lag=0)
    for _ in range(2000):
        scene.account.end(scene.start(), "completed")
        scene.clock.now += 1
    assert len(scene.account._report._sessions) < 100
    assert scene.account.read().sessions == 0


def test_the_limit_changes_when_it_is_told_to_and_the_hard_cap_with_it() -> None:
    scene = Scene(limit=2, limit_changes=("1@5", "3@9"), report_lag=0)
    scene.clock.now += 100
    scene.start()
    scene.start()
    scene.clock.now += 5
    assert (scene.account.limit, scene.account.cap) == (1, 1)
    assert scene.account.read().is_low_priority
    assert scene.refuse().status == 429
    scene.clock.now += 4
    assert scene.account.limit == 3
    scene.start()
    high = Scene(limit=2, hard_cap=4, limit_changes=("1@0",))
    high.start()
    assert (high.account.limit, high.account.cap) == (1, 4)


@pytest.mark.parametrize(("error", "admitted"), [(-2, 2), (1, 5), (-9, 1)])
def test_the_cap_that_is_enforced_may_be_another_than_the_one_that_is_told(error: int, admitted: int) -> None:
    scene = Scene(limit=4, cap_error=error)
    for _ in range(admitted):
        scene.start()
    assert scene.refuse().status == 429
    assert scene.account.cap == 4


def test_a_report_is_made_anew_only_so_often() -> None:
    scene = Scene(refresh=2.0, report_lag=0)
    assert scene.account.read().sessions == 0
    scene.start()
    scene.clock.now += 1.9
    assert scene.account.read().sessions == 0
    scene.clock.now += 0.1
    assert scene.account.read().sessions == 1


def test_a_session_whose_client_went_stays_counted_as_a_phantom() -> None:
    scene = Scene(end_lag=0, phantom=30.0)
    gone, done = scene.start(), scene.start()
    scene.account.end(gone, "aborted")
    scene.account.end(done, "completed")
    assert (scene.account.working, scene.account.counted) == (0, 1)
    scene.clock.now += 30
    scene.account.settle()
    assert scene.account.counted == 0


def test_a_session_counts_for_its_shortest_time_at_least() -> None:
    scene = Scene(end_lag=0, min_hold=60.0)
    session = scene.start()
    scene.clock.now += 1
    scene.account.end(session, "completed")
    assert session.leaves_at == session.started_at + 60


def test_a_report_weighs_what_its_models_weigh() -> None:
    scene = Scene(report_lag=0)
    scene.account.start(own=True, weight=0.25)
    scene.account.start(own=True)
    assert (scene.account.read().sessions, scene.account.read().weight) == (2, 1.25)


def test_the_first_refusal_tells_a_deadline_that_is_no_stop_and_both_show_late() -> None:
    scene = Scene(limit=1, end_lag=0, box_after=1, box_seconds=30, box_lag=3.0)
    session = scene.start()
    scene.refuse()
    penalty, refused_at = scene.account.penalty, scene.clock.now
    assert penalty.shown(refused_at + 2.9) == Shown()
    assert penalty.shown(refused_at + 3) == Shown("rate_limited", refused_at + 18_000)
    assert not scene.account.is_boxed
    scene.clock.now += 5
    scene.refuse()
    assert scene.account.is_boxed
    assert penalty.shown(scene.clock.now).reason == "rate_limited"
    assert penalty.shown(scene.clock.now + 3) == Shown("cap_abuse", scene.clock.now + 30)
    assert penalty.shown(scene.clock.now + 300) == Shown("cap_abuse", scene.clock.now + 30), "past, and still told"
    scene.account.end(session, "completed")


def test_a_planned_box_comes_without_any_refusal() -> None:
    scene = Scene(box="5-10")
    scene.clock.now += 100
    assert not scene.account.is_boxed, "its time counts from the first session of ours"
    scene.start()
    assert scene.account.penalty.shown(scene.clock.now) == Shown()
    scene.clock.now += 5
    assert scene.refuse().status == 403
    scene.clock.now += 5
    assert not scene.account.is_boxed
    assert scene.account.penalty.shown(scene.clock.now) == Shown("cap_abuse", scene.clock.now)
