"""Waiting for blocked signals.

Not with signal.sigtimedwait: interrupted after its time, as by SIGSTOP and SIGCONT some seconds later, CPython's
returns what happened to be on its stack, and the command would get a signal that nobody has sent.
"""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

# At least as large as sigset_t and siginfo_t are anywhere.
_ROOM = 256
_INFO = struct.Struct("@iii4xi")  # si_signo, si_errno, si_code, si_pid

_libc = ctypes.CDLL(None)


class Arrival(NamedTuple):
    """A signal that has come: its number, how it was sent (si_code), and by which process."""

    signo: int
    code: int
    pid: int


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def await_signal(signals: Iterable[int], seconds: float) -> Arrival | None:
    """Block until one of these signals, which must be blocked, has come; None after so many seconds, or earlier."""
    wanted = ctypes.create_string_buffer(_ROOM)
    _libc.sigemptyset(wanted)
    for signo in signals:
        _libc.sigaddset(wanted, int(signo))
    info = ctypes.create_string_buffer(_ROOM)
    whole = int(seconds)
    limit = _Timespec(whole, int((seconds - whole) * 1e9))
    if _libc.sigtimedwait(wanted, info, ctypes.byref(limit)) < 0:
        return None
    signo, _, code, pid = _INFO.unpack_from(info)
    return Arrival(signo, code, pid)
