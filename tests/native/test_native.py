"""The C core by itself: each property of each program in this directory, in each build that adds something.

The programs need a C compiler and nothing else; a build whose sanitizer this machine lacks is skipped.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
CORE = HERE.parents[1] / "csrc"
SHARED_MEMORY = Path("/dev/shm")
COMPILER = os.environ.get("CC", "gcc")
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Werror")
HANG_GUARD_SECONDS = 600


@dataclass(frozen=True)
class Build:
    """One way to compile the core and a program: what the compiler is told, and how the result is run."""

    name: str
    flags: tuple[str, ...]
    rounds: int | None = None
    """How many rounds a program that repeats itself takes; None: its own number."""

    def command(self, binary: Path) -> list[str]:
        # ThreadSanitizer cannot place its shadow memory where addresses are randomised too widely.
        if "-fsanitize=thread" in self.flags and (setarch := shutil.which("setarch")):
            return [setarch, "-R", str(binary)]
        return [str(binary)]


PLAIN = Build("plain", ("-O2",))
MEMORY = Build("address", ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"), rounds=2500)
RACES = Build("thread", ("-O1", "-fsanitize=thread"), rounds=2500)
UNDEFINED = Build("undefined", ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all"))


@dataclass(frozen=True)
class Program:
    """One C file with a main(), its builds, and the seams it replaces."""

    name: str
    builds: tuple[Build, ...]
    parts: tuple[str, ...] = ()
    """Further C files of this directory that it is made of."""
    fakes_os: bool = False
    steps: bool = False

    def properties(self) -> list[str]:
        return re.findall(r"PROPERTY\((\w+)\),", (HERE / f"{self.name}.c").read_text())


PROGRAMS = (
    Program("words", (PLAIN, MEMORY)),
    Program("queue_order", (PLAIN, MEMORY), fakes_os=True),
    *(
        Program(name, (PLAIN, MEMORY), parts=("standstill",), fakes_os=True)
        for name in ("cooldown", "gate", "refusal", "watchdog")
    ),
    Program("envelope", (PLAIN, MEMORY)),
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


class Workshop:
    """Compiles the core once for each build, and each program once for each build of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._objects: dict[tuple[str, bool], list[Path]] = {}
        self._binaries: dict[tuple[str, str], Path] = {}
        self._missing: dict[str, str] = {}

    def _compile(self, arguments: list[str], directory: Path) -> None:
        result = subprocess.run([COMPILER, *arguments], cwd=directory, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr

    def _flags(self, build: Build, *, steps: bool) -> list[str]:
        seam = ["-DSHMLIMIT_STEP=step"] if steps else []
        return ["-std=c11", "-g", *WARNINGS, *build.flags, *seam, f"-I{CORE}", f"-I{HERE}"]

    def missing(self, build: Build) -> str:
        """Say what this machine lacks for the build; empty: nothing."""
        if build.name not in self._missing:
            probe = self.directory / "probe.c"
            probe.write_text("int main(void) { return 0; }\n")
            result = subprocess.run(
                [COMPILER, *build.flags, "-o", str(self.directory / "probe"), str(probe)],
                capture_output=True,
                text=True,
                check=False,
            )
            self._missing[build.name] = result.stderr.strip()
        return self._missing[build.name]

    def _core(self, build: Build, *, steps: bool) -> list[Path]:
        key = (build.name, steps)
        if key not in self._objects:
            directory = self.directory / f"core-{build.name}{'-steps' if steps else ''}"
            directory.mkdir()
            sources = [*sorted(CORE.glob("*.c")), HERE / "check.c", HERE / "scratch.c", HERE / "fake_os.c"]
            self._compile([*self._flags(build, steps=steps), "-c", *map(str, sources)], directory)
            self._objects[key] = sorted(directory.glob("*.o"))
        return self._objects[key]

    def binary(self, program: Program, build: Build) -> Path:
        key = (program.name, build.name)
        if key not in self._binaries:
            left_out = "os.o" if program.fakes_os else "fake_os.o"
            objects = [path for path in self._core(build, steps=program.steps) if path.name != left_out]
            binary = self.directory / f"{program.name}-{build.name}"
            self._compile(
                [
                    *self._flags(build, steps=program.steps),
                    *("-o", str(binary)),
                    *(str(HERE / f"{part}.c") for part in (program.name, *program.parts)),
                    *map(str, objects),
                    "-lpthread",
                ],
                self.directory,
            )
            self._binaries[key] = binary
        return self._binaries[key]


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    if not shutil.which(COMPILER):
        pytest.skip(f"no C compiler named {COMPILER}: set CC")
    return Workshop(tmp_path_factory.mktemp("native"))


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
        [*build.command(workshop.binary(program, build)), name],
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG_GUARD_SECONDS,
        check=False,
    )
    print(result.stdout)
    assert result.returncode == 0, f"{result.stdout[-2000:]}{result.stderr[-6000:]}"
    assert not list(SHARED_MEMORY.glob(f".shmlimit-native-{token}-*")), "a segment is left behind"
