"""The limit over time, as it was at most and at least: changes take effect at instants that nobody wrote down."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.storm.history import Change


class Limits:
    """The limit that was in force.

    Args:
        changes: What set it, one after another.
        reports: What lowered it by one (value 1), or did not (0), at any time.
    """

    def __init__(self, changes: Sequence[Change], reports: Sequence[Change]) -> None:
        lowering = sorted((report for report in reports if report.value), key=lambda report: report.done)
        self._most = _Steps(_at_most(changes, lowering))
        self._least = _Steps(_at_least(changes, lowering))

    def most(self, begin: int, end: int) -> int:
        """The highest that it may have been between the two."""
        return max(self._most.between(begin, end))

    def least(self, begin: int, end: int) -> int:
        """The lowest that it may have been between the two."""
        return min(self._least.between(begin, end))


class _Steps:
    """A number that changes at times."""

    def __init__(self, steps: list[tuple[int, int]]) -> None:
        self._times = [at for at, _ in steps]
        self._values = [value for _, value in steps]

    def between(self, begin: int, end: int) -> list[int]:
        first = max(0, bisect_right(self._times, begin) - 1)
        return self._values[first : bisect_right(self._times, end)] or [0]


def _lowered(limit: int) -> int:
    return max(min(limit, 1), limit - 1)


def _at_most(changes: Sequence[Change], lowering: Sequence[Change]) -> list[tuple[int, int]]:
    """A report counts from its end on, and only if it surely came after the change before it."""
    steps: list[tuple[int, int]] = []
    most = 0
    ends = [change.begun for change in changes[1:]]
    for change, end in zip(changes, [*ends, None], strict=True):
        steps.append((change.begun, max(most, change.value)))
        most = change.value
        steps.append((change.done, most))
        for report in lowering:
            if report.begun >= change.done and (end is None or report.done <= end):
                most = _lowered(most)
                steps.append((report.done, most))
    return steps


def _at_least(changes: Sequence[Change], lowering: Sequence[Change]) -> list[tuple[int, int]]:
    """A report counts from its begin on, and also if it only perhaps came after the change before it."""
    steps: list[tuple[int, int]] = []
    least = changes[0].value
    by_begin = sorted(lowering, key=lambda report: report.begun)
    for number, change in enumerate(changes):
        steps.append((change.begun, min(least, change.value)))
        least = change.value
        for report in by_begin:
            if report.begun < change.done and report.done > change.begun:
                least = _lowered(least)
        steps.append((change.done, least))
        end = changes[number + 1].begun if number + 1 < len(changes) else None
        for report in by_begin:
            if report.begun >= change.done and (end is None or report.begun < end):
                least = _lowered(least)
                steps.append((report.begun, least))
    return steps
