"""What one process writes down while the storm goes on: a line for each event, which survives its being killed."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

DIRECTOR = "director"
# Not a journal: a file beside them, once the storm is over.
OVER = "over"


class Journal:
    """A file of JSON lines `[time, event, ...]`, time in nanoseconds of CLOCK_MONOTONIC, which all processes share.

    Each line is one append, so that a kill leaves whole lines but for the last. It is written just before what it
    announces (call, release, kill) and just after what it reports (got, released).
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self._fd = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, event: str, *details: Any) -> None:
        """Append one line."""
        os.write(self._fd, json.dumps([time.monotonic_ns(), event, *details]).encode() + b"\n")

    def close(self) -> None:
        os.close(self._fd)


def read(path: Path) -> list[list[Any]]:
    """The lines of a journal; the last may be torn, and is left out then."""
    *whole, torn = path.read_bytes().split(b"\n")
    lines = [json.loads(line) for line in whole]
    assert not torn or not torn.startswith(b"[") or b"]" not in torn, f"{path}: {torn!r} is whole but for its end"
    return lines
