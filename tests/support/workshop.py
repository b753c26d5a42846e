"""The one way in which tests compile the C core: under a sanitizer or without, with its seams bound to a test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CORE = ROOT / "csrc"
KIT = ROOT / "tests" / "native"
KIT_SOURCES = tuple(KIT / f"{name}.c" for name in ("check", "scratch", "fake_os"))
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Werror")


@dataclass(frozen=True)
class Build:
    """One way to compile the core and a program: what the compiler is told, and how the result is run."""

    name: str
    flags: tuple[str, ...]
    rounds: int | None = None
    """How many rounds a program that repeats itself takes; None: its own number."""
    compiler: str = os.environ.get("CC", "gcc")
    link: tuple[str, ...] = ()
    """What the linker is told besides: a fuzzer brings its own main()."""

    def command(self, binary: Path) -> list[str]:
        # ThreadSanitizer cannot place its shadow memory where addresses are randomised too widely.
        if "-fsanitize=thread" in self.flags and (setarch := shutil.which("setarch")):
            return [setarch, "-R", str(binary)]
        return [str(binary)]


# For .ci/coverage all builds count branches instead, and alike: sanitizers would add branches of their own.
_COUNTING = ("-O0", "--coverage", "-fprofile-update=atomic") if os.environ.get("SHMLIMIT_COVERAGE") else ()

PLAIN = Build("plain", _COUNTING or ("-O2",))
MEMORY = Build(
    "address", _COUNTING or ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"), rounds=2500
)
RACES = Build("thread", ("-O1", "-fsanitize=thread"), rounds=2500)
UNDEFINED = Build("undefined", ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all"))


class Workshop:
    """Compiles the core and the kit once for each build and set of macros, and each program once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._objects: dict[tuple[str, tuple[str, ...]], list[Path]] = {}
        self._binaries: dict[tuple[Path, str, tuple[str, ...]], Path] = {}
        self._missing: dict[str, str] = {}

    def compile(self, build: Build, arguments: Sequence[object], directory: Path | None = None) -> None:
        """Run the compiler with the core's headers in its path; fails the test with what it says."""
        command = [build.compiler, "-std=c11", "-g", *WARNINGS, *build.flags, f"-I{CORE}", f"-I{KIT}"]
        result = subprocess.run(
            [*command, *map(str, arguments)],
            cwd=directory or self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr

    def missing(self, build: Build) -> str:
        """Say what this machine lacks for the build; empty: nothing."""
        if build.name not in self._missing:
            if not shutil.which(build.compiler):
                return f"no C compiler named {build.compiler}"
            probe = self.directory / "probe.c"
            probe.write_text("int main(void) { return 0; }\n")
            result = subprocess.run(
                [build.compiler, *build.flags, "-o", str(self.directory / "probe"), str(probe)],
                capture_output=True,
                text=True,
                check=False,
            )
            self._missing[build.name] = result.stderr.strip()
        return self._missing[build.name]

    def _core(self, build: Build, macros: tuple[str, ...]) -> list[Path]:
        key = (build.name, macros)
        if key not in self._objects:
            directory = self.directory / f"core-{build.name}-{len(self._objects)}"
            directory.mkdir()
            self.compile(build, [*macros, "-c", *sorted(CORE.glob("*.c")), *KIT_SOURCES], directory)
            self._objects[key] = sorted(directory.glob("*.o"))
        return self._objects[key]

    def binary(
        self,
        sources: Sequence[Path],
        build: Build,
        *,
        fakes_os: bool = False,
        macros: tuple[str, ...] = (),
        replaces: tuple[str, ...] = (),
    ) -> Path:
        """Return the program made of these sources (the first names it), the kit and the core.

        Args:
            sources: The program's C files.
            build: How to compile them and the core.
            fakes_os: Link fake_os.c in place of csrc/os.c.
            macros: Options like -DSHMLIMIT_STEP=step, for the core too.
            replaces: Further parts of the core and the kit that the program brings itself.
        """
        key = (sources[0], build.name, macros)
        if key not in self._binaries:
            left_out = {"os" if fakes_os else "fake_os", *replaces}
            objects = [path for path in self._core(build, macros) if path.stem not in left_out]
            binary = self.directory / f"{sources[0].stem}-{build.name}-{len(self._binaries)}"
            self.compile(build, [*macros, *build.link, "-o", binary, *sources, *objects, "-lpthread"])
            self._binaries[key] = binary
        return self._binaries[key]


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Where this run's programs are made."""
    return Workshop(tmp_path_factory.mktemp("workshop"))
