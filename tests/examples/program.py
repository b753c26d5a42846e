"""A program from examples/, running."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.processes import HANG, IMPORTABLE, ROOT, wait_for

if TYPE_CHECKING:
    from typing_extensions import Self

    from shmlimit import Limiter

EXAMPLES = ROOT / "examples"


class Program:
    """One command, in a process group of its own, all of which is gone at the end of the block."""

    def __init__(self, *command: str, **environment: str) -> None:
        # Programs that are installed with this Python are found as after its activation.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.process = subprocess.Popen(
            command,
            cwd=EXAMPLES,
            env={**os.environ, "PATH": path, "PYTHONPATH": IMPORTABLE, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @classmethod
    def of(cls, example: str, *arguments: str, **environment: str) -> Self:
        """Run a Python example."""
        return cls(sys.executable, example, *arguments, **environment)

    def hear(self, text: str, times: int = 1) -> None:
        """Wait until it has printed this often a line with this text."""
        assert self.process.stdout is not None
        heard = []
        for line in self.process.stdout:
            heard.append(line)
            times -= text in line
            if not times:
                return
        raise AssertionError(f"ended without {text!r}: {''.join(heard)}")

    def end(self) -> str:
        """Wait until it ends well, and return what it printed."""
        printed, _ = self.process.communicate(timeout=HANG * 2)
        assert self.process.returncode == 0, printed
        return printed

    def stop(self) -> None:
        """End it as a terminal or a service manager does."""
        self.process.terminate()
        self.process.communicate(timeout=HANG)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        printed, _ = self.process.communicate(timeout=HANG)
        print(printed)


def holder(limiter: Limiter, label: str) -> int:
    """The process that holds the permit of this label, once one does."""
    return int(wait_for(lambda: next((one.pid for one in limiter.status().holders if one.label == label), None)))


def kill_holder(limiter: Limiter, label: str) -> int:
    """SIGKILL, in the middle of its call, for the process that holds the permit of this label."""
    pid = holder(limiter, label)
    os.kill(pid, signal.SIGKILL)
    return pid


def all_are_back(limiter: Limiter, permits: int) -> bool:
    """Whether every permit can be had at once, now or soon; a permit of a dead process would be missing."""
    return limiter.acquire(weight=permits, timeout=HANG).release()
