"""No byte pattern in the segment, there from the start or changing meanwhile, crashes, hangs or misleads the attached.

The fuzzers' inputs are programs of operations of up to four attached processes, and of edits of the segment's bytes: at
once, before a certain access of the operation that follows, or before every n-th. The core is compiled with its
sanitizers; each operation ends within a bound of accesses to shared memory; while nobody edits, the invariants hold and
nothing is lost.

A finding is printed as a line: put it into findings.txt with a comment, and it stays as a test. Longer: `--minutes 60`.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.fuzz import corpus, fuzzer
from tests.support.workshop import MEMORY, Workshop

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 5.0


def test_a_line_of_the_corpus_is_an_input_and_back() -> None:
    lines = corpus.read()
    assert len(lines) == len(set(lines))
    for line in lines:
        assert corpus.decode(corpus.encode(line)) == line


def test_the_corpus_uses_every_operation_and_every_place() -> None:
    text = "\n".join(corpus.read())
    for name in (*corpus.BEGINNINGS, *corpus.VERBS, *corpus.PLACES, *corpus.ACTORS):
        assert re.search(rf"\b{name}\b", text), name


def test_the_corpus_passes(workshop: Workshop, tmp_path: Path) -> None:
    if missing := workshop.missing(MEMORY):
        pytest.skip(missing)
    inputs = corpus.unpack(tmp_path / "corpus")
    with fuzzer.environment() as variables:
        result = subprocess.run(
            [str(fuzzer.replayer(workshop)), *map(str, inputs)],
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
    print(result.stderr)
    assert result.returncode == 0, result.stderr[-6000:]


def test_libfuzzer_finds_nothing(workshop: Workshop, tmp_path: Path, seconds: float | None) -> None:
    if missing := workshop.missing(fuzzer.FUZZER):
        pytest.skip(missing)
    corpus.unpack(tmp_path / "corpus")
    search = fuzzer.search(workshop, SECONDS if seconds is None else seconds, tmp_path / "corpus", tmp_path)
    print(search, *search.output.splitlines()[-1:], f"inputs that go further: {tmp_path / 'corpus'}", sep="\n")
    assert not search.findings, "\n".join([*search.findings, search.output[-6000:]])
    assert "Done" in search.output, search.output[-6000:]


def test_afl_finds_nothing(workshop: Workshop, tmp_path: Path, is_long: bool, seconds: float | None) -> None:
    if not is_long:
        pytest.skip("AFL++ with --long, for a minute or --minutes N")
    if missing := workshop.missing(fuzzer.AFL):
        pytest.skip(missing)
    corpus.unpack(tmp_path / "corpus")
    search = fuzzer.search_with_afl(workshop, 60 if seconds is None else seconds, tmp_path / "corpus", tmp_path)
    print(search)
    assert not search.findings, "\n".join(search.findings)
    assert search.executions, search.output[-6000:]
