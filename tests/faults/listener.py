"""System calls of one process, answered by another: a seccomp filter with a listener, by which the kernel asks first.

Unlike a library that is loaded before libc it sees the calls that libc makes for itself, and unlike a tracer it needs
no permission to trace. Only for x86-64, whose numbers of system calls are here.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NUMBERS = {
    "clone": 56, "clone3": 435, "execve": 59, "fallocate": 285, "fchmod": 91, "fcntl": 72, "fork": 57, "fstat": 5,
    "fsync": 74, "ftruncate": 77, "futex": 202, "getcwd": 79, "getdents64": 217, "getsid": 124, "lstat": 6,
    "madvise": 28, "mkdir": 83, "mmap": 9, "newfstatat": 262, "open": 2, "openat": 257, "pipe2": 293, "prlimit64": 302,
    "read": 0, "readlink": 89, "rename": 82, "renameat2": 316, "rt_sigtimedwait": 128, "stat": 4, "statx": 332,
    "unlink": 87, "unlinkat": 263, "vfork": 58, "wait4": 61, "write": 1,
}  # fmt: skip
NAMES = {number: name for name, number in NUMBERS.items()}

_SYS_SECCOMP = 317
_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER = 1
_NEW_LISTENER = 1 << 3
_RET_USER_NOTIF = 0x7FC00000
_RET_ALLOW = 0x7FFF0000
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_RECEIVE, _ANSWER = 0xC0502100, 0xC0182101
_CONTINUE = 1
# struct seccomp_notif: id, pid, flags, {nr, arch, instruction pointer, six arguments}.
_NOTICE = struct.Struct("=QIIiIQ6Q")
_REPLY = struct.Struct("=QqiI")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Call:
    """A system call that waits for its answer."""

    id: int
    pid: int
    name: str
    arguments: tuple[int, ...]


def listen(names: Iterable[str]) -> int:
    """Have this process's calls of these names, and its children's, wait for whoever has the descriptor returned."""
    numbers = [NUMBERS[name] for name in names]
    program = [(_LOAD_WORD, 0, 0, 0)]
    program += [(_JUMP_IF_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    program += [(_RETURN, 0, 0, _RET_ALLOW), (_RETURN, 0, 0, _RET_USER_NOTIF)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    descriptor = _libc.syscall(_SYS_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, header)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")
    return int(descriptor)


def receive(listener: int) -> Call | None:
    """The next call; None if whoever made it has ended meanwhile."""
    buffer = bytearray(_NOTICE.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, buffer)
    except FileNotFoundError:
        return None
    identity, pid, _, number, _, _, *arguments = _NOTICE.unpack(buffer)
    return Call(identity, pid, NAMES[number], tuple(arguments))


def answer(listener: int, call: Call, error: str | None) -> None:
    """Let the call go on to the kernel, or fail with an error like "ENOSPC" without having reached it."""
    code = getattr(errno, error) if error else 0
    reply = _REPLY.pack(call.id, 0, -code, 0 if error else _CONTINUE)
    try:
        fcntl.ioctl(listener, _ANSWER, bytearray(reply))
    except FileNotFoundError:
        return


def missing() -> str:
    """What this machine lacks; empty: nothing."""
    if platform.machine() != "x86_64":
        return f"the numbers of system calls are those of x86-64, this is {platform.machine()}"
    child = os.fork()
    if not child:
        try:
            listen(["getsid"])
        except OSError as error:
            os._exit(error.errno or 255)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return f"no seccomp filter with a listener here: {os.strerror(code)}" if code else ""
