"""A poller that is killed or stopped anywhere in its life: another takes over, no two write, the queue goes on."""

from __future__ import annotations

import contextlib
import itertools
import math
import random
import secrets
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

import shmlimit
from shmlimit import Limiter, LimiterNotFound, segment
from tests.poller.callers import Turns, kill, pollers, reading
from tests.poller.phases import SOURCE, count_of, line_of, poll_and_tell, poll_until
from tests.support.processes import Worker, state_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

COOLDOWN = 0.02
RUN, LOOP = "__init__.py", "loop.py"
# A line of the poller's code by what is about to happen there.
PHASES = {
    "it attaches": (RUN, "attachment = segment.attach(name)"),
    "the election": (RUN, "if not attachment.elect_poller():"),
    "the source is loaded": (RUN, "source = _load(config)"),
    "the first look": (LOOP, "self._attachment.set_lag("),
    "the source is asked": (LOOP, "usage: object = self._source.get_usage()"),
    "a sample is written": (LOOP, "self._attachment.write_sample("),
    "it notes when it wrote": (LOOP, "self._pace(census.t0)"),
    "it sleeps": (LOOP, "self._attachment.poller_sleep("),
    "a failure is written": (LOOP, "self._attachment.write_failure("),
    "a pause is written": (LOOP, "self._attachment.pause("),
}
# The first lines that only run when the limiter is gone.
AT_THE_LOSS = {
    (LOOP, line_of(LOOP, "self._attachment.retire()")),
    (LOOP, line_of(LOOP, "if self._attachment.flags() & _core.RETIRED:") + 1),
}
SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Life:
    """A limiter with a holder and, when wanted, a waiter; use it as a context manager."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.turns = Turns(Limiter(name, limit=1, cooldown=COOLDOWN, usage=SOURCE))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.turns.end()
        for pid in pollers(self.name):
            kill(pid)
        with contextlib.suppress(LimiterNotFound):
            shmlimit.destroy(self.name, force=True)

    def poller(self) -> int | None:
        return reading(self.name).poller

    def queue_behind(self, victim: Worker) -> None:
        """Let a caller wait as soon as the victim is elected or has met its fate: before, it would start another."""
        wait_for(lambda: self.poller() == victim.pid or state_of(victim.pid) in ("T", "Z"))
        self.turns.queue()

    def wait_until_written_by(self, pid: int) -> None:
        """Wait for a count that this poller has written."""
        wait_for(lambda: reading(self.name).usage.count == pytest.approx(count_of(pid)))

    def successor_of(self, old: int) -> int:
        """The pid of another one that is elected and has written; waits for it."""
        new: int = wait_for(lambda: (pid := self.poller()) not in (None, old) and pid)
        self.wait_until_written_by(new)
        return new

    def is_sound(self) -> bool:
        """Whether the invariants hold; False where too much goes on to tell, an error where they do not."""
        return segment.attach(self.name).audit()


def kill_at(name: str, file: str, line: int) -> None:
    with Life(name) as life, Worker(poll_until, name, file, line, signal.SIGKILL, False, **SILENT) as victim:
        life.queue_behind(victim)
        assert victim.end() == -signal.SIGKILL
        successor = life.successor_of(victim.pid)
        # On a busy machine a second one may have been started before the first was elected; it ends by itself.
        wait_for(lambda: pollers(name) == [successor])
        life.turns.take()
        wait_for(life.is_sound)


def stop_at(name: str, file: str, line: int) -> None:
    with Life(name) as life, Worker(poll_until, name, file, line, signal.SIGSTOP, False, **SILENT) as victim:
        life.queue_behind(victim)
        wait_for(lambda: state_of(victim.pid) == "T")
        if life.poller() == victim.pid:
            life.turns.take()
            assert life.poller() == victim.pid
            assert pollers(name) == []
            victim.go_on()
            life.wait_until_written_by(victim.pid)
        else:
            successor = life.successor_of(victim.pid)
            victim.go_on()
            assert victim.end() == 0
            assert life.poller() == successor
            assert reading(name).usage.count == pytest.approx(count_of(successor))
        life.turns.take()
        wait_for(life.is_sound)


@pytest.mark.parametrize("phase", PHASES)
def test_killed_before_any_step_it_is_replaced_and_the_queue_goes_on(name: str, phase: str) -> None:
    file, text = PHASES[phase]
    kill_at(name, file, line_of(file, text))


@pytest.mark.parametrize("phase", PHASES)
def test_stopped_before_any_step_it_keeps_nobody_waiting_and_no_second_one_writes(name: str, phase: str) -> None:
    file, text = PHASES[phase]
    stop_at(name, file, line_of(file, text))


@pytest.mark.parametrize("signo", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_at_its_end_it_makes_way_for_the_next(name: str, signo: signal.Signals) -> None:
    Limiter(name, limit=1, cooldown=COOLDOWN, usage=SOURCE).close()
    line = line_of(RUN, "attachment.resign_poller()")
    with Worker(poll_until, name, RUN, line, signo, True, **SILENT) as victim:
        wait_for(lambda: state_of(victim.pid) in ("T", "Z"))
        with Life(name) as life:
            life.turns.queue()
            if signo == signal.SIGSTOP:
                assert life.poller() == victim.pid
                victim.go_on()
                assert victim.end() == 0
            life.successor_of(victim.pid)
            life.turns.take()


def lines_of_a_life(name: str) -> list[tuple[str, int]]:
    """Every line that a poller runs from its start to the loss of the limiter, in the order of their first time."""
    with Life(name) as life, Worker(poll_and_tell, name, False, **SILENT) as teller:
        life.queue_behind(teller)
        wait_for(lambda: "blocked" in (reading(name).usage.reason or ""))
        wait_for(lambda: reading(name).usage.state == "live")
        shmlimit.destroy(name, force=True)
        lines = [(file, line) for file, line in teller.hear()]
        return list(itertools.takewhile(lambda at: at not in AT_THE_LOSS, lines))


@pytest.mark.parametrize("interrupt", [kill_at, stop_at])
def test_at_any_line_of_its_life(
    name: str, is_long: bool, seconds: float | None, interrupt: Callable[[str, str, int], None]
) -> None:
    if not is_long and seconds is None:
        pytest.skip("at every line with --long, which takes minutes; at some with --minutes N")
    lines = lines_of_a_life(f"{name}-0")
    if not is_long:
        seed = secrets.randbits(32)
        print(f"seed {seed}")
        random.Random(seed).shuffle(lines)
    end = time.monotonic() + (seconds or math.inf)
    done = 0
    while done < len(lines) and time.monotonic() < end:
        file, line = lines[done]
        done += 1
        print(f"{interrupt.__name__} {file}:{line}")
        interrupt(f"{name}-{done}", file, line)
    print(f"{done} lines of {len(lines)}")
