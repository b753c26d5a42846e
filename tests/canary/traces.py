"""What a run leaves behind, place by place: files, shared memory, command lines, environments, memory."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from shmlimit import segment

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.support.canary import Canary


class Traces:
    """A collection of contents, each with the place where it was found."""

    def __init__(self) -> None:
        self._contents: list[tuple[str, bytes]] = []

    def add(self, place: str, content: str | bytes) -> None:
        self._contents.append((place, content if isinstance(content, bytes) else content.encode()))

    def add_segment(self, name: str) -> None:
        self.add("the segment", Path(segment.path_of(name)).read_bytes())

    def add_files(self, directory: Path, *, but: Collection[Path] = ()) -> None:
        """Every file below the directory, its name included."""
        for path in directory.rglob("*"):
            if path.is_file() and path not in but:
                self.add(str(path), str(path).encode() + b"\n" + path.read_bytes())

    def add_command_lines(self) -> None:
        """Of every process on this host."""
        for pid in _pids():
            with contextlib.suppress(OSError):
                self.add(f"the command line of {pid}", Path(f"/proc/{pid}/cmdline").read_bytes())

    def add_environments(self, *, but: Collection[int] = ()) -> None:
        """Of every process on this host that may be read."""
        for pid in _pids() - set(but):
            with contextlib.suppress(OSError):
                self.add(f"the environment of {pid}", Path(f"/proc/{pid}/environ").read_bytes())

    def add_memory(self, pid: int) -> None:
        self.add(f"the memory of {pid}", memory_of(pid))

    def holding(self, content: bytes) -> list[str]:
        """The places where that is."""
        return [place for place, found in self._contents if content in found]

    def findings(self, canary: Canary) -> list[str]:
        """Each place that holds the key, and what of it."""
        return [f"{place}: {what}" for place, content in self._contents for what in canary.found_in(content)]


def memory_of(pid: int) -> bytes:
    """What a core file of the process would hold, and what it shares with others: all that it can write to.

    Raises:
        PermissionError: The kernel does not let this process look, as it would not let a debugger.
    """
    pieces = []
    maps = Path(f"/proc/{pid}/maps").read_text()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123
        for line in maps.splitlines():
            span, permissions, *_ = line.split()
            start, end = (int(bound, 16) for bound in span.split("-"))
            if permissions.startswith("rw"):
                memory.seek(start)
                # A mapping may end between the two looks.
                with contextlib.suppress(OSError):
                    pieces.append(memory.read(end - start))
    return b"".join(pieces)


def _pids() -> set[int]:
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
