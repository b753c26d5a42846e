"""The core and a C program over it, compiled alike wherever benchmarks are run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
_KIT = ROOT / "tests" / "native"
_COMPILER = os.environ.get("CC", "gcc")


def build(
    program: Path, output: Path, *, flags: tuple[str, ...] = (), kit: tuple[str, ...] = (), os_too: bool = True
) -> Path:
    """Compile program with csrc/ and the files of the native tests' kit that it needs.

    Args:
        program: A C file.
        output: What to write.
        flags: For the compiler besides.
        kit: Names of files in tests/native.
        os_too: With csrc/os.c; else the kit has its own.
    """
    sources = [source for source in sorted((ROOT / "csrc").glob("*.c")) if os_too or source.name != "os.c"]
    sources += [program, *(_KIT / f"{name}.c" for name in (*kit, "scratch", "check"))]
    command = [_COMPILER, "-std=gnu11", "-O2", "-flto", *flags, f"-I{ROOT / 'csrc'}", f"-I{_KIT}", "-o", str(output)]
    subprocess.run([*command, *map(str, sources), "-lpthread"], check=True)
    return output


def compiler() -> str:
    """The compiler's name and version."""
    found = subprocess.run([_COMPILER, "-dumpfullversion"], check=True, capture_output=True, text=True)
    return f"{_COMPILER} {found.stdout.strip()}"
