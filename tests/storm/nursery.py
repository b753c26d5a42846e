"""Where callers are born, and where those end up who lost their parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import traceback
from typing import NoReturn

from shmlimit import Limiter
from tests.storm import caller
from tests.support.processes import hear, say

_PR_SET_CHILD_SUBREAPER = 36


def nurse(directory: str, name: str, course: str) -> None:
    """In a process of its own: `["start", seed]` is answered with a pid, `["ended"]` with what has ended since.

    Nobody else waits for a child here, so a pid means the same process until the director was told of its end.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    # What children inherit, and must not share.
    inherited = Limiter(name)
    say(os.getpid())
    try:
        while True:
            match hear():
                case ["start", seed]:
                    sys.stdout.flush()
                    child = os.fork()
                    if not child:
                        _begin(directory, name, course, seed)
                    say(child)
                case ["ended"]:
                    say(list(_ended()))
                case word:
                    raise ValueError(f"{inherited!r}: {word!r}")
    finally:
        # Its director has gone without a word: so go all whom it started, in the session that it leads.
        os.killpg(os.getpid(), signal.SIGKILL)


def _begin(directory: str, name: str, course: str, seed: int) -> NoReturn:
    status = 1
    try:
        caller.run(directory, name, course, str(seed))
        status = 0
    except BaseException:  # noqa: BLE001  (the child of a fork must not go on in its parent's code)
        traceback.print_exc()
    finally:
        os._exit(status)


def _ended() -> list[tuple[int, int]]:
    """(pid, status) of those that have ended, and (0, 0) if some live on."""
    ended = []
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            ended.append((pid, status))
            if not pid:
                break
    return ended
