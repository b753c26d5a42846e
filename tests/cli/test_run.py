"""`shmlimit run`: one permit for as long as the command runs, whatever happens to whom."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter, limiters
from tests.support.processes import state_of, wait_for

from . import commands
from .invocation import running, shmlimit, started

if TYPE_CHECKING:
    from pathlib import Path

CONFLICT = ("-E", "9")


@pytest.fixture
def limiter(name: str) -> Limiter:
    return Limiter(name, limit=1, cooldown=0)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "exit 255"], 255),
        (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM),
        (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
        (["/nonexistent/command"], 127),
        (["no-such-command-anywhere"], 127),
        ([""], 127),
        (["/"], 126),
    ],
    ids=str,
)
def test_the_exit_status_is_that_of_the_command(limiter: Limiter, command: list[str], code: int) -> None:
    assert shmlimit("run", limiter.name, "--", *command).returncode == code
    assert limiter.status().held == 0


def test_a_file_that_is_not_executable_is_126_and_named(limiter: Limiter, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    ended = shmlimit("run", limiter.name, "--", str(script))
    assert ended.returncode == 126
    assert str(script) in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_standard_streams_and_arguments_are_the_commands_own(limiter: Limiter) -> None:
    read, write = os.pipe()
    os.write(write, b"through\n")
    os.close(write)
    script = 'cat; printf "%s\\n" "$@"; echo error >&2'
    ended = shmlimit("run", limiter.name, "--", "sh", "-c", script, "-", "-n", "--", "--help", "a b", stdin=read)
    os.close(read)
    assert (ended.stdout, ended.stderr) == ("through\n-n\n--\n--help\na b\n", "error\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "-n", "NAME", "echo", "-n", "x"),
        ("run", "NAME", "-n", "echo", "-n", "x"),
        ("run", "NAME", "-n", "--", "echo", "-n", "x"),
        ("run", "-n", "NAME", "--", "echo", "-n", "x"),
        ("run", "-n", "--", "NAME", "echo", "-n", "x"),
        ("run", "--weight=1", "NAME", "--priority", "-3", "--label", "--", "--", "echo", "-n", "x"),
    ],
    ids=" ".join,
)
def test_options_end_where_the_command_begins(limiter: Limiter, arguments: tuple[str, ...]) -> None:
    ended = shmlimit(*(limiter.name if one == "NAME" else one for one in arguments))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "x", "")


def test_descriptors_that_the_caller_passes_reach_the_command(limiter: Limiter) -> None:
    read, write = os.pipe()
    ended = shmlimit("run", limiter.name, "--", "sh", "-c", f"echo passed >/dev/fd/{write}", pass_fds=(write,))
    os.close(write)
    with open(read) as pipe:  # noqa: PTH123
        assert pipe.read() == "passed\n"
    assert ended.returncode == 0


def test_the_permit_is_out_while_the_command_runs_and_no_longer(limiter: Limiter) -> None:
    with running(limiter.name, commands.exit_when_told) as wrapper:
        wrapper.hear()
        assert limiter.try_acquire() is None
        (holder,) = limiter.status().holders
        assert holder.pid == wrapper.pid
        wrapper.say(5)
        assert wrapper.end() == 5
        with limiter:
            pass


def test_what_the_options_ask_for_is_what_is_taken(name: str) -> None:
    limiter = Limiter(name, limit=4)
    options = ("--weight", "2.5", "--priority", "-7", "--label", "agent 7")
    with started("run", name, *options, "--", "cat", stdin=subprocess.PIPE) as wrapper:
        (holder,) = wait_for(lambda: limiter.status().holders)
        assert (holder.weight, holder.priority, holder.label) == (2.5, -7, "agent 7")
        assert wrapper.process.stdin is not None
        wrapper.process.stdin.close()
        assert wrapper.end() == 0


@pytest.mark.parametrize("options", [("-n",), ("--nonblock",), ("-w", "0.01"), ("--wait", "0")], ids=" ".join)
def test_no_permit_is_1_or_the_code_asked_for_and_the_command_does_not_run(
    limiter: Limiter, options: tuple[str, ...]
) -> None:
    with limiter:
        for extra, code in (((), 1), (CONFLICT, 9), (("-E", "0"), 0)):
            ended = shmlimit("run", *options, *extra, limiter.name, "--", "echo", "ran")
            assert (ended.returncode, ended.stdout) == (code, "")
            assert ended.stderr.count("\n") == 1
        assert limiter.status().queued == 0


def test_with_limit_it_creates_what_is_missing_and_keeps_what_is_there(name: str) -> None:
    assert shmlimit("run", name, "--", "true").returncode == 3
    assert name not in limiters()
    assert shmlimit("run", name, "--limit", "2", "--", "true").returncode == 0
    ended = shmlimit("run", name, "--limit", "3", "--", "true")
    assert ended.returncode == 0
    assert "limit 2, not 3" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert Limiter(name).limit == 2


def test_a_weight_that_could_never_be_admitted_is_refused_at_once(limiter: Limiter) -> None:
    ended = shmlimit("run", limiter.name, "--weight", "2", "--", "true")
    assert ended.returncode == 2
    assert "2.0" in ended.stderr


def test_a_killed_wrapper_does_not_free_the_permit_while_the_command_lives(limiter: Limiter) -> None:
    with running(limiter.name, commands.exit_when_told) as wrapper:
        wrapper.hear()
        wrapper.kill()
        assert limiter.reap() == 0
        assert limiter.try_acquire() is None
        wrapper.say("still there?")
        assert wrapper.hear() == "still there?"
        assert limiter.try_acquire() is None
        wrapper.say(0)
        wait_for(limiter.try_acquire).release()


def test_nor_while_something_lives_that_the_command_has_started(limiter: Limiter) -> None:
    with running(limiter.name, commands.leave_a_child) as wrapper:
        heard = {str(wrapper.hear()), str(wrapper.hear())}
        command = int((heard - {"forked"}).pop())
        wrapper.kill()
        os.kill(command, signal.SIGKILL)
        child = wrapper.hear()
        assert state_of(child)
        assert limiter.try_acquire() is None
        wrapper.say(0)
        wait_for(limiter.try_acquire).release()


def test_a_wrapper_that_ends_gives_the_permit_back_although_something_is_left(limiter: Limiter) -> None:
    with running(limiter.name, commands.leave_a_child) as wrapper:
        heard = {str(wrapper.hear()), str(wrapper.hear())}
        os.kill(int((heard - {"forked"}).pop()), signal.SIGKILL)
        assert wrapper.end() == 128 + signal.SIGKILL
        assert state_of(wrapper.hear())
        with limiter:
            pass
        wrapper.say(0)


def test_a_script_that_opens_low_descriptors_does_not_give_the_permit_up(limiter: Limiter) -> None:
    low = "; ".join(f"exec {number}</dev/null" for number in range(3, 10))
    with started("run", limiter.name, "--", "sh", "-c", f"{low}; echo ready; cat; :", **_pipes()) as wrapper:
        assert wrapper.process.stdout is not None
        assert wrapper.process.stdin is not None
        with wrapper.process.stdout, wrapper.process.stdin:
            wrapper.process.stdout.readline()
            wrapper.kill()
            assert limiter.reap() == 0
            assert limiter.try_acquire() is None
        wait_for(limiter.try_acquire).release()


def _pipes() -> dict[str, int]:
    return {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}


def test_a_long_command_keeps_its_permit_from_the_watchdog(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0, slot_timeout=1.5)
    with running(name, commands.exit_when_told) as wrapper:
        wrapper.hear()
        # The clock is the point: longer than several time-outs.
        _let_pass(limiter, 4.0)
        assert limiter.status().held == 1
        assert limiter.status().counters.watchdog == 0
        wrapper.say(0)
        assert wrapper.end() == 0


def _let_pass(limiter: Limiter, seconds: float) -> None:
    """Let time pass in which the watchdog looks all the time."""
    end = time.monotonic() + seconds
    wait_for(lambda: limiter.reap() < 0 or time.monotonic() > end)


def test_a_stopped_wrapper_loses_the_permit_to_the_watchdog_and_says_so(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0, slot_timeout=0.2)
    with running(name, commands.exit_when_told, stderr=subprocess.PIPE) as wrapper:
        wrapper.hear()
        wrapper.stop()
        wait_for(limiter.reap)
        wrapper.go_on()
        assert wrapper.process.stderr is not None
        with wrapper.process.stderr as stderr:
            assert b"taken back" in stderr.readline()
            wrapper.say(6)
            assert wrapper.end() == 6
            assert stderr.read() == b""


def test_destroying_the_limiter_does_not_end_the_command(limiter: Limiter) -> None:
    with running(limiter.name, commands.exit_when_told, stderr=subprocess.DEVNULL) as wrapper:
        wrapper.hear()
        assert shmlimit("destroy", limiter.name, "--force").returncode == 0
        os.kill(wrapper.pid, signal.SIGCONT)  # makes it look at once
        wrapper.say("still there?")
        assert wrapper.hear() == "still there?"
        wrapper.say(4)
        assert wrapper.end() == 4
