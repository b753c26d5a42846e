"""Sources that tests name as "module:attribute"."""

from __future__ import annotations

from typing import ClassVar

from shmlimit.usage import Usage


def three() -> Usage:
    return Usage(3.0)


def nothing() -> None:
    return None


def text() -> str:
    return "3"


def broken() -> Usage:
    raise RuntimeError("the ledger is closed")


class Counting:
    """Counts its own polls, and how many of it were made."""

    made: ClassVar[int] = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.polls = 0
        self.closed = False

    def get_usage(self) -> Usage:
        self.polls += 1
        return Usage(float(self.polls))

    def close(self) -> None:
        self.closed = True


def lagging() -> Usage:
    return Usage(1.0)


lagging.settle = 2.0  # type: ignore[attr-defined]


class NoSource:
    pass


class Holder:
    inner = Counting()


held = Holder()
number = 3
