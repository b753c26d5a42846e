"""The extension built with sanitizers, and a Python that can load it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SANITIZERS = "address,undefined"
_COMPILER = os.environ.get("CC", "gcc")


def runtime() -> str:
    """Where the compiler keeps AddressSanitizer's library; empty: it has none."""
    if not shutil.which(_COMPILER):
        return ""
    asked = subprocess.run([_COMPILER, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    path = asked.stdout.strip()
    return path if os.path.isabs(path) else ""  # noqa: PTH117


def build(directory: Path) -> Path:
    """Build the package in a copy of its sources; returns what to put on PYTHONPATH."""
    for part in ("csrc", "src", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, directory / part)
    for compiled in (directory / "src").rglob("_core*.so"):
        compiled.unlink()
    result = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=directory,
        env={**os.environ, "SHMLIMIT_SANITIZE": SANITIZERS, "SHMLIMIT_DEBUG": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return directory / "src"


def environment(package: Path) -> dict[str, str]:
    """For a Python that loads the build: every report of a sanitizer ends the process, and so fails its test.

    Leaks are not looked for: CPython keeps much until its process ends.
    """
    return {
        **os.environ,
        "PYTHONPATH": str(package),
        "LD_PRELOAD": runtime(),
        "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=16",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        # Each object in a block of its own, so that the sanitizer sees where it ends.
        "PYTHONMALLOC": "malloc",
    }
