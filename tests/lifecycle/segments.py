"""Damaging a segment's file, byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from shmlimit import Limiter, segment

if TYPE_CHECKING:
    from collections.abc import Callable

MAGIC, ENVELOPE_VERSION, LAYOUT_VERSION, ABI_HASH, TOTAL_SIZE, BOOT_ID, SLOTS, PARTICIPANTS = (
    0,
    8,
    12,
    16,
    24,
    32,
    48,
    52,
)
ADMISSION = 128


def made(name: str, slots: int = 64) -> Path:
    """A segment that nobody is attached to; its path."""
    Limiter(name, limit=4, cooldown=0, slots=slots).close()
    return Path(segment.path_of(name))


def overwrite(path: Path, offset: int, new: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(new)


def flip(path: Path, offset: int) -> None:
    overwrite(path, offset, bytes([path.read_bytes()[offset] ^ 1]))


def number32(offset: int, value: int) -> Callable[[Path], None]:
    return lambda path: overwrite(path, offset, struct.pack("<I", value))


def number64(offset: int, value: int) -> Callable[[Path], None]:
    return lambda path: overwrite(path, offset, struct.pack("<Q", value))
