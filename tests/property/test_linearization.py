"""The checker accepts what the limiter promises and nothing else: histories made by hand."""

from __future__ import annotations

import pytest

from tests.property.history import Operation, history
from tests.property.linearization import linearization
from tests.property.specification import State

A, B, C = 0, 1, 2


def explained(limit: int, *operations: Operation) -> bool:
    return linearization(history(operations), State(limit)) is not None


def took(process: int, begun: int, ended: int, answer: str = "held", weight: int = 1000) -> Operation:
    return Operation(process, "try", weight, answer, begun, ended)


def acquired(
    process: int,
    begun: int,
    ended: int,
    answer: str = "held",
    *,
    weight: int = 1000,
    priority: int = 0,
    timeout: int = 0,
    queued: int | None = None,
) -> Operation:
    return Operation(process, "acquire", weight, answer, begun, ended, priority, timeout, queued)


def released(process: int, begun: int, ended: int, which: int = 0, answer: bool = True) -> Operation:
    return Operation(process, "release", which, answer, begun, ended)


def limited(process: int, begun: int, ended: int, limit: int) -> Operation:
    return Operation(process, "set_limit", limit, None, begun, ended)


def read(process: int, begun: int, ended: int, limit: int) -> Operation:
    return Operation(process, "limit", None, limit, begun, ended)


GOOD = {
    "nothing": (1000, ()),
    "one takes and one is refused": (1000, (took(A, 0, 5), took(B, 0, 5, "none"))),
    "refused before it was taken": (1000, (took(A, 3, 5), took(B, 0, 4, "none"))),
    "in turn": (1000, (took(A, 0, 1), released(A, 2, 3), took(B, 4, 5))),
    "while it is given back": (1000, (took(A, 0, 1), released(A, 2, 6), took(B, 3, 4), took(C, 3, 5, "none"))),
    "given back twice": (1000, (took(A, 0, 1), released(A, 2, 3), released(A, 4, 5, answer=False))),
    "waited": (1000, (took(A, 0, 1), acquired(B, 2, 9), released(A, 3, 4))),
    "gave up": (1000, (took(A, 0, 1), acquired(B, 2, 5, "timeout"), released(A, 6, 7))),
    "gave up while it was given back": (
        1000,
        (took(A, 0, 1), acquired(B, 2, 5, "timeout", timeout=2), released(A, 3, 7)),
    ),
    "gave up while the second of two was granted": (
        1000,
        (
            took(A, 0, 1),
            acquired(B, 2, 6),
            acquired(C, 2, 20, "timeout", timeout=10),
            limited(A, 3, 15, 3000),
            released(B, 7, 8, answer=True),
        ),
    ),
    "refused for the one who waits": (
        2000,
        (took(A, 0, 1), acquired(B, 2, 9, weight=2000), took(C, 4, 5, "none"), released(A, 6, 7)),
    ),
    "by priority": (
        1000,
        (
            took(A, 0, 1),
            acquired(B, 2, 20),
            acquired(C, 4, 9, priority=1),
            released(A, 6, 7),
            released(C, 10, 11),
        ),
    ),
    "at the same time, in any order": (
        1000,
        (took(A, 0, 1), acquired(B, 2, 9), acquired(C, 3, 20), released(A, 6, 7), released(B, 10, 11)),
    ),
    "lowered, and nobody is evicted": (
        2000,
        (took(A, 0, 1), took(B, 0, 1), limited(C, 2, 3, 1000), read(C, 4, 5, 1000)),
    ),
    "taken while it is lowered": (2000, (took(A, 0, 1), limited(C, 2, 6, 1000), took(B, 3, 4))),
    "too heavy": (1000, (took(A, 0, 1, "never", 2000), acquired(B, 0, 1, "never", weight=2000))),
    "too heavy after a change": (
        2000,
        (took(A, 0, 1), acquired(B, 2, 9, "never", weight=2000), limited(C, 4, 5, 1000)),
    ),
    "who is too heavy blocks no waiter": (
        2000,
        (
            took(A, 0, 1),
            acquired(B, 2, 20, "never", weight=2000),
            limited(A, 4, 5, 1000),
            acquired(C, 6, 12),
            released(A, 8, 9),
        ),
    ),
    "closed, and everybody waits": (0, (took(A, 0, 1, "none", 8000), acquired(B, 0, 3, "timeout", weight=8000))),
}
BAD = {
    "two of one": (1000, (took(A, 0, 5), took(B, 0, 5))),
    "refused with room": (1000, (took(A, 0, 1), released(A, 2, 3), took(B, 4, 5, "none"))),
    "refused while nobody has it yet": (1000, (took(A, 5, 6), took(B, 0, 4, "none"))),
    "given back twice, counted twice": (1000, (took(A, 0, 1), released(A, 2, 3), released(A, 4, 5))),
    "a release that says no": (1000, (took(A, 0, 1), released(A, 2, 3, answer=False))),
    "a wake-up is lost": (1000, (took(A, 0, 1), acquired(B, 2, 9, "timeout", timeout=5), released(A, 3, 4))),
    "gave up with room": (1000, (acquired(B, 2, 5, "timeout"),)),
    "overtaken by a newcomer": (
        2000,
        (took(A, 0, 1), acquired(B, 2, 30, weight=2000, queued=4), took(C, 5, 6), released(A, 7, 8)),
    ),
    "priority is ignored": (
        1000,
        (
            took(A, 0, 1),
            acquired(B, 2, 9, queued=3),
            acquired(C, 4, 20, priority=1, queued=5),
            released(A, 7, 8),
            released(B, 10, 11),
        ),
    ),
    "waiting in vain behind one who is too heavy": (
        2000,
        (
            took(A, 0, 1),
            acquired(B, 2, 50, "never", weight=2000),
            limited(A, 4, 5, 1000),
            acquired(C, 6, 30, "timeout", timeout=20),
            released(A, 8, 9),
        ),
    ),
    "admitted by a limit that was lowered": (2000, (took(A, 0, 1), limited(C, 2, 3, 1000), took(B, 4, 5))),
    "an old limit is read": (1000, (limited(A, 0, 1, 2000), read(B, 2, 3, 1000))),
    "never, though the limit is higher": (2000, (took(A, 0, 1, "never", 2000),)),
    "weights are not added": (1000, (took(A, 0, 1, weight=600), took(B, 2, 3, weight=500))),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_the_limiter_promises_is_explained(name: str) -> None:
    limit, operations = GOOD[name]
    assert explained(limit, *operations)


@pytest.mark.parametrize("name", BAD)
def test_what_it_must_not_do_is_not(name: str) -> None:
    limit, operations = BAD[name]
    assert not explained(limit, *operations)


def test_the_explanation_answers_as_the_history_does_and_keeps_the_order_of_what_had_ended() -> None:
    _, operations = GOOD["by priority"]
    order = linearization(history(operations), State(1000))
    assert order is not None
    state: State | None = State(1000)
    for place, event in enumerate(order):
        assert state is not None
        state = state.after(event)
        assert all(later.operation.ended >= event.operation.begun for later in order[place:])
    assert state is not None
    assert [name for name, _ in state.held] == [(B, 0)]
