"""Starting the poller process of a limiter: detached, so that it outlives whoever was the first to wait."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from shmlimit import statefile

_LOG_SIZE_MAX = 1 << 20

# The process started forks and ends at once, so that it can be waited for: the poller then has no parent here that
# would have to reap it.
_DETACH = "import os, sys; os.fork() or os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"


def start_poller(name: str) -> None:
    """Start `python -m shmlimit.poller NAME`, blocking some 20 ms; its output goes to NAME.poller.log.

    Only one of several pollers of a limiter polls, the others end at once, so starting one too many is harmless.

    Raises:
        OSError: It cannot be started.
    """
    if not sys.executable:
        raise FileNotFoundError(2, "no Python interpreter to run it with: sys.executable is empty")
    log = _open_log(name)
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _DETACH, "-m", "shmlimit.poller", "--on-demand", name],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": _import_path()},
        )
    finally:
        if log != subprocess.DEVNULL:
            os.close(log)


def _open_log(name: str) -> int:
    """A log that cannot be written (a full disk, a read-only home) must not keep the poller from running."""
    try:
        path = statefile.make_directory() / f"{name}.poller.log"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        if path.exists() and path.stat().st_size > _LOG_SIZE_MAX:
            flags |= os.O_TRUNC
        return os.open(path, flags, 0o600)
    except (OSError, RuntimeError):  # RuntimeError: this user has no home directory
        return subprocess.DEVNULL


def _import_path() -> str:
    """What can be imported here can be imported there: a usage source may name a module of the program's own."""
    return os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
