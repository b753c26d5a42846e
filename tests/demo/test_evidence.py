"""What is made of the upstream's ground-truth log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shmlimit.demo.evidence import TruthReader, reclaim_ms

if TYPE_CHECKING:
    from pathlib import Path


def log(*events: tuple[float, str, int]) -> list[str]:
    """Own events (t, start or end, id) as the emulator logs them."""
    working = 0
    lines = []
    for t, event, number in events:
        working += 1 if event == "start" else -1
        record = {"t": t, "event": event, "id": number, "own": True, "worker": str(number), "outcome": "completed"}
        lines.append(json.dumps({**record, "working": working, "counted": working, "limit": 2, "hard_cap": 2}))
    return lines


def test_reclaim_is_the_first_start_that_only_the_killed_slot_can_have_served() -> None:
    lines = log((1, "start", 1), (2, "start", 2), (3.1, "end", 2), (3.4, "start", 3))
    assert reclaim_ms(lines, 3.0, 2) == (3.4 - 3.0) * 1000


def test_slots_that_were_idle_at_the_kill_are_used_first() -> None:
    lines = log((1, "start", 1), (3.1, "end", 1), (3.2, "start", 2), (3.5, "start", 3))
    assert reclaim_ms(lines, 3.0, 2) == (3.5 - 3.0) * 1000


def test_a_slot_that_leaked_is_never_reclaimed_however_often_the_others_are_used() -> None:
    lines = log((1, "start", 1), (2, "start", 2), (3.1, "end", 2), (4, "end", 1), (4.1, "start", 3), (5, "end", 3))
    assert reclaim_ms([*lines, *log((6, "start", 4), (7, "end", 4))], 3.0, 2) is None


def test_nothing_after_the_kill_is_no_reclaim() -> None:
    assert reclaim_ms(log((1, "start", 1)), 3.0, 2) is None


def test_half_a_line_is_read_when_its_other_half_is_there(tmp_path: Path) -> None:
    path = tmp_path / "truth"
    first, second = log((1, "start", 1), (2, "start", 2))
    path.write_text(first + "\n" + second[:20])
    reader = TruthReader(path)
    reader.read()
    assert list(reader.open) == [1]
    path.write_text(first + "\n" + second + "\n")
    reader.read()
    assert list(reader.open) == [1, 2]


def test_the_victim_is_the_youngest_call_that_is_well_under_way(tmp_path: Path) -> None:
    path = tmp_path / "truth"
    path.write_text("\n".join(log((1, "start", 1), (2, "start", 2), (2.95, "start", 3))) + "\n")
    reader = TruthReader(path)
    reader.read()
    victim = reader.victim(3.0)
    assert victim is not None
    assert victim["id"] == 2
    assert reader.victim(1.1) is None
