"""How these tests call the command line: to its end, or left running with a command that talks to the test."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Any

from tests.support.processes import HANG, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = (sys.executable, "-m", "shmlimit.cli")


def shmlimit(*arguments: str | bytes, **popen: Any) -> subprocess.CompletedProcess[str]:
    """Run a command line in a process of its own, to its end."""
    popen = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **popen}
    return subprocess.run([*PROGRAM, *arguments], text=True, timeout=HANG, check=False, **popen)


def started(*arguments: str, **popen: Any) -> Worker:
    """Start a command line and leave it running."""
    return Worker(become, list(arguments), **popen)


def running(name: str, command: Callable[..., object], *arguments: Any, **popen: Any) -> Worker:
    """Start `run NAME` with a function of a test module as CMD, which says and hears what a worker does."""
    return Worker(become_run, name, [command.__module__, command.__qualname__, json.dumps(arguments)], **popen)


def at_terminal(path: str, name: str, command: Callable[..., object]) -> Worker:
    """The same with the terminal at that path as its own, in the foreground there."""
    return Worker(become_run_at, path, name, [command.__module__, command.__qualname__, "[]"])


# ---- In the worker, which then is the program.


def become(arguments: list[str]) -> None:
    os.setpgid(0, 0)
    os.execv(PROGRAM[0], [*PROGRAM, *arguments])


def become_run(name: str, command: list[str]) -> None:
    worker = [sys.executable, "-m", "tests.support.processes", *command, sys.argv[4], sys.argv[5]]
    become(["run", name, "--", *worker])


def become_run_at(path: str, name: str, command: list[str]) -> None:
    os.setsid()
    terminal = os.open(path, os.O_RDWR)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for standard in (0, 1, 2):
        os.dup2(terminal, standard)
    worker = [sys.executable, "-m", "tests.support.processes", *command, sys.argv[4], sys.argv[5]]
    os.execv(PROGRAM[0], [*PROGRAM, "run", name, "--", *worker])
