from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from shmlimit.emulate import TruthSummary, summary
from shmlimit.emulate.truth import TruthLog

if TYPE_CHECKING:
    from pathlib import Path


class Story:
    """Writes a truth log by hand."""

    def __init__(self, limit: int = 2) -> None:
        self.lines: list[str] = []
        self.limit = limit
        self.working = self.counted = 0

    def tell(self, t: float, event: str, *, own: bool | None = True, **more: Any) -> Story:
        self.working += (event == "start") - (event == "end")
        self.counted += (event == "start") - (event == "leave")
        record = {"t": t, "event": event, "id": 1, "own": own, "worker": None, "working": self.working}
        record |= {"counted": self.counted, "limit": self.limit, "hard_cap": self.limit, **more}
        self.lines.append(json.dumps(record) + "\n")
        return self

    def end(self, t: float, outcome: str, *, own: bool = True) -> Story:
        return self.tell(t, "end", own=own, outcome=outcome)


def two_sessions() -> Story:
    story = Story().tell(0, "begin", own=None).tell(10, "start").tell(12, "start")
    story.end(16, "completed").tell(17, "leave").end(18, "completed").tell(19, "leave")
    return story.tell(20, "finish", own=None)


def test_a_run_is_summed_up_exactly() -> None:
    # 10 to 12 one session, 12 to 16 two, 16 to 18 one: 12 of 2 * 10 seconds.
    result = summary(two_sessions().lines)
    assert result.utilisation == pytest.approx(0.6)
    assert dataclasses.replace(result, utilisation=0.6) == TruthSummary(
        sessions=2,
        refused=0,
        turned_away=0,
        aborted=0,
        foreign_sessions=0,
        peak_in_flight=2,
        peak_counted=2,
        utilisation=0.6,
        duration=10,
        limit=2,
    )


def test_a_run_in_which_nothing_happened_has_peak_zero() -> None:
    result = summary(Story().tell(0, "begin", own=None).tell(9, "finish", own=None).lines)
    assert (result.sessions, result.peak_in_flight, result.utilisation, result.duration) == (0, 0, 0.0, 0.0)
    assert summary([]).peak_in_flight == 0


def test_until_ends_the_count_even_before_the_last_event() -> None:
    result = summary(two_sessions().lines, until=16)
    assert (result.sessions, result.duration) == (1, 6)
    assert result.utilisation == pytest.approx(10 / 12)


def test_until_after_the_last_event_lengthens_the_duration() -> None:
    result = summary(two_sessions().lines, until=30)
    assert result.duration == 20
    assert result.utilisation == pytest.approx(12 / 40)


def test_since_counts_what_was_already_open_as_work_from_then_on() -> None:
    result = summary(two_sessions().lines, since=14)
    assert (result.sessions, result.peak_in_flight, result.duration) == (2, 2, 6)
    assert result.utilisation == pytest.approx((2 * 2 + 2) / 12)


def test_since_after_the_work_finds_none() -> None:
    result = summary(two_sessions().lines, since=18.5)
    assert (result.sessions, result.peak_in_flight, result.utilisation) == (0, 0, 0.0)


def test_a_peak_between_two_events_at_one_instant_is_seen() -> None:
    story = Story().tell(1, "start").tell(1, "start").end(1, "completed").end(3, "completed")
    assert summary(story.lines).peak_in_flight == 2


def test_foreign_sessions_are_no_work_of_ours() -> None:
    story = Story().tell(0, "start", own=False).tell(5, "start").end(7, "completed")
    story.end(10, "completed", own=False).tell(10, "refused", own=False, status=429)
    result = summary(story.lines)
    assert (result.sessions, result.foreign_sessions, result.refused) == (1, 1, 0)
    assert (result.peak_in_flight, result.peak_counted, result.duration) == (1, 2, 5)
    assert result.utilisation == pytest.approx(2 / 10)


def test_each_kind_of_ending_is_counted_apart() -> None:
    story = Story(4)
    for _ in range(3):
        story.tell(1, "start")
    story.end(2, "aborted").end(3, "stopped").end(4, "completed")
    story.tell(5, "refused", status=429).tell(6, "refused", status=403).tell(7, "refused", status=429)
    result = summary(story.lines)
    assert (result.sessions, result.aborted, result.refused, result.turned_away) == (1, 1, 2, 1)


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"event":"start"}', '{"event":1,"t":1}', "3"])
def test_a_line_that_is_no_record_is_refused_with_its_number(line: str) -> None:
    with pytest.raises(ValueError, match="line 3 of the truth log"):
        summary([two_sessions().lines[0], "\n", line])


def test_every_record_is_whole_in_the_file_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("left over from before\n")
    with TruthLog(path) as log:
        log.write({"worker": "two\nlines", "n": 1})
        assert [json.loads(line) for line in path.read_text().splitlines()] == [{"worker": "two\nlines", "n": 1}]


def test_the_use_of_a_limit_that_changes_is_the_use_of_what_there_was() -> None:
    story = Story(limit=4).tell(0, "begin", own=None).tell(10, "start")
    story.limit = 1
    story.end(14, "completed").tell(18, "finish", own=None)
    # 4 seconds of work, of 4 * 4 and 1 * 4.
    assert summary(story.lines).utilisation == pytest.approx(4 / 20)
