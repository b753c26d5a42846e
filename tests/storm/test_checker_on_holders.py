"""The checker on who holds, in histories made by hand: it accuses what is wrong, and nothing that may be excused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.storm.book import MS, SEGMENT, Book, Line, call
from tests.storm.checker import TICKS
from tests.storm.history import SEVERAL, read

if TYPE_CHECKING:
    from pathlib import Path


def test_holders_within_the_limit_are_fine(book: Book) -> None:
    book.holder(1, 0, 1, 10)
    book.holder(2, 0, 2, 10)
    book.holder(3, 5, 10.05, 20)  # it returned before anybody's release did: that was under way
    assert book.verdict() == []


def test_one_holder_too_many_is_seen(book: Book) -> None:
    for pid in (1, 2, 3):
        book.holder(pid, 0, pid, 10)
    assert len(book.verdict()) == 1


def test_a_permit_counts_by_its_weight(book: Book) -> None:
    book.holder(1, 0, 1, 10, weight=1500)
    book.holder(2, 0, 2, 10, weight=500)
    assert book.verdict() == []
    book.holder(3, 0, 3, 10, weight=1)
    assert len(book.verdict()) == 1


def test_a_killed_holder_holds_until_it_is_killed(book: Book) -> None:
    for pid in (1, 2):
        book.waiter(pid, 0, 1, 2)
    book.director((10, "kill", 1))
    book.holder(3, 5, 10.5, 20)
    assert book.verdict() == []
    book.holder(3, 5, 9.5, 20)
    assert len(book.verdict()) == 1


def test_a_program_that_becomes_another_holds_until_then(book: Book) -> None:
    book.waiter(1, 0, 1, 2)
    book.caller(2, call(0), (1, "got", 1), (10, "exec"))
    book.holder(3, 5, 10.5, 20)
    assert book.verdict() == []
    book.holder(3, 5, 9.5, 20)
    assert len(book.verdict()) == 1


def test_a_holder_seen_by_others_counts_though_its_call_never_returned(book: Book) -> None:
    book.waiter(1, 0, 1, 2)
    book.caller(2, call(0))
    book.director((3, "seen", 2 * MS, [], ["2-0.1"]), (20, "kill", 2))
    book.holder(3, 5, 10, 12)
    assert len(book.verdict()) == 1


def test_a_permit_that_the_call_itself_gave_back_is_not_held(book: Book) -> None:
    book.waiter(1, 0, 1, 2)
    book.caller(2, call(0), (6, "end", 1, "Cancelled"))
    book.director((3, "seen", 2 * MS, [], ["2-0.1"]))
    book.holder(3, 0, 10, 12)
    assert book.verdict() == []


@pytest.mark.parametrize("end", [[(10, "released", 1, True)], [(10, "end", 1, "Cancelled")]], ids=["released", "left"])
@pytest.mark.parametrize("what", ["waiting", "holding"])
def test_what_is_over_is_not_in_the_table(book: Book, end: list[Line], what: str) -> None:
    over = book.caller(1, call(0), (1, "queued", 1), *end)
    there = ([over], []) if what == "waiting" else ([], [over])
    book.director((11, "seen", 9 * MS, *there))
    assert book.verdict() == []
    book.director((12, "seen", 11 * MS, *there))
    assert len(book.verdict()) == 1


def test_a_lowered_limit_evicts_nobody_and_admits_nobody(book: Book) -> None:
    for pid in (1, 2):
        book.holder(pid, 0, 1, 50)
    book.director((10, "set", 1), (11, "was set"))
    assert book.verdict() == []
    book.holder(3, 52, 53, 60)
    assert book.verdict() == []
    book.holder(4, 52, 54, 60)
    assert len(book.verdict()) == 1


def test_a_change_of_the_limit_excuses_what_came_while_it_was_made(book: Book) -> None:
    book.director((10, "set", 1), (20, "was set"))
    for pid in (1, 2):
        book.holder(pid, 19, 21, 50)
    assert book.verdict() == []
    for pid in (1, 2):
        book.holder(pid, 20.5, 21, 50)
    assert len(book.verdict()) == 1


def test_a_429_lowers_the_limit_once_it_was_reported_and_until_the_next_reset(book: Book) -> None:
    book.caller(9, (10, "refuse", 1), (11, "refused", 1, True))
    for pid in (1, 2):
        book.holder(pid, 12, 13, 20)
    assert len(book.verdict()) == 1
    book.director((10.5, "reset"), (11.5, "was reset"))  # which perhaps came after the report
    assert book.verdict() == []


def test_a_cooling_permit_counts(tmp_path: Path) -> None:
    book = Book(tmp_path, limit=1, cooldowns=(0.005,))
    book.holder(1, 0, 1, 10)
    book.holder(2, 0, 15.1, 20)
    assert book.verdict() == []
    book.holder(2, 0, 14.9, 20)
    assert len(book.verdict()) == 1


def test_a_permit_of_the_dead_cools_too(tmp_path: Path) -> None:
    book = Book(tmp_path, limit=1, cooldowns=(0.005,))
    book.waiter(1, 0, 1, 2)
    book.director((10, "kill", 1))
    book.holder(2, 0, 14.9, 20)
    assert len(book.verdict()) == 1


def test_segments_are_judged_apart_and_a_retired_one_admits_nobody(book: Book) -> None:
    book.director((5, "retire"), (6, "retired"), (7, "created", SEGMENT + 1))
    for pid in (1, 2):
        book.holder(pid, 0, 1, 50)
        book.caller(pid + 2, (8, "call", 1, SEGMENT + 1, 1000, 0, 0, None), (9, "got", 1))
    assert book.verdict() == []
    late = book.holder(5, 4, 60, 61)
    assert book.verdict() == []
    book.director((6.7, "seen", 6.5 * MS, [late], []))
    assert len(book.verdict()) == 1
    book.holder(6, 6.5, 62, 63)
    assert len(book.verdict()) == 2


def test_a_permit_may_be_lost_to_the_watchdog_and_to_nobody_else(tmp_path: Path) -> None:
    book = Book(tmp_path, slot_timeout=0.1)
    lost = ((50, "release", 1), (79, "released", 1, False))
    book.caller(1, call(0), (1, "got", 1), *lost)
    assert len(book.verdict()) == 1
    book.caller(1, call(0), (1, "got", 1), (99, "release", 1), (101, "released", 1, False))
    assert book.verdict() == []
    book.caller(1, call(0), (1, "got", 1), (50, "touch", 1), (51, "touched", 1, True), (99, "release", 1),
                (101, "released", 1, False))  # fmt: skip
    assert len(book.verdict()) == 1


def test_an_overdue_permit_is_not_its_holders_for_long_where_others_wait(tmp_path: Path) -> None:
    book = Book(tmp_path, limit=1, slot_timeout=0.1)
    waiting = [book.caller(pid, call(0), (1, "queued", 1)) for pid in range(2, 2 + SEVERAL)]
    book.holder(1, 0, 0.5, 900)
    assert book.verdict() == []
    book.director(*[(10 * n, "seen", 10 * n * MS, waiting, []) for n in range(1, TICKS + 15)])
    assert len(book.verdict()) == 1
    book.holder(1, 0, 0.5, 300)
    assert book.verdict() == []


def test_the_watchdogs_time_begins_when_it_was_last_seen_waiting(tmp_path: Path) -> None:
    book = Book(tmp_path, slot_timeout=0.1)
    late = book.caller(1, call(0), (1, "queued", 1), (60, "got", 1), (110, "release", 1), (111, "released", 1, False))
    assert book.verdict() == []
    book.director((51, "seen", 50 * MS, [late], []))
    assert len(book.verdict()) == 1


def test_what_the_watchdog_may_have_taken_is_not_surely_held(tmp_path: Path) -> None:
    book = Book(tmp_path, limit=1, slot_timeout=0.1)
    book.waiter(1, 0, 1, 2)
    book.holder(2, 90, 101, 110)
    assert book.verdict() == []
    book.holder(2, 60, 70, 110)
    assert len(book.verdict()) == 1


def test_nobody_is_admitted_in_a_pause(book: Book) -> None:
    book.director((10, "pause", 0.03), (11, "paused"))
    book.holder(1, 9, 12, 13)  # perhaps before
    book.holder(2, 20, 41, 42)
    assert book.verdict() == []
    book.holder(2, 20, 39, 42)
    assert len(book.verdict()) == 1


@pytest.mark.parametrize("event", ["reset", "pause"])
def test_a_pause_ends_early_when_it_is_ended(book: Book, event: str) -> None:
    book.director((10, "pause", 0.03), (11, "paused"))
    ends = {"reset": ((15, "reset"), (16, "was reset")), "pause": ((15, "pause", 0), (16, "paused"))}
    book.director(*ends[event])
    book.holder(1, 12, 15.5, 17)
    assert book.verdict() == []


def test_an_error_in_a_caller_is_one(book: Book) -> None:
    book.caller(1, (1, "error", "SegmentCorrupt()"))
    assert book.verdict() == ["1-0: SegmentCorrupt()"]


def test_the_torn_last_line_of_a_killed_caller_is_left_out(book: Book) -> None:
    book.holder(1, 0, 1, 10)
    book.history()
    path = book.directory / "1-0"
    path.write_text(path.read_text() + '[12000000, "ca')
    assert len(read(book.directory, book.course).calls) == 1
    (book.directory / "2-0").write_text("[12")
    assert len(read(book.directory, book.course).calls) == 1
