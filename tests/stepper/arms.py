"""What a doomed process carries: it records its way, or gets its signal at one instruction, by itself."""

from __future__ import annotations

import ctypes
import os
import re
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shmlimit
from shmlimit import _core, segment

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_ROOM = 1 << 19
_PACKAGE = str(Path(shmlimit.__file__).parent)


class _Text(ctypes.Structure):
    _fields_ = [("begin", ctypes.c_uint64), ("end", ctypes.c_uint64)]


class _Recorded(ctypes.Structure):
    _fields_ = [("offset", ctypes.c_uint32), ("state", ctypes.c_uint32), ("is_shared", ctypes.c_uint32)]


class Arms:
    """The compiled stepper, in this process."""

    def __init__(self, library: str) -> None:
        self._library = ctypes.CDLL(library)
        self._library.walk_end.restype = ctypes.c_uint64
        self._text = _text_of(_core.__file__)

    def walk(self, limiter: str, act: Callable[[], object], path: Path) -> object:
        """Act, and write the way through the extension to the file."""
        recorded = (_Recorded * _ROOM)()
        directory = segment.directory().encode()
        self._library.walk_begin(self._text, directory, limiter.encode(), recorded, ctypes.c_uint64(_ROOM))
        found = act()
        length = self._library.walk_end()
        assert length <= _ROOM
        path.write_bytes(bytes(memoryview(recorded)[:length]))
        return found

    def walk_python(self, limiter: str, act: Callable[[], object], path: Path) -> object:
        """Act, and write the way through the package's Python code to the file."""
        states: list[int] = []
        self._library.watch_begin(segment.directory().encode(), limiter.encode())

        def look() -> None:
            states.append((states[-1] if states else 0) + self._library.watch_look(1))

        found = _traced(act, look)
        path.write_bytes(b"".join(struct.pack("<iII", -1, state, True) for state in states))
        return found

    def stop_at(self, offset: int, n: int, signal_there: int) -> None:
        """The signal comes before the n-th execution of that instruction of the extension."""
        address = ctypes.c_uint64(self._text.begin + offset)
        assert self._library.stop_at(address, ctypes.c_uint64(n), signal_there) == 0

    def stop_in_python(self, n: int, signal_there: int, act: Callable[[], object]) -> object:
        """Act; the signal comes before the n-th instruction of the package's Python code."""
        left = n

        def count() -> None:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal_there)

        return _traced(act, count)


def _traced(act: Callable[[], object], before_each: Callable[[], None]) -> object:
    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if event == "call":
            frame.f_trace_opcodes = frame.f_code.co_filename.startswith(_PACKAGE)
            return trace if frame.f_trace_opcodes else None
        if event == "opcode":
            before_each()
        return trace

    sys.settrace(trace)
    try:
        return act()
    finally:
        sys.settrace(None)


def _text_of(file: str) -> _Text:
    for line in Path("/proc/self/maps").read_text().splitlines():
        if found := re.match(rf"(\w+)-(\w+) r-xp .* {re.escape(file)}$", line):
            return _Text(int(found[1], 16), int(found[2], 16))
    raise AssertionError(f"{file} is not mapped")
