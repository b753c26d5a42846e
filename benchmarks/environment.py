"""Where figures were taken: the first line of every result."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def line() -> str:
    """Machine, kernel, compiler and Python in one line."""
    cpu = next((row.split(":")[1].strip() for row in _cpuinfo() if row.startswith("model name")), platform.machine())
    return (
        f"{os.cpu_count()} x {cpu}; Linux {platform.release()}; {platform.python_compiler()}; "
        f"Python {platform.python_version()}"
    )


def _cpuinfo() -> list[str]:
    return Path("/proc/cpuinfo").read_text().splitlines()
