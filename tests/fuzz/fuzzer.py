"""The fuzzers at work on the target: how it is built for each, how long it runs, what it found."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz.corpus import decode
from tests.support.workshop import KIT, MEMORY, Build, Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).parent
TARGET = tuple(HERE / f"{name}.c" for name in ("target", "operations", "enemy", "world"))
# A smaller patience than the shipped one, so that losing it takes a millisecond and is tried often.
MACROS = ("-DSHMLIMIT_STEP=step", "-DPATIENCE=65536", f"-I{KIT}", f"-I{HERE}")
_CHECKS = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FUZZER = Build("fuzzer", (*_CHECKS, "-fsanitize=fuzzer-no-link"), compiler="clang", link=("-fsanitize=fuzzer",))
# afl-clang-fast takes this for its own driver, which calls the same target.
AFL = Build("afl", _CHECKS, compiler="afl-clang-fast", link=("-fsanitize=fuzzer",))
HANG_SECONDS = 20
_LONGEST_INPUT = 1 + 64 * 16


def replayer(workshop: Workshop) -> Path:
    """Return the program that takes inputs from files."""
    return workshop.binary([HERE / "replay.c", *TARGET], MEMORY, fakes_os=True, macros=MACROS)


def libfuzzer(workshop: Workshop) -> Path:
    return workshop.binary([*TARGET, HERE / "mutator.c"], FUZZER, fakes_os=True, macros=MACROS)


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """What the programs are told by their environment; afterwards no segment of theirs is left, however they ended."""
    token = f"fuzz{os.getpid()}"
    try:
        yield {**os.environ, "SHMLIMIT_NATIVE_TOKEN": token, "ASAN_OPTIONS": "quarantine_size_mb=8"}
    finally:
        for path in Path("/dev/shm").glob(f".shmlimit-native-{token}-*"):
            path.unlink()


@dataclass(frozen=True)
class Search:
    """What a run of libFuzzer came to."""

    executions: int
    edges: int
    edges_there: int
    output: str
    findings: tuple[str, ...]
    """Inputs, in words, that crash, hang or mislead the target."""

    def __str__(self) -> str:
        return f"{self.executions} executions, {self.edges} of {self.edges_there} edges"


def search_with_afl(workshop: Workshop, seconds: float, corpus: Path, directory: Path) -> Search:
    """Run AFL++ for so long."""
    binary = workshop.binary(TARGET, AFL, fakes_os=True, macros=MACROS)
    out = directory / "afl"
    limits = ["-m", "none", "-t", f"{HANG_SECONDS * 1000}", "-g", "1", "-G", str(_LONGEST_INPUT)]
    output = run(
        ["afl-fuzz", "-i", str(corpus), "-o", str(out), "-V", f"{max(1, round(seconds))}", *limits, "--", str(binary)],
        directory,
        # It would complain of a machine set up for other work: core files go elsewhere, the clock of the CPU varies.
        AFL_NO_UI="1",
        AFL_NO_AFFINITY="1",
        AFL_SKIP_CPUFREQ="1",
        AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES="1",
        ASAN_OPTIONS="abort_on_error=1:symbolize=0:detect_leaks=0:quarantine_size_mb=8",
    )
    found = [path for kind in ("crashes", "hangs") for path in sorted(out.glob(f"default/{kind}/id*"))]
    statistics = out / "default" / "fuzzer_stats"
    output += statistics.read_text() if statistics.exists() else ""
    return Search(
        executions=_number(r"execs_done\s*: (\d+)", output),
        edges=_number(r"edges_found\s*: (\d+)", output),
        edges_there=_number(r"total_edges\s*: (\d+)", output),
        output=output,
        findings=tuple(decode(path.read_bytes()) for path in found),
    )


def _number(pattern: str, output: str) -> int:
    found = re.findall(pattern, output)
    return int(found[-1]) if found else 0


def search(workshop: Workshop, seconds: float, corpus: Path, directory: Path) -> Search:
    """Run libFuzzer on the corpus, to which it adds, for so long or until the first finding."""
    artifacts = directory / "findings"
    artifacts.mkdir()
    options = [
        f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={_LONGEST_INPUT}",
        f"-timeout={HANG_SECONDS}",
        "-len_control=20",
        "-print_final_stats=1",
        f"-artifact_prefix={artifacts}/",
    ]
    output = run([str(libfuzzer(workshop)), *options, str(corpus)], directory)
    return Search(
        executions=_number(r"number_of_executed_units: (\d+)", output),
        edges=_number(r"cov: (\d+)", output),
        edges_there=_number(r"\((\d+) PCs\)", output),
        output=output,
        findings=tuple(decode(path.read_bytes()) for path in sorted(artifacts.iterdir())),
    )


def run(command: Sequence[str], directory: Path, **told: str) -> str:
    """Run a program that uses the target; returns what it says."""
    with environment() as variables:
        result = subprocess.run(
            command,
            cwd=directory,
            env={**variables, **told},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    return f"{result.stdout}{result.stderr}"
