"""The native tests that run in one thread, under valgrind: it also sees what is read before it is written."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.native.test_native import PROGRAMS, Program
from tests.support.workshop import PLAIN, Workshop

FEW = ("words", "gate", "refusal", "envelope")
ROUNDS = "100"
# Killed or stopped at every access, or by coroutines that swap stacks: too many runs, or none that valgrind can follow.
LEFT_OUT = ("threads", "crash_at_every_step", "interleave")


@pytest.mark.parametrize(
    "program", [program for program in PROGRAMS if program.name not in LEFT_OUT], ids=lambda program: str(program.name)
)
def test_nothing_is_read_unwritten_or_out_of_bounds(program: Program, workshop: Workshop, is_long: bool) -> None:
    if not (valgrind := shutil.which("valgrind")):
        pytest.skip("valgrind is not installed")
    if missing := workshop.missing(PLAIN):
        pytest.skip(missing)
    if program.name not in FEW and not is_long:
        pytest.skip("with --long")
    token = f"valgrind{os.getpid()}"
    try:
        result = subprocess.run(
            [valgrind, "-q", "--error-exitcode=9", str(program.binary(workshop, PLAIN))],
            env={
                **os.environ,
                "SHMLIMIT_NATIVE_TOKEN": token,
                "SHMLIMIT_NATIVE_ROUNDS": ROUNDS,
            },
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        for path in Path("/dev/shm").glob(f".shmlimit-native-{token}-*"):
            path.unlink()
    assert result.returncode == 0, result.stderr[-4000:]
