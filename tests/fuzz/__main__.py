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


def renew(found: list[Path]) -> None:
    """Keep the smallest inputs that together reach everything that all of them reach."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        everything, kept = directory / "everything", directory / "kept"
        corpus.unpack(everything)
        kept.mkdir()
        for number, line in enumerate(seeds()):
            (everything / f"seed{number:04}").write_bytes(corpus.encode(line))
        binary = fuzzer.libfuzzer(Workshop(directory))
        said = fuzzer.run(
            [str(binary), "-merge=1", "-use_counters=0", *map(str, (kept, everything, *found))], directory
        )
        print(said[-300:])
        lines = {corpus.decode(path.read_bytes()) for path in kept.iterdir()} - set(corpus.read_findings())
    text = "".join(f"{line}\n" for line in sorted(lines, key=lambda line: (len(line), line)))
    assert len(text) <= _SIZE_MAX, f"{len(text)} bytes: more than a repository should keep"
    corpus.CORPUS.write_text(text)


if sys.argv[1:2] == ["--show"]:
    for path in sys.argv[2:]:
        print(corpus.decode(Path(path).read_bytes()).replace("; ", "\n    "))
else:
    renew([Path(path) for path in sys.argv[1:]])
