"""The demo as a user runs it, shortened."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def result() -> dict[str, dict[str, float | None]]:
    run = subprocess.run(
        [sys.executable, "-m", "shmlimit.cli", "demo", "--seconds", "12", "--json", "--seed", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("\n") == 1
    return json.loads(run.stdout)  # type: ignore[no-any-return]


def test_through_shmlimit_nothing_is_refused_and_the_cap_is_used(result: dict[str, dict[str, float | None]]) -> None:
    ours = result["shmlimit"]
    assert ours["refused"] == 0
    assert ours["sessions"]
    assert 1 <= (ours["peak_in_flight"] or 0) <= 4
    assert (ours["utilisation"] or 0) > 0.4


def test_the_others_are_refused_and_the_semaphore_never_gets_its_slot_back(
    result: dict[str, dict[str, float | None]],
) -> None:
    assert result["unlimited"]["refused"]
    assert result["semaphore"]["reclaim_ms"] is None
    assert result["limit"] == 4


def test_the_killed_workers_slot_is_used_again(result: dict[str, dict[str, float | None]]) -> None:
    assert result["shmlimit"]["reclaim_ms"] is not None


def test_nothing_is_left(result: dict[str, dict[str, float | None]]) -> None:
    assert result
    assert not [entry for entry in os.listdir("/dev/shm") if ".demo-" in entry]
