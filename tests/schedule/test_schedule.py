"""The C core under a scheduler that decides before every access to shared memory who goes on, who dies, who freezes.

Programs of two processes are searched whole, up to so many preemptions and faults; larger ones by seeded chance. After
every step the invariants of shmlimit.h are checked, and in the end everybody alive has been served and everything is
free. What breaks a rule is printed as `PROGRAM replay 'MOVES'` and told step by step; kept in traces/, it stays a test.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.workshop import PLAIN, Build, Workshop

HERE = Path(__file__).parent
TABLE = (HERE / "programs.c").read_text()
PROGRAMS = re.findall(r'^    \{"([\w-]+)", (.*?)\{(".*?")\}\}', TABLE, re.MULTILINE | re.DOTALL)
SMALL = [name for name, _, plays in PROGRAMS if plays.count('",') < 2]
LARGE = [name for name, _, plays in PROGRAMS if plays.count('",') >= 2]
# Who waits for a sample sleeps many times in each schedule.
SLOW = [name for name, settings, _ in PROGRAMS if "SAMPLED" in settings]
TRACES = sorted((HERE / "traces").glob("*.trace"))

BUDGETS = [(2, 0), (1, 1)]
LONG_BUDGETS = [(3, 0), (2, 1), (1, 2)]
SCHEDULES = 2000
FAULTS = 3
HANG_GUARD_SECONDS = 600


def build_scheduler(workshop: Workshop, build: Build) -> Path:
    if missing := workshop.missing(build):
        pytest.skip(missing)
    sources = [HERE / "schedule.c", *sorted(path for path in HERE.glob("*.c") if path.name != "schedule.c")]
    macros = ("-DSHMLIMIT_STEP=step", "-DPARTICIPANTS=8u")
    return workshop.binary(
        sources, build, fakes_os=True, macros=macros, replaces=("fake_os", "scratch", "segment", "attach", "host")
    )


def run(scheduler: Path, *arguments: object, timeout: float | None = HANG_GUARD_SECONDS) -> int:
    """Run schedules; return how many different ones. Fails with the trace of one that breaks a rule."""
    command = [str(scheduler), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    print(result.stdout)
    assert result.returncode == 0, f"{result.stderr[-2000:]}{result.stdout[-8000:]}"
    found = re.search(r"(\d+) distinct schedules", result.stdout)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: f"{budget[0]}-preemptions-{budget[1]}-faults")
@pytest.mark.parametrize("program", SMALL)
def test_no_schedule_of_two_processes_breaks_a_rule(program: str, budget: tuple[int, int], workshop: Workshop) -> None:
    preemptions, faults = budget
    scheduler = build_scheduler(workshop, PLAIN)
    assert (
        run(scheduler, program, "exhaustive", preemptions - (preemptions + faults > 1 and program in SLOW), faults) > 0
    )


@pytest.mark.parametrize("strategy", ["walk", "pct"])
@pytest.mark.parametrize("program", LARGE)
def test_no_schedule_of_more_processes_breaks_a_rule(program: str, strategy: str, workshop: Workshop) -> None:
    scheduler = build_scheduler(workshop, PLAIN)
    assert run(scheduler, program, strategy, 1, 0, SCHEDULES // 2, 0) > 100
    assert run(scheduler, program, strategy, 2, FAULTS, SCHEDULES, 0) > 100
