"""What the upstream's ground-truth log says of a run, while it goes on and in the end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shmlimit.emulate import TruthSummary, summary

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Evidence:
    """The result of one run.

    Attributes:
        sessions: Calls served completely.
        refused: Calls refused with 429.
        peak_in_flight: Most calls being served at once.
        utilisation: Time being served over limit times duration.
        reclaim_ms: From the kill of a worker in its call until its slot was used again; None: never, or no slots.
    """

    sessions: int
    refused: int
    peak_in_flight: int
    utilisation: float
    reclaim_ms: float | None


class TruthReader:
    """Follows a truth log: its lines so far, and which own sessions are open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self.lines: list[str] = []
        self.open: dict[int, dict[str, Any]] = {}

    def read(self) -> None:
        """Take in what was written since."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
        self._offset += len(new)
        *whole, self._rest = (self._rest + new).split(b"\n")
        for raw in whole:
            line = raw.decode()
            self.lines.append(line)
            record = json.loads(line)
            if record.get("own") and record["event"] == "start":
                self.open[record["id"]] = record
            elif record.get("own") and record["event"] == "end":
                self.open.pop(record["id"], None)

    def summary(self, until: float | None = None) -> TruthSummary:
        """Sum up the lines so far."""
        return summary(self.lines, until=until)

    def victim(self, now: float) -> dict[str, Any] | None:
        """The youngest open call that is well under way."""
        under_way = [record for record in self.open.values() if now - record["t"] >= 0.2 and record.get("worker")]
        return max(under_way, key=lambda record: float(record["t"]), default=None)


def reclaim_ms(lines: list[str], killed_at: float, limit: int) -> float | None:
    """Milliseconds from the kill until the victim's slot was used again; None if that never happened.

    Slots are alike, so they are matched in the order in which they came free: those that were idle at the kill are used
    first, the victim's next. That it was used at all is certain only once `limit` calls are served at once: as many as
    the other slots could not serve.
    """
    working = 0
    starts: list[float] = []
    idle: int | None = None
    is_certain = False
    for line in lines:
        record = json.loads(line)
        if not record.get("own") or record["event"] not in ("start", "end"):
            continue
        if idle is None and record["t"] > killed_at:
            idle = max(0, limit - working)
        if record["event"] == "end":
            working -= 1
            continue
        working += 1
        if idle is not None:
            starts.append(record["t"])
            is_certain = is_certain or working >= limit
    if idle is None or not is_certain or len(starts) <= idle:
        return None
    return (starts[idle] - killed_at) * 1000
