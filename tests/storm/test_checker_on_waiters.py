"""The checker on who waits, in histories made by hand: it accuses what is wrong, and nothing that may be excused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.storm.book import MS, Book, Line, attempt, call, looks
from tests.storm.checker import MANY

if TYPE_CHECKING:
    from pathlib import Path


def test_an_older_waiter_is_not_overtaken(book: Book) -> None:
    older = book.waiter(1, 0, 1, 50, age=3)
    book.director((40, "seen", 39 * MS, [older], []))
    book.waiter(2, 5, 6, 39.5, age=4)  # perhaps both at 39.2
    assert book.verdict() == []
    book.waiter(2, 5, 6, 38, age=4)
    assert len(book.verdict()) == 1


def test_a_higher_priority_goes_first(book: Book) -> None:
    high = book.waiter(1, 0, 1, 50, priority=1, age=9)
    book.director((40, "seen", 39 * MS, [high], []))
    book.waiter(2, 5, 6, 38, age=0)
    assert len(book.verdict()) == 1


def test_equals_go_in_the_order_of_their_arrival(book: Book) -> None:
    first = book.waiter(1, 0, 4, 50)
    book.director((40, "seen", 39 * MS, [first], []))
    book.waiter(2, 3, 6, 38)  # perhaps first
    assert book.verdict() == []
    book.waiter(2, 5, 6, 38)
    assert len(book.verdict()) == 1


def test_an_attempt_overtakes_nobody(book: Book) -> None:
    waiting = book.waiter(1, 0, 1, 50, priority=-9, age=99)
    book.director((40, "seen", 39 * MS, [waiting], []))
    book.caller(2, attempt(5), (6, "got", 1))
    assert len(book.verdict()) == 1


def test_who_timed_out_had_waited_until_then(book: Book) -> None:
    book.caller(1, call(0, timeout=0.04), (1, "queued", 1), (45, "end", 1, "AcquireTimeout"))
    book.holder(2, 5, 39, 50, age=1)
    assert len(book.verdict()) == 1
    book.holder(2, 5, 41, 50, age=1)
    assert book.verdict() == []


def test_a_dead_waiter_may_be_overtaken(book: Book) -> None:
    dead = book.caller(1, call(0), (1, "queued", 1))
    book.director((10, "kill", 1), (40, "seen", 39 * MS, [dead], []))
    book.holder(2, 5, 9, 50, age=1)
    assert len(book.verdict()) == 1
    book.holder(2, 5, 11, 50, age=1)
    assert book.verdict() == []


def test_a_waiter_heavier_than_the_limit_may_be_overtaken(book: Book) -> None:
    heavy = book.caller(1, call(0, weight=2000), (1, "queued", 1))
    book.director((2, "set", 1), (3, "was set"), (40, "seen", 39 * MS, [heavy], []))
    book.holder(2, 5, 9, 49, age=1)
    assert book.verdict() == []


def test_a_waiter_that_may_have_queued_again_may_be_overtaken(tmp_path: Path) -> None:
    book = Book(tmp_path, slot_timeout=0.1)
    again = book.waiter(1, 0, 1, 250)
    book.director((40, "seen", 39 * MS, [again], []))
    book.holder(2, 5, 30, 50, age=1)
    assert len(book.verdict()) == 1
    book.director((200, "seen", 199 * MS, [again], []))
    assert book.verdict() == []


def test_a_caller_left_waiting_beside_free_room_is_seen(book: Book) -> None:
    left = book.waiter(1, 0, 1, 9999)
    book.director(*looks(left))
    assert len(book.verdict()) == 1
    book.holder(2, 0, 0.5, 9000, weight=1500)  # no room for the heaviest that may ask
    assert book.verdict() == []


@pytest.mark.parametrize(
    "excuse",
    [
        pytest.param([(10, "stop", 1), (2000, "continued", 1)], id="it was stopped"),
        pytest.param([(1, "pause", 3), (2, "paused")], id="a pause was on"),
        pytest.param([(1, "set", 0), (2, "was set")], id="the limit was 0"),
        pytest.param([(1000, "set", 2), (1100, "was set"), (1000, "kill", 2)], id="a killed holder"),
    ],
)
def test_a_caller_may_wait_for_a_reason(book: Book, excuse: list[Line]) -> None:
    left = book.caller(1, call(0), (1, "queued", 1))
    if (1000, "kill", 2) in excuse:
        book.waiter(2, 0, 1, 2, weight=2000)
    book.director(*looks(left), *excuse)
    assert book.verdict() == []


def test_waiters_that_find_their_permits_by_themselves_are_seen(tmp_path: Path) -> None:
    book = Book(tmp_path, limit=MANY)
    labels = [book.waiter(pid, 0, 1, 100) for pid in range(1, MANY + 1)]
    for n in range(1, 6):
        book.director((10 * n, "seen", 10 * n * MS, labels[MANY // 5 :], labels[: MANY // 5]))
    assert book.verdict() == []
    book.director((60, "seen", 60 * MS, [], labels), *[(10 * n, "seen", 10 * n * MS, [], []) for n in range(7, 11)])
    assert len(book.verdict()) == 1
    book.director(*[line for pid in range(11, MANY + 1) for line in ((50, "stop", pid), (90, "continued", pid))])
    assert book.verdict() == []
