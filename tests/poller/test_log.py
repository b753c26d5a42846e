from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from shmlimit.poller.log import SIZE_MAX, CappedLog

if TYPE_CHECKING:
    from pathlib import Path


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("any", logging.WARNING, "", 0, text, None, None)


def test_a_log_never_grows_beyond_its_size_by_more_than_a_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        log = CappedLog(fd)
        os.write(fd, b"x" * SIZE_MAX)
        log.emit(record("one more"))
        assert path.stat().st_size == SIZE_MAX + len("one more\n")
        log.emit(record("begun anew"))
        log.emit(record("and on"))
    finally:
        os.close(fd)
    assert path.read_text() == "begun anew\nand on\n"


def test_what_is_no_file_is_just_written_to() -> None:
    reader, writer = os.pipe()
    CappedLog(writer).emit(record("\udcff"))
    os.close(writer)
    with open(reader) as file:  # noqa: PTH123
        assert file.read() == "\\udcff\n"
