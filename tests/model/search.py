"""A search: spin makes a C program of a configuration, which visits every state that the configuration can reach."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
MEGABYTES_MAX = 8000
DEPTH_MAX = 20_000_000
# Each state in full, compressed but exact; or 8 bytes of its hash, for searches that would not fit in memory: then
# two states with one hash count as one, with a probability of about states^2 / 2^65.
EXACT = ("-DCOLLAPSE",)
COMPACT = ("-DHC4",)
# Three bits for each state, found by hashes, of 2^34: some states are taken for others and not visited.
BITS, BITS_LOG = ("-DBITSTATE",), 34
TRACE_MAX = 12_000


@dataclass(frozen=True)
class Outcome:
    """How a search ended."""

    states: int
    error: str
    """What was violated first; empty: nothing, in any state."""
    trace: str
    """The end of the way there."""


class Incomplete(Exception):
    """The search ended before it had seen every state, for want of memory or depth, or did not build."""


def _run(command: Sequence[str], directory: Path, seconds: float | None = None) -> str:
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=seconds, check=False)
    if result.returncode != 0:
        raise Incomplete(f"{command[0]}: exit {result.returncode}: {(result.stdout + result.stderr)[-3000:]}")
    return result.stdout


def search(
    configuration: str, directory: Path, macros: Sequence[str] = (), *, large: bool = False, minutes: int | None = None
) -> Outcome:
    """Visit every state of a configuration, or until one violates an invariant.

    Args:
        configuration: Its file's name in configurations/, without the suffix.
        directory: Where to work; must be empty.
        macros: What to define for the model: bounds, or a fault.
        large: Whether to spend time on compiling, and less memory on each state.
        minutes: Search for so long, with bits for states; None: to the end.
    """
    model = HERE / "configurations" / f"{configuration}.pml"
    defines = [f"-D{macro}" for macro in macros]
    _run(["spin", "-a", *defines, str(model)], directory)
    # The generated program is one huge function: optimising it takes longer than a short search gains.
    speed = ["-O2", *(COMPACT if minutes is None else BITS)] if large else ["-O0", *EXACT]
    _run(["gcc", *speed, "-w", "-DSAFETY", f"-DMEMLIM={MEGABYTES_MAX}", "-o", "pan", "pan.c"], directory)
    bound = [] if minutes is None else [f"-w{BITS_LOG}", f"-Q{minutes}"]
    report = _run([str(directory / "pan"), f"-m{DEPTH_MAX if large else DEPTH_MAX // 10}", *bound], directory)
    found = re.search(r"([\d.e+]+) states, stored", report)  # from 10^8 on: 1.23e+08
    error = re.search(r"^pan:\d+: (.*)$", report, re.MULTILINE)
    was_cut = "Search not completed" in report and not error and "Time limit" not in report
    if not found or "max search depth too small" in report or was_cut:
        raise Incomplete(report[-3000:])
    trace = ""
    if error:
        replay = [str(directory / "pan"), "-r", f"{model.name}.trail"]
        lines = subprocess.run(replay, cwd=directory, capture_output=True, text=True, check=False).stdout.splitlines()
        trace = "\n".join(line for line in lines if "proc " in line)[-TRACE_MAX:]
    return Outcome(int(float(found[1])), error[1] if error else "", trace)
