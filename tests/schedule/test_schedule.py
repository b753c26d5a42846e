"""The C core under a scheduler that decides before every access to shared memory who goes on, who dies, who freezes.

Programs of two processes are searched whole, up to so many preemptions and faults; larger ones by seeded chance. After
every step the invariants of shmlimit.h are checked, and in the end everybody alive has been served and everything is
free. What breaks a rule is printed as `PROGRAM replay 'MOVES'` and told step by step; kept in traces/, it stays a test.
"""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.workshop import PLAIN, UNDEFINED, Build, Workshop

HERE = Path(__file__).parent
TRACES = sorted((HERE / "traces").glob("*.trace"))
FAULTS = 3
SCHEDULES = 2000
HANG_GUARD_SECONDS = 600
GOAL = 10_000_000


@dataclass(frozen=True)
class Program:
    """One of the table in programs.c."""

    name: str
    settings: str
    plays: str

    @property
    def is_small(self) -> bool:
        """Two processes do something: every schedule can be run."""
        return sum(not play.endswith("die /") for play in re.findall(r'"([^"]+)"', self.plays)) < 3

    @property
    def is_slow(self) -> bool:
        """Who waits for a sample sleeps many times in each schedule."""
        return "SAMPLED" in self.settings

    def __str__(self) -> str:
        return self.name


PROGRAMS = [
    Program(*found)
    for found in re.findall(
        r'^    \{"([\w-]+)", (.*?)\{(".*?")\}\}', (HERE / "programs.c").read_text(), re.MULTILINE | re.DOTALL
    )
]
SMALL = [program for program in PROGRAMS if program.is_small]
LARGE = [program for program in PROGRAMS if not program.is_small]


class Scheduler:
    """The core and the scheduler in one program; counts the different schedules that it was asked for."""

    def __init__(self, workshop: Workshop, build: Build) -> None:
        if missing := workshop.missing(build):
            pytest.skip(missing)
        self.binary = workshop.binary(
            [HERE / "schedule.c", *sorted(path for path in HERE.glob("*.c") if path.name != "schedule.c")],
            build,
            fakes_os=True,
            macros=("-DSHMLIMIT_STEP=step", "-DPARTICIPANTS=8u"),
            replaces=("fake_os", "scratch", "segment", "attach", "host"),
        )
        self.schedules = self.steps = self.states = 0

    def run(self, program: Program | str, *arguments: object, guard: float | None = HANG_GUARD_SECONDS) -> int:
        """Run schedules; return how many different ones. Fails with the trace of one that breaks a rule."""
        command = [str(self.binary), str(program), *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=guard, check=False)
        print(result.stdout)
        assert result.returncode == 0, f"{result.stderr[-2000:]}{result.stdout[-8000:]}"
        found = re.search(r"(\d+) distinct schedules, (\d+) steps, (\d+) states", result.stdout)
        schedules, steps, states = map(int, found.groups()) if found else (0, 0, 0)
        self.schedules += schedules
        self.steps += steps
        self.states += states
        return schedules


@pytest.fixture
def scheduler(workshop: Workshop) -> Scheduler:
    """As compiled for use."""
    return Scheduler(workshop, PLAIN)


@pytest.mark.parametrize("program", SMALL, ids=str)
def test_no_schedule_of_two_processes_breaks_a_rule(
    program: Program, scheduler: Scheduler, seconds: float | None
) -> None:
    is_short = program.is_slow or seconds is not None
    for preemptions, faults in [(1, 0), (0, 1)] if is_short else [(2, 0), (1, 1)]:
        assert scheduler.run(program, "exhaustive", preemptions, faults) > 0


@pytest.mark.parametrize("program", LARGE, ids=str)
def test_no_schedule_of_more_processes_breaks_a_rule(
    program: Program, scheduler: Scheduler, seconds: float | None
) -> None:
    share = 0 if seconds is None else int(seconds / len(LARGE) / 4)
    for strategy in ("walk", "pct"):
        for faults in (0, FAULTS):
            assert scheduler.run(program, strategy, faults + 1, faults, SCHEDULES // 4, share) > 0


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.stem)
def test_a_schedule_that_once_broke_a_rule_does_not(trace: Path, scheduler: Scheduler) -> None:
    program, moves = trace.read_text().splitlines()[-1].split(" ", 1)
    scheduler.run(program, "replay", moves)


def test_the_scheduler_does_nothing_undefined(workshop: Workshop) -> None:
    scheduler = Scheduler(workshop, UNDEFINED)
    for program in PROGRAMS:
        scheduler.run(program, "walk", 1, FAULTS, 30, 0)


def test_ten_million_different_schedules_break_no_rule(is_long: bool, workshop: Workshop) -> None:
    if not is_long:
        pytest.skip("ten million schedules are run with --long, which takes minutes")
    scheduler = Scheduler(workshop, PLAIN)
    begun = time.monotonic()
    for program in SMALL:
        for preemptions, faults in [(2, 0), (1, 1)] if program.is_slow else [(3, 0), (2, 1), (1, 2)]:
            scheduler.run(program, "exhaustive", preemptions, faults, guard=None)
    for program in LARGE:
        for strategy in ("walk", "pct"):
            for faults in range(FAULTS + 1):
                scheduler.run(program, strategy, time.time_ns(), faults, 20 * SCHEDULES, 0, guard=None)
    rate = scheduler.schedules / (time.monotonic() - begun)
    print(
        f"{len(PROGRAMS)} programs: {scheduler.schedules} distinct schedules, {scheduler.steps} steps, "
        f"{scheduler.states} states ({rate:.0f} schedules a second)"
    )
    assert scheduler.schedules >= GOAL
