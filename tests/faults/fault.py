"""What a system call may fail with, and one such failure."""

from __future__ import annotations

import errno
from dataclasses import asdict, dataclass
from typing import Any

_OPENING = ("EMFILE", "ENFILE", "ENOMEM", "EACCES", "EPERM", "ENOENT", "EINTR", "EIO", "ENOSPC")
_LOOKING = ("EACCES", "ENOENT", "ENOMEM", "EIO")
_NAMING = ("EACCES", "EPERM", "ENOENT", "ENOSPC", "EROFS", "EIO", "ENOMEM")
_STARTING = ("EAGAIN", "ENOMEM")

PLAUSIBLE: dict[str, tuple[str, ...]] = {
    "clone": _STARTING,
    "clone3": _STARTING,
    "execve": ("ENOENT", "EACCES", "ENOMEM", "E2BIG", "EIO"),
    "fallocate": ("ENOSPC", "EINTR", "EOPNOTSUPP", "EIO", "ENOMEM", "EFBIG", "EPERM"),
    "fchmod": ("EPERM", "EIO", "EROFS"),
    "fcntl": ("ENOLCK", "EINTR", "EACCES", "EAGAIN", "EINVAL", "EMFILE", "ENOMEM"),
    "fork": _STARTING,
    "fstat": ("ENOMEM", "EIO"),
    "fsync": ("EIO", "ENOSPC", "EINTR"),
    "ftruncate": ("EIO", "EINTR", "EFBIG"),
    "futex": ("EINTR", "EAGAIN", "ENOSYS", "EPERM", "ENOMEM"),
    "getcwd": ("ENOENT", "ENOMEM"),
    "getdents64": ("EIO", "ENOENT", "ENOMEM"),
    "lstat": _LOOKING,
    "madvise": ("EINVAL", "ENOMEM", "EAGAIN"),
    "mkdir": (*_NAMING, "EEXIST"),
    "mmap": ("ENOMEM", "EAGAIN", "EPERM"),
    "newfstatat": _LOOKING,
    "open": _OPENING,
    "openat": (*_OPENING, "EEXIST", "ELOOP", "EROFS"),
    "pipe2": ("EMFILE", "ENFILE"),
    "prlimit64": ("EPERM",),
    "read": ("EIO", "EINTR", "ENOMEM"),
    "readlink": ("ENOENT", "EACCES", "EINVAL"),
    "rename": (*_NAMING, "EXDEV"),
    "renameat2": (*_NAMING, "EEXIST", "EINVAL"),
    "rt_sigtimedwait": ("EINTR", "EAGAIN"),
    "stat": _LOOKING,
    "statx": _LOOKING,
    "unlink": ("EACCES", "EPERM", "EIO", "ENOENT", "EROFS"),
    "unlinkat": ("EACCES", "EPERM", "EIO", "ENOENT", "EROFS"),
    "vfork": _STARTING,
    "wait4": ("EINTR",),
    "write": ("EIO", "ENOSPC", "EINTR", "EFBIG"),
}
# A caller may go on for ever as long as these come.
_TRANSIENT = ("EINTR", "EAGAIN")


@dataclass(frozen=True)
class Fault:
    """The failure of one call of an operation, or of all from it on.

    Attributes:
        call: Which system call.
        error: Its errno, by name.
        when: At which of the operation's calls of that name; 1: at the first.
        lasts: Whether all later ones fail too.
    """

    call: str
    error: str
    when: int
    lasts: bool = False

    def strikes(self, call: str, ordinal: int) -> bool:
        return call == self.call and (ordinal >= self.when if self.lasts else ordinal == self.when)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def errno(self) -> int:
        number: int = getattr(errno, self.error)
        return number

    def __str__(self) -> str:
        return f"{self.call}:{self.error}:{self.when}{'+' if self.lasts else ''}"


def faults(counts: dict[str, int]) -> list[Fault]:
    """Those of an operation that makes so many calls of each name."""
    return [
        Fault(call, error, when, lasts)
        for call, count in counts.items()
        for error in PLAUSIBLE[call]
        for when in range(1, count + 1)
        for lasts in (False, True)
        if not (lasts and error in _TRANSIENT)
    ]
