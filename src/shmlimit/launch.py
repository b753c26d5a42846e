"""Starting the poller process of a limiter: detached, so that it outlives whoever was the first to wait."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from shmlimit import statefile

_LOG_SIZE_MAX = 1 << 20

# Started here and not yet known to have ended. The process started forks at once and ends; kept so that it is reaped.
_started: list[subprocess.Popen[bytes]] = []


def start_poller(name: str) -> None:
    """Start `python -m shmlimit.poller NAME`, without waiting for it; its output goes to NAME.poller.log.

    Only one of several pollers of a limiter polls, the others end at once, so starting one too many is harmless.
    """
    _started[:] = [process for process in _started if process.poll() is None]
    log = _open_log(name)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "shmlimit.poller", "--detach", name],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": _import_path()},
        )
    finally:
        if log != subprocess.DEVNULL:
            os.close(log)
    _started.append(process)


def _open_log(name: str) -> int:
    """A log that cannot be written (a full disk, a read-only home) must not keep the poller from running."""
    try:
        path = statefile.make_directory() / f"{name}.poller.log"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        if path.exists() and path.stat().st_size > _LOG_SIZE_MAX:
            flags |= os.O_TRUNC
        return os.open(path, flags, 0o600)
    except OSError:
        return subprocess.DEVNULL


def _import_path() -> str:
    """What can be imported here can be imported there: a usage source may name a module of the program's own."""
    return os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
