"""The demo as a user runs it, shortened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """Shared memory of this demo's own, so that another one's does not count as left behind."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as path:
        yield Path(path)


@pytest.fixture(scope="module")
def result(directory: Path) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-m", "shmlimit.cli", "demo", "--seconds", "12", "--json", "--seed", "1"],
        env={**os.environ, "SHMLIMIT_DIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("\n") == 1
    return dict(json.loads(run.stdout))


def test_through_shmlimit_nothing_is_refused_and_the_cap_is_used(result: dict[str, Any]) -> None:
    ours = result["shmlimit"]
    assert ours["refused"] == 0
    assert ours["sessions"]
    assert 1 <= (ours["peak_in_flight"] or 0) <= 4
    assert (ours["utilisation"] or 0) > 0.4


def test_the_others_are_refused_and_the_semaphore_never_gets_its_slot_back(
    result: dict[str, Any],
) -> None:
    assert result["unlimited"]["refused"]
    assert result["semaphore"]["reclaim_ms"] is None
    assert result["limit"] == 4


def test_the_killed_workers_slot_is_used_again(result: dict[str, Any]) -> None:
    assert result["shmlimit"]["reclaim_ms"] is not None


def test_nothing_is_left(result: dict[str, Any], directory: Path) -> None:
    assert result
    assert not list(directory.iterdir())
