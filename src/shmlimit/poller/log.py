"""The log of a poller that was started on demand: a file that nobody else looks after."""

from __future__ import annotations

import logging
import os
import stat

SIZE_MAX = 1 << 20


class CappedLog(logging.Handler):
    """Appends to a file; one that has grown beyond 1 MiB is begun anew.

    Args:
        fd: The file, opened for appending; anything else than a regular file is just written to.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            now = os.fstat(self._fd)
            if stat.S_ISREG(now.st_mode) and now.st_size > SIZE_MAX:
                os.ftruncate(self._fd, 0)
            os.write(self._fd, f"{self.format(record)}\n".encode(errors="backslashreplace"))
        except OSError:
            self.handleError(record)
