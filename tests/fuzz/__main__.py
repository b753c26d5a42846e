"""python -m tests.fuzz [DIRECTORY...]: writes the corpus anew, from itself, the seeds and what searches have found.

python -m tests.fuzz --show FILE...: inputs in words.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.fuzz import corpus, fuzzer
from tests.fuzz.seeds import seeds
from tests.support.workshop import Workshop

_SIZE_MAX = 190_000


def _smallest(binary: Path, inputs: set[bytes], directory: Path, *options: str) -> set[bytes]:
    """Return the smallest inputs that together reach everything that all of them reach."""
    everything, kept = directory / "everything", directory / "kept"
    everything.mkdir(parents=True)
    kept.mkdir()
    for number, data in enumerate(sorted(inputs)):
        (everything / f"{number}").write_bytes(data)
    said = fuzzer.run([str(binary), "-merge=1", *options, str(kept), str(everything)], directory)
    print(said[-300:])
    return {path.read_bytes() for path in kept.iterdir()}


def renew(found: list[Path]) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        inputs = {corpus.encode(line) for line in (*seeds(), *corpus.read())}
        inputs |= {path.read_bytes() for where in found for path in where.iterdir()}
        peaceful = {data for data in inputs if data and corpus.is_peaceful(data)}
        binary = fuzzer.libfuzzer(Workshop(directory))
        # In peace it also matters how often something was reached: that is what states of the queue differ by.
        kept = _smallest(binary, peaceful, directory / "peace") | _smallest(
            binary, inputs - peaceful - {b""}, directory / "war", "-use_counters=0"
        )
    lines = {corpus.decode(data) for data in kept} - set(corpus.read_findings())
    text = "".join(f"{line}\n" for line in sorted(lines, key=lambda line: (len(line), line)))
    assert len(text) <= _SIZE_MAX, f"{len(text)} bytes: more than a repository should keep"
    corpus.CORPUS.write_text(text)


if sys.argv[1:2] == ["--show"]:
    for path in sys.argv[2:]:
        print(corpus.decode(Path(path).read_bytes()).replace("; ", "\n    "))
else:
    renew([Path(path) for path in sys.argv[1:]])
