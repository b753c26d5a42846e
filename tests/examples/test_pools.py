"""Pools of processes behind one limit, one of their workers killed in the middle of a call."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from shmlimit import Limiter
from tests.examples.program import Program, all_are_back, holder, kill_holder
from tests.support.processes import wait_for

LIMIT = 2
# The one that is killed, and as many that are not as make two batches for four workers.
DURATIONS = ["3600", *["0.05"] * 7]
VICTIM = "3600 s"
METHODS = ["fork", "spawn", "forkserver"]


@pytest.fixture
def limiter(name: str) -> Limiter:
    return Limiter(name, limit=LIMIT, cooldown=0)


@pytest.mark.parametrize("method", METHODS)
def test_a_multiprocessing_pool_of_each_kind(limiter: Limiter, method: str) -> None:
    with Program.of("multiprocessing_pool.py", method, *DURATIONS[1:], LIMITER=limiter.name) as program:
        printed = program.end()
    assert printed.startswith("7 of 7 calls answered, at most ")
    assert int(printed.split()[-3]) <= LIMIT
    assert limiter.status().counters.granted == 7


def test_a_multiprocessing_pool_with_a_worker_killed(limiter: Limiter) -> None:
    # The patience is what a busy machine may take between two answers.
    with Program.of("multiprocessing_pool.py", "spawn", *DURATIONS, LIMITER=limiter.name, PATIENCE="8") as program:
        kill_holder(limiter, VICTIM)
        printed = program.end()
    assert "a worker was killed\n7 of 8 calls answered, at most " in printed
    assert int(printed.split()[-3]) <= LIMIT
    assert all_are_back(limiter, LIMIT)


@pytest.mark.parametrize("method", METHODS)
def test_a_process_pool_executor_with_two_workers_killed(limiter: Limiter, method: str) -> None:
    with Program.of("process_pool_executor.py", method, *DURATIONS, LIMITER=limiter.name) as program:
        first = kill_holder(limiter, VICTIM)
        wait_for(lambda: holder(limiter, VICTIM) != first)
        kill_holder(limiter, VICTIM)
        printed = program.end()
    assert printed.startswith("a worker was killed\n" * 2)
    assert int(printed.split()[-3]) <= LIMIT
    assert all_are_back(limiter, LIMIT)


def test_joblib_with_a_worker_killed(limiter: Limiter) -> None:
    pytest.importorskip("joblib")
    with Program.of("joblib_parallel.py", *DURATIONS, LIMITER=limiter.name) as program:
        kill_holder(limiter, VICTIM)
        printed = program.end()
    assert "a worker was killed\n4 of 8 calls answered, at most " in printed
    assert int(printed.split()[-3]) <= LIMIT
    assert all_are_back(limiter, LIMIT)


def test_a_shell_script_with_a_command_killed(limiter: Limiter) -> None:
    with Program("sh", "shell_run.sh", *DURATIONS, LIMITER=limiter.name) as program:
        wrapper = holder(limiter, VICTIM)
        children = wait_for(Path(f"/proc/{wrapper}/task/{wrapper}/children").read_text).split()
        os.kill(int(children[-1]), signal.SIGKILL)
        printed = program.end()
    assert printed.endswith("7 of 8 calls answered\n")
    assert limiter.status().counters.granted == len(DURATIONS)
    assert all_are_back(limiter, LIMIT)
