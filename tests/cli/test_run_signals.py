"""`shmlimit run` and signals: the command gets each once, stops and continues, and starts as without `run`."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter
from shmlimit.cli.arrival import await_signal
from tests.support.processes import Worker, say, state_of, wait_for

from . import commands
from .invocation import at_terminal, become, running, started

if TYPE_CHECKING:
    from collections.abc import Iterator

FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM"]
TOUCHED = [*FORWARDED, "SIGTSTP", "SIGCHLD", "SIGCONT", "SIGPIPE", "SIGXFSZ"]


@pytest.fixture
def limiter(name: str) -> Limiter:
    return Limiter(name, limit=1, cooldown=0)


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A terminal: the side of whoever types, and the path of the other."""
    master, slave = pty.openpty()
    yield master, os.ttyname(slave)
    os.close(slave)
    os.close(master)


@pytest.mark.parametrize("name_of_signal", FORWARDED)
def test_a_signal_sent_to_the_wrapper_reaches_the_command(limiter: Limiter, name_of_signal: str) -> None:
    with running(limiter.name, commands.tell_signals, name_of_signal) as wrapper:
        assert wrapper.hear() != wrapper.pid
        for _ in range(3):
            os.kill(wrapper.pid, signal.Signals[name_of_signal])
            assert wrapper.hear() == name_of_signal
        wrapper.say(8)
        assert wrapper.end() == 8


def test_a_command_that_a_forwarded_signal_ends_is_128_and_the_signal(limiter: Limiter) -> None:
    with running(limiter.name, commands.exit_when_told) as wrapper:
        wrapper.hear()
        os.kill(wrapper.pid, signal.SIGTERM)
        assert wrapper.end() == 128 + signal.SIGTERM
        with limiter:
            pass


def test_a_ctrl_c_that_is_typed_reaches_the_command_once(limiter: Limiter, terminal: tuple[int, str]) -> None:
    master, path = terminal
    with at_terminal(path, limiter.name, commands.tell_signals) as wrapper:
        wrapper.hear()
        for _ in range(3):
            os.write(master, b"\x03")
            assert wrapper.hear() == "SIGINT"
            # A second SIGINT, sent on by the wrapper, would come before this one.
            os.kill(wrapper.pid, signal.SIGUSR1)
            assert wrapper.hear() == "SIGUSR1"
        wrapper.say(0)
        assert wrapper.end() == 0


def test_what_the_command_sends_to_its_own_group_is_not_sent_back(limiter: Limiter) -> None:
    with running(limiter.name, commands.signal_own_group) as wrapper:
        assert wrapper.hear() == "SIGUSR1"
        wrapper.hear()
        os.kill(wrapper.pid, signal.SIGUSR2)
        assert wrapper.hear() == "SIGUSR2"
        wrapper.say(0)
        assert wrapper.end() == 0


def test_stopping_and_continuing_the_job_stops_and_continues_both(limiter: Limiter) -> None:
    with running(limiter.name, commands.exit_when_told) as wrapper:
        command = wrapper.hear()
        for _ in range(3):
            os.killpg(wrapper.pid, signal.SIGTSTP)
            wait_for(lambda: state_of(command) == "T" == state_of(wrapper.pid))
            os.killpg(wrapper.pid, signal.SIGCONT)
            wrapper.say("awake?")
            assert wrapper.hear() == "awake?"
        wrapper.say(3)
        assert wrapper.end() == 3


def test_stopping_and_continuing_the_wrapper_alone_stops_and_continues_the_command(limiter: Limiter) -> None:
    with running(limiter.name, commands.exit_when_told) as wrapper:
        command = wrapper.hear()
        os.kill(wrapper.pid, signal.SIGTSTP)
        wait_for(lambda: state_of(command) == "T" == state_of(wrapper.pid))
        os.kill(wrapper.pid, signal.SIGCONT)
        wrapper.say("awake?")
        assert wrapper.hear() == "awake?"
        wrapper.say(3)
        assert wrapper.end() == 3


def _wait_for_a_signal(seconds: float) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    say(time.monotonic() + seconds)
    say(await_signal([signal.SIGTERM], seconds))


def test_a_wait_that_is_stopped_until_its_time_has_passed_makes_no_signal_up() -> None:
    with Worker(_wait_for_a_signal, 0.1) as waiter:
        deadline = waiter.hear()
        wait_for(lambda: waiter.has_said() or state_of(waiter.pid) == "S")
        waiter.stop()
        wait_for(lambda: time.monotonic() > deadline)
        waiter.go_on()
        assert waiter.hear() is None


def test_a_command_that_is_stopped_alone_does_not_leave_the_wrapper_behind(limiter: Limiter) -> None:
    with running(limiter.name, commands.exit_when_told) as wrapper:
        command = wrapper.hear()
        os.kill(command, signal.SIGSTOP)
        wait_for(lambda: state_of(command) == "T")
        os.kill(command, signal.SIGCONT)
        wrapper.say(3)
        assert wrapper.end() == 3


def _run_with_signals_set(name: str, blocked: list[str], ignored: list[str]) -> None:
    """In the worker: become `run` with these signals blocked and ignored."""
    for one in TOUCHED:  # whatever the test run was started with
        signal.signal(signal.Signals[one], signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [signal.Signals[one] for one in blocked])
    for one in ignored:
        signal.signal(signal.Signals[one], signal.SIG_IGN)
    become(["run", name, "--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"])


def _bits(names: list[str]) -> int:
    return sum(1 << (signal.Signals[one] - 1) for one in names)


@pytest.mark.parametrize("blocked", [[], ["SIGTERM", "SIGUSR1"]])
@pytest.mark.parametrize("ignored", [[], ["SIGINT", "SIGHUP"]])
def test_the_command_starts_with_the_mask_and_dispositions_of_the_caller(
    limiter: Limiter, blocked: list[str], ignored: list[str]
) -> None:
    with Worker(_run_with_signals_set, limiter.name, blocked, ignored, stdout=subprocess.PIPE) as wrapper:
        out, _ = wrapper.process.communicate()
        assert wrapper.end() == 0
    found = dict(line.split(":\t") for line in out.decode().splitlines())
    assert int(found["SigBlk"], 16) == _bits(blocked)
    assert int(found["SigIgn"], 16) & _bits(TOUCHED) == _bits(ignored)


def test_an_interrupt_while_it_waits_leaves_the_queue(limiter: Limiter) -> None:
    with (
        limiter,
        started("run", limiter.name, "--", "echo", "ran", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as wrapper,
    ):
        wait_for(lambda: limiter.status().queued == 1)
        os.kill(wrapper.pid, signal.SIGINT)
        out, err = wrapper.process.communicate()
        assert (wrapper.end(), out) == (130, b"")
        assert b"Traceback" not in err
        assert limiter.status().queued == 0
        assert limiter.status().counters.reaped == 0
