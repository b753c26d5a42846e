"""The one way in which tests start, hear from, stop and kill processes.

A worker is a function of a test module, run in a fresh interpreter. It talks to its test over pipes: `say` a JSON
value, `hear` one. So tests wait for events, never for time to pass; the deadlines here only guard against hangs.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shmlimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

HANG = 60.0
ROOT = Path(__file__).resolve().parents[2]
# Where the package under test is, installed or in the source tree.
IMPORTABLE = str(Path(shmlimit.__file__).resolve().parents[1])


class Worker:
    """A process that runs one function; use it as a context manager, so that it is gone at the end."""

    def __init__(self, target: Callable[..., object], *args: Any, **popen: Any) -> None:
        to_child, self._to_child = os.pipe()
        self._from_child, from_child = os.pipe()
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                __name__,
                target.__module__,
                target.__qualname__,
                json.dumps(args),
                f"{to_child}",
                f"{from_child}",
            ],
            pass_fds=(to_child, from_child),
            env=env,
            **popen,
        )
        os.close(to_child)
        os.close(from_child)
        self._heard = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    def say(self, value: object = None) -> None:
        os.write(self._to_child, json.dumps(value).encode() + b"\n")

    def hear(self, deadline: float = HANG) -> Any:
        """The next value the worker says; an error if it ends or hangs instead."""
        end = time.monotonic() + deadline
        while b"\n" not in self._heard:
            if not select.select([self._from_child], [], [], max(0.0, end - time.monotonic()))[0]:
                raise AssertionError(f"worker {self.pid} said nothing for {deadline} s")
            chunk = os.read(self._from_child, 65536)
            if not chunk:
                raise AssertionError(f"worker {self.pid} ended without a word (exit {self.process.wait(HANG)})")
            self._heard += chunk
        line, self._heard = self._heard.split(b"\n", 1)
        return json.loads(line)

    def has_said(self) -> bool:
        """Whether a value is there already."""
        return b"\n" in self._heard or bool(select.select([self._from_child], [], [], 0)[0])

    def kill(self, *, reap: bool = True) -> None:
        """SIGKILL; reap False leaves a zombie."""
        self.process.send_signal(signal.SIGKILL)
        if reap:
            self.process.wait(HANG)
        else:
            wait_for(lambda: state_of(self.pid) == "Z")

    def stop(self) -> None:
        """SIGSTOP, until it has stopped."""
        self.process.send_signal(signal.SIGSTOP)
        wait_for(lambda: state_of(self.pid) == "T")

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> int:
        """Wait for it to end by itself; its exit status."""
        return self.process.wait(HANG)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.send_signal(signal.SIGCONT)
        self.process.wait(HANG)
        os.close(self._to_child)
        os.close(self._from_child)


def wait_for(condition: Callable[[], object], deadline: float = HANG) -> Any:
    """Look every 2 ms until the condition is true; for what can only be looked at. The deadline guards hangs."""
    end = time.monotonic() + deadline
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {condition}")
        time.sleep(0.002)
    return found


def state_of(pid: int) -> str:
    """The state letter of a process in procfs; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


# ---- In the worker.


def say(value: object = None) -> None:
    """Tell the test."""
    os.write(int(sys.argv[5]), json.dumps(value).encode() + b"\n")


def hear() -> Any:
    """Wait for the test's next word; at its end, end."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(int(sys.argv[4]), 1)
        if not byte:
            raise SystemExit(0)
        line += byte
    return json.loads(line)


def _run() -> None:
    module, qualname, args = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    target: Any = importlib.import_module(module)
    for part in qualname.split("."):
        target = getattr(target, part)
    target(*args)


if __name__ == "__main__":
    _run()
