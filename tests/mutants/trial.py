"""A trial: a copy of the project with one fault in its core, built, and a tier of tests run against it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from typing_extensions import Self

    from tests.mutants.mutant import Mutant

_SHORT = ("--minutes", "0.2")
TIERS = {
    "native": ("tests/native", "-k", "plain"),
    "schedule": ("tests/schedule", *_SHORT),
    "stepper": ("tests/stepper", *_SHORT),
    "property": ("tests/property", *_SHORT),
    "storm": ("tests/storm", *_SHORT),
    "faults": ("tests/faults", "tests/namespaces", "-n4"),
    "python": ("tests/limiter", "tests/lifecycle", "tests/aio", "tests/poller", "-n4"),
}
"""What pytest is told for each column of the table, cheapest first: a tier's directory, and how long it may search."""

_PARTS = ("csrc", "src", "tests", "benchmarks", "setup.py", "pyproject.toml", "README.md", "LICENSE")
_HANG = 600.0
# No optimisation across files: a build then takes seconds.
_BUILD = {"SHMLIMIT_DEBUG": "1"}


@dataclass(frozen=True)
class Verdict:
    """How a tier judged a mutant: killed by failing tests (or by none ending in time), or survived."""

    is_killed: bool
    by: str
    seconds: float


class Trial:
    """A faulty copy; use it as a context manager, so that it is gone at the end.

    Args:
        mutant: The fault; None: a copy without one, in which every tier must pass.
        directory: Where the copy is made.
    """

    def __init__(self, mutant: Mutant | None, directory: Path) -> None:
        self._tree = directory / (mutant.name if mutant else "sound")
        shutil.rmtree(self._tree, ignore_errors=True)
        self._tree.mkdir(parents=True)
        for part in _PARTS:
            source = ROOT / part
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, self._tree / part)
        for compiled in self._tree.glob("src/shmlimit/_core*.so"):
            compiled.unlink()
        if mutant is not None:
            mutant.apply(self._tree / "csrc")
        self._build()

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self._tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}

    def _build(self) -> None:
        result = subprocess.run(
            [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
            cwd=self._tree,
            env={**self._environment(), **_BUILD},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{self._tree.name} does not build: {result.stderr[-2000:]}"

    def judge(self, tier: str) -> Verdict:
        """Run the tier until its first failure."""
        begun = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "--no-header", "-p", "no:cacheprovider", *TIERS[tier]],
            cwd=self._tree,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=_HANG)
            status: int | None = process.returncode
        except subprocess.TimeoutExpired:
            output, status = "", None
        finally:
            _end_session(process)
        seconds = time.monotonic() - begun
        if status == 0:
            return Verdict(False, "", seconds)
        if status is None:
            return Verdict(True, "no end in time", seconds)
        failed = [line.split(" - ")[0] for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        # A test run that was ended by a signal, or by its own guard against hangs, has no summary.
        return Verdict(True, failed[0].split(" ", 1)[1] if failed else f"exit {status}", seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        shutil.rmtree(self._tree, ignore_errors=True)


def _end_session(process: subprocess.Popen[str]) -> None:
    """End what is left of the session, and remove the segments that its tests named after their pid."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    for pattern in (f"*test-{process.pid}-*", f".shmlimit-native-pytest{process.pid}-*"):
        for left in Path("/dev/shm").glob(pattern):
            left.unlink(missing_ok=True)
