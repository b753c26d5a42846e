"""The fixture shmlimit_limiter: one limit for all workers of a test run."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

import shmlimit
from shmlimit import Limiter
from tests.examples.program import Program
from tests.support.processes import HANG, ROOT

if TYPE_CHECKING:
    from pathlib import Path

SHARED = """
import os, signal, time
import pytest

@pytest.mark.parametrize("number", range(6))
def test_share(number, shmlimit_limiter):
    with shmlimit_limiter:
        if number == 2 and {kills}:
            os.kill(os.getpid(), signal.SIGKILL)
        print("limiter", shmlimit_limiter.name, "in", os.getpid(), "held", shmlimit_limiter.status().held)
"""


def run(directory: Path, *options: str) -> tuple[int, str]:
    """A pytest of its own; its exit code and what it printed."""
    command = [sys.executable, "-m", "pytest", "-p", "shmlimit.pytest", "-p", "no:cacheprovider", "-rP", *options]
    with Program(*command, f"--rootdir={directory}", str(directory)) as program:
        printed, _ = program.process.communicate(timeout=HANG)
        return program.process.returncode, printed


def write(directory: Path, text: str, ini: str = "") -> Path:
    (directory / "test_it.py").write_text(text)
    (directory / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    return directory


def seen(printed: str) -> list[tuple[str, int]]:
    return [(name, int(held)) for name, held in re.findall(r"^limiter (\S+) in \d+ held (\d+)$", printed, re.MULTILINE)]


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_all_workers_of_a_run_share_one_limiter_that_goes_with_it(tmp_path: Path, workers: str) -> None:
    code, printed = run(write(tmp_path, SHARED.format(kills=False), "shmlimit_limit = 1"), workers)
    assert code == 0, printed
    assert len(seen(printed)) == 6
    ((name, held),) = set(seen(printed))
    assert held == 1
    assert name not in shmlimit.limiters()


def test_a_worker_that_is_killed_gives_its_permit_back(tmp_path: Path) -> None:
    code, printed = run(write(tmp_path, SHARED.format(kills=True), "shmlimit_limit = 1"), "-n2")
    assert code == 1
    assert "1 failed, 5 passed" in printed
    assert len(set(seen(printed))) == 1
    assert seen(printed)[0][0] not in shmlimit.limiters()


def test_a_limiter_with_a_name_is_shared_with_others_and_stays(tmp_path: Path, name: str) -> None:
    limiter = Limiter(name, limit=3, cooldown=0)
    code, printed = run(write(tmp_path, SHARED.format(kills=False), f"shmlimit_name = {name}"), "-n0")
    assert code == 0, printed
    assert set(seen(printed)) == {(name, 1)}
    assert limiter.status().counters.granted == 6
    assert name in shmlimit.limiters()


def test_without_a_limit_it_says_what_to_set(tmp_path: Path) -> None:
    code, printed = run(write(tmp_path, SHARED.format(kills=False)), "-n0")
    assert code == 1
    assert "shmlimit_limit must be a whole number, not '': set it in pytest.ini" in printed


def test_the_example(tmp_path: Path) -> None:
    (tmp_path / "test_with_xdist.py").write_text((ROOT / "examples" / "test_with_xdist.py").read_text())
    code, printed = run(tmp_path, "-n2", "-o", "shmlimit_limit=2")
    assert code == 0, printed
    assert "8 passed" in printed
