"""The ground-truth log: what really happened at the upstream, one JSON object a line.

Events: begin, start, end, leave (an ended session leaves the enforced count), refused, whim
(a 429 or 503 that is not for concurrency), usage, finish. Every
line carries t (seconds of time.monotonic(), comparable across the processes of a host), the counts after the
event, and the caps, so that any stretch of a run can be checked without this program.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self


class TruthLog:
    """Writes truth records to a file, a whole line per write, so that a killed emulator tears none."""

    def __init__(self, path: Path) -> None:
        """Open *path*, emptying it.

        Raises:
            OSError: The file cannot be opened for writing.
        """
        self._file = path.open("wb", buffering=0)

    def write(self, record: dict[str, object]) -> None:
        """Append one record; blocks only as long as the file system does."""
        self._file.write(json.dumps(record, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Close the file; closing it again changes nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        """Give the log, to be closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the log."""
        self.close()


@dataclass(frozen=True, slots=True)
class TruthSummary:
    """A stretch of a run in numbers; a run in which nothing happened has `peak_in_flight` 0.

    Attributes:
        sessions: Own sessions that ended completely, to the last byte.
        refused: Own starts refused with 429.
        turned_away: Own requests answered 403 from the penalty box.
        aborted: Own sessions whose client went away.
        foreign_sessions: Foreign sessions that started.
        peak_in_flight: Most own sessions working at once.
        peak_counted: Most sessions, own and foreign, counted at once.
        utilisation: Own working time over *duration* times the limit, as it was; 0 when *duration* is 0.
        duration: Seconds from the first own work to `until` or the last event.
        limit: The soft cap at the end.
    """

    sessions: int
    refused: int
    turned_away: int
    aborted: int
    foreign_sessions: int
    peak_in_flight: int
    peak_counted: int
    utilisation: float
    duration: float
    limit: int


def summary(lines: Iterable[str], *, since: float | None = None, until: float | None = None) -> TruthSummary:
    """Sum up a truth log, without blocking beyond reading *lines*.

    Args:
        lines: The log's lines; empty ones are skipped.
        since: time.monotonic() from which to count, None for the start. Sessions already open then count as
            work from then on.
        until: time.monotonic() up to which to count, None for the last event.

    Raises:
        ValueError: A line is not a truth record.
    """
    replay = _Replay(-math.inf if since is None else since, math.inf if until is None else until)
    for number, line in enumerate(lines, 1):
        if line.strip():
            replay.take(_parsed(line, number))
    return replay.result()


def _parsed(line: str, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
        if isinstance(record, dict) and isinstance(record["event"], str):
            record["t"] + record["working"] + record["counted"] + record["limit"]
            return record
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(f"line {number} of the truth log is not a truth record: {line.strip()[:80]!r}")


class _Replay:
    """Follows the log event by event, as a step function between events."""

    def __init__(self, since: float, until: float) -> None:
        self.since, self.until = since, until
        self.now = -math.inf
        self.own_working = self.counted = 0
        self.first_work = math.inf
        self.busy = self.capacity = 0.0
        self.limit = 0
        self.tally = dict.fromkeys(("sessions", "refused", "turned_away", "aborted", "foreign_sessions"), 0)
        self.peak_in_flight = self.peak_counted = 0

    def take(self, record: dict[str, Any]) -> None:
        self._pass_time(record["t"])
        self.limit = record["limit"]
        own, event = bool(record.get("own")), record["event"]
        self.own_working += own * ((event == "start") - (event == "end"))
        self.counted = record["counted"]
        if self.since <= self.now <= self.until:
            self._tally(record, own, event)
            self._note_level(self.now)

    def result(self) -> TruthSummary:
        end = self.now if self.until == math.inf else self.until
        self._pass_time(end)
        duration = max(0.0, min(end, self.until) - self.first_work)
        return TruthSummary(
            **self.tally,
            peak_in_flight=self.peak_in_flight,
            peak_counted=self.peak_counted,
            utilisation=self.busy / self.capacity if self.capacity > 0 else 0.0,
            duration=duration,
            limit=self.limit,
        )

    def _pass_time(self, to: float) -> None:
        begin, end = max(self.now, self.since), min(to, self.until)
        if begin < end:
            self._note_level(begin)
            self.busy += self.own_working * (end - begin) if self.own_working else 0.0
            if self.first_work <= begin:
                self.capacity += self.limit * (end - begin)
        self.now = max(self.now, to)

    def _note_level(self, at: float) -> None:
        self.peak_in_flight = max(self.peak_in_flight, self.own_working)
        self.peak_counted = max(self.peak_counted, self.counted)
        if self.own_working:
            self.first_work = min(self.first_work, at)

    def _tally(self, record: dict[str, Any], own: bool, event: str) -> None:
        self.tally["sessions"] += own and event == "end" and record.get("outcome") == "completed"
        self.tally["aborted"] += own and event == "end" and record.get("outcome") == "aborted"
        self.tally["refused"] += own and event == "refused" and record.get("status") == 429
        self.tally["turned_away"] += own and event == "refused" and record.get("status") == 403
        self.tally["foreign_sessions"] += not own and event == "start"
