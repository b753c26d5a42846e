"""A mutant: one listed fault in the C core. The list is catalogue/*.diff: what a plausible slip or clean-up leaves.

A fault there is a line `@@ FILE NAME` and below it lines of that file of csrc as in a diff: those with `-` go, those
with `+` come, the others and those that go must stand in the file in that order, together, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_CATALOGUE = Path(__file__).parent / "catalogue"


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        name: What is wrong, in words with dashes.
        file: The file of csrc that it is in.
        found: The lines that are right.
        instead: The lines that are wrong.
    """

    name: str
    file: str
    found: str
    instead: str

    def apply(self, core: Path) -> None:
        """Put the fault into the sources in that directory."""
        path = core / self.file
        text = f"\n{path.read_text()}"
        times = text.count(self.found)
        assert times == 1, f"{self.name}: stands {times} times in {path.name}: {self.found}"
        path.write_text(text.replace(self.found, self.instead)[1:])


def _parse(title: str, lines: list[str]) -> Mutant:
    file, name = title.split()
    found = "".join(f"\n{line[1:]}" for line in lines if not line.startswith("+"))
    instead = "".join(f"\n{line[1:]}" for line in lines if not line.startswith("-"))
    return Mutant(name, file, f"{found}\n", f"{instead}\n")


def _read(path: Path) -> list[Mutant]:
    _, *faults = path.read_text().split("\n@@ ")
    return [_parse(title, lines) for title, *lines in (fault.rstrip("\n").split("\n") for fault in faults)]


MUTANTS = tuple(mutant for path in sorted(_CATALOGUE.glob("*.diff")) for mutant in _read(path))
