"""Journals by hand, for tests of the checker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.storm.checker import PATIENCE, Checker
from tests.storm.course import Course
from tests.storm.history import History, read
from tests.storm.journal import DIRECTOR

if TYPE_CHECKING:
    from pathlib import Path

MS = 10**6
SEGMENT = 7

Line = tuple[Any, ...]


class Book:
    """Journals by hand: times in milliseconds."""

    def __init__(self, directory: Path, **course: Any) -> None:
        self.directory = directory
        self.course = Course("by hand", **{"limit": 2, **course})
        self._lines: dict[str, list[Line]] = {DIRECTOR: [(0, "created", SEGMENT)]}
        self._pids: list[int] = []

    def director(self, *lines: Line) -> None:
        self._lines[DIRECTOR] += lines

    def caller(self, pid: int, *lines: Line) -> str:
        """One caller's journal; returns the label of its first call."""
        self._lines[f"{pid}-0"] = [(0, "begin", pid), *lines]
        return f"{pid}-0.1"

    def holder(self, pid: int, called: float, got: float, release: float, **options: Any) -> str:
        """A caller that acquires, holds and releases once."""
        return self.caller(
            pid, call(called, **options), (got, "got", 1), (release, "release", 1), (release + 0.1, "released", 1, True)
        )

    def waiter(self, pid: int, called: float, queued: float, got: float, **options: Any) -> str:
        """A caller that waits, and holds on to what it gets."""
        return self.caller(pid, call(called, **options), (queued, "queued", 1), (got, "got", 1))

    def history(self) -> History:
        for name, lines in self._lines.items():
            ordered = sorted(lines, key=lambda line: line[0])
            whole = [json.dumps([int(line[0] * MS), *line[1:]]) for line in ordered]
            (self.directory / name).write_text("".join(f"{line}\n" for line in whole))
        return read(self.directory, self.course)

    def verdict(self) -> list[str]:
        return Checker(self.history(), self.course).violations()


def call(at: float, *, weight: int = 1000, priority: int = 0, age: int = 0, timeout: float | None = None) -> Line:
    return (at, "call", 1, SEGMENT, weight, priority, age, timeout)


def attempt(at: float) -> Line:
    return (at, "try", 1, SEGMENT, 1000)


def looks(label: str) -> list[Line]:
    """More looks than anybody should have to wait for, at all of which that call is seen waiting."""
    return [(10 * n, "seen", 10 * n * MS, [label], []) for n in range(1, PATIENCE + 2)]
