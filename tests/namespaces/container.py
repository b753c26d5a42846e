"""What a container has of its own: namespaces, mounts, a user. For a worker, which has one thread and is soon gone."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import say

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KINDS = {"mount": 0x00020000, "pid": 0x20000000, "time": 0x00000080, "user": 0x10000000}
READ_ONLY, NO_EXEC, REMOUNT, BIND = 1, 8, 32, 4096
_NO_SUID, _NO_DEV, _RECURSIVE, _PRIVATE = 2, 4, 16384, 1 << 18
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(*kinds: str) -> None:
    """Leave the namespaces of these kinds for new ones (pid and time: this process's children do).

    Raises:
        OSError: It is not permitted, or the kernel lacks them.
    """
    _check(_libc.unshare(sum(KINDS[kind] for kind in kinds)), f"unshare {' '.join(kinds)}")
    if "mount" in kinds:
        # What is mounted here from now on is seen here alone.
        _check(_libc.mount(None, b"/", None, _RECURSIVE | _PRIVATE, None), "mount --make-rprivate /")


def mount_memory(where: Path, options: str, flags: int = 0) -> None:
    """Mount a tmpfs with options like "size=64k"."""
    flags |= _NO_SUID | _NO_DEV
    _check(_libc.mount(b"tmpfs", bytes(where), b"tmpfs", flags, options.encode()), f"mount a tmpfs on {where}")


def mount_again(where: Path, at: Path | None = None, flags: int = 0) -> None:
    """Show a mounted directory at another place too, or the mount itself anew with these flags (READ_ONLY)."""
    kind = BIND if at else REMOUNT
    _check(_libc.mount(bytes(where), bytes(at or where), None, kind | flags, None), f"mount {where} again")


def _check(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def missing(*kinds: str) -> str:
    """Why this process cannot have such namespaces; empty: it can."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            unshare(*kinds)
        except OSError as error:
            os.write(writer, str(error.strerror).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as said:
        return said.read()


def need(*kinds: str) -> None:
    """Skip the test, saying why, where it cannot have such namespaces."""
    if why := missing(*kinds):
        pytest.skip(why)


def need_root() -> None:
    if os.geteuid():
        pytest.skip(f"only root can become another user, this is uid {os.geteuid()}")


def as_first_process(step: Callable[..., object], *args: object) -> None:
    """Say the pid of a child as it is seen here; the child does the step, as pid 1 if "pid" was unshared."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        say(child)
        os.write(writer, b"1")
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.read(reader, 1)
    os.close(reader)
    os.close(writer)
    step(*args)
    os._exit(0)
