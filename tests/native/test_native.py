"""The C core by itself: each property of each program in this directory, in each build that adds something.

The programs need a C compiler and nothing else; a build whose sanitizer this machine lacks is skipped.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.workshop import MEMORY, PLAIN, RACES, UNDEFINED, Build, Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
SHARED_MEMORY = Path("/dev/shm")
HANG_GUARD_SECONDS = 600


@dataclass(frozen=True)
class Program:
    """One C file with a main(), its builds, and the seams it replaces."""

    name: str
    builds: tuple[Build, ...]
    parts: tuple[str, ...] = ()
    """Further C files of this directory that it is made of."""
    fakes_os: bool = False
    steps: bool = False

    def binary(self, workshop: Workshop, build: Build) -> Path:
        sources = [HERE / f"{part}.c" for part in (self.name, *self.parts)]
        macros = ("-DSHMLIMIT_STEP=step",) if self.steps else ()
        return workshop.binary(sources, build, fakes_os=self.fakes_os, macros=macros)

    def properties(self) -> list[str]:
        return re.findall(r"PROPERTY\((\w+)\),", (HERE / f"{self.name}.c").read_text())


PROGRAMS = (
    Program("words", (PLAIN, MEMORY)),
    Program("queue_order", (PLAIN, MEMORY), fakes_os=True),
    *(
        Program(name, (PLAIN, MEMORY), parts=("standstill",), fakes_os=True)
        for name in ("cooldown", "feed", "gate", "refusal", "watchdog")
    ),
    Program("follow", (PLAIN, MEMORY), parts=("standstill",), fakes_os=True, steps=True),
    Program("envelope", (PLAIN, MEMORY)),
    Program("bell", (PLAIN, MEMORY)),
    # A sanitizer has functions of these names itself.
    Program("failing_calls", (PLAIN,)),
    Program("fork", (PLAIN, MEMORY)),
    Program("hostile", (PLAIN, MEMORY, RACES)),
    Program("threads", (PLAIN, MEMORY, RACES)),
    Program("crash_at_every_step", (PLAIN, MEMORY), parts=("doomed",), steps=True),
    # Coroutines swap stacks, which only the undefined-behaviour sanitizer does not mind.
    Program("interleave", (PLAIN, UNDEFINED), parts=("actor", "acts", "beginnings"), fakes_os=True, steps=True),
)
CASES = [
    pytest.param(program, build, name, id=f"{program.name}-{name}-{build.name}")
    for program in PROGRAMS
    for build in program.builds
    for name in program.properties()
]


@pytest.fixture
def token() -> Iterator[str]:
    """Mark the segments of one test, so that those of a program that was killed are removed too."""
    mark = f"pytest{os.getpid()}"
    yield mark
    for path in SHARED_MEMORY.glob(f".shmlimit-native-{mark}-*"):
        path.unlink()


@pytest.mark.parametrize(("program", "build", "name"), CASES)
def test_native(program: Program, build: Build, name: str, workshop: Workshop, token: str) -> None:
    if missing := workshop.missing(build):
        pytest.skip(missing)
    environment = {**os.environ, "SHMLIMIT_NATIVE_TOKEN": token}
    if build.rounds is not None:
        environment["SHMLIMIT_NATIVE_ROUNDS"] = str(build.rounds)
    result = subprocess.run(
        [*build.command(program.binary(workshop, build)), name],
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG_GUARD_SECONDS,
        check=False,
    )
    print(result.stdout)
    assert result.returncode == 0, f"{result.stdout[-2000:]}{result.stderr[-6000:]}"
    assert not list(SHARED_MEMORY.glob(f".shmlimit-native-{token}-*")), "a segment is left behind"
