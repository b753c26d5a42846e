"""Segments as files: their names, where they are, creating, attaching, listing, removing.

A segment is created under a private name, filled in completely and only then given its own name, in one step. So there
is no half-made segment to see, and of two creators the slower attaches to the faster one's.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import posix_ipc

from shmlimit import _core
from shmlimit.errors import InvalidName, LimiterInUse, LimiterNotFound, ParticipantsFull, SegmentRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from shmlimit.settings import Settings

SHM_DIRECTORY = "/dev/shm"  # noqa: S108  (where shm_open puts them)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# A creator needs milliseconds; a private file this old, in seconds, was left by one that was killed.
_ABANDONED_AFTER = 60.0
_ATTEMPTS = 100

_open: WeakValueDictionary[str, _core.Attachment] = WeakValueDictionary()


def check_name(name: object) -> str:
    """Return the name if it can be a limiter's; else raise InvalidName."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise InvalidName(
        f"{name!r} cannot be a limiter's name; use 1 to 64 of the ASCII letters, digits and . _ -, "
        "the first a letter or digit"
    )


def directory() -> str:
    """Return the directory of all segments: SHMLIMIT_DIR, or /dev/shm."""
    chosen = os.environ.get("SHMLIMIT_DIR") or SHM_DIRECTORY
    if not chosen.startswith("/"):
        raise SegmentRefused(
            f"SHMLIMIT_DIR is {chosen!r}: expected an absolute path, which means the same in every process"
        )
    try:
        mode = Path(chosen).stat().st_mode
    except OSError as error:
        raise OSError(error.errno, f"SHMLIMIT_DIR: {error.strerror}", chosen) from None
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(20, "SHMLIMIT_DIR: not a directory", chosen)
    if mode & 0o022 and not mode & stat.S_ISVTX:
        raise SegmentRefused(
            f"{chosen}: others may write there (mode {mode & 0o7777:o}) and replace segments; "
            "use a directory with mode 0700"
        )
    return chosen


def path_of(name: str) -> str:
    """Return the segment's path. The uid is in it, so users cannot take each other's names."""
    return f"{directory()}/shmlimit.{os.geteuid()}.{check_name(name)}"


def names() -> list[str]:
    """Return the names of this user's segments, sorted."""
    prefix = f"shmlimit.{os.geteuid()}."
    found = (entry.name.removeprefix(prefix) for entry in os.scandir(directory()) if entry.name.startswith(prefix))
    return sorted(name for name in found if _NAME.fullmatch(name))


def attach(name: str) -> _core.Attachment:
    """Attach this process to the segment as a participant, once: later calls share the attachment.

    Raises:
        LimiterNotFound: There is no segment of that name.
    """
    path = path_of(name)
    attachment = _open.get(path)
    if attachment is None or not is_named(name, attachment):
        attachment = _open[path] = _core.Attachment(path)
    if attachment.flags() & _core.RETIRED:
        # Who destroys it has been killed before its name was gone, or is at it right now.
        attachment.remove()
        raise LimiterNotFound(f"{name!r} is being destroyed; create it again with a limit")
    return attachment


def observe(name: str) -> _core.Attachment:
    """Map the segment read-only, without becoming a participant."""
    return _core.Attachment(path_of(name), observer=True)


def is_named(name: str, attachment: _core.Attachment) -> bool:
    """Return whether the name still means the attached segment."""
    try:
        return Path(path_of(name)).stat().st_ino == attachment.inode
    except FileNotFoundError:
        return False


def create(name: str, settings: Settings) -> _core.Attachment | None:
    """Create the segment and attach to it; None if another process was first.

    Raises:
        OSError: ENOSPC where the file system is full; nothing is left behind.
    """
    path = path_of(name)
    _remove_abandoned(name)
    private = _private_path(name)
    fd = _create_private(private)
    try:
        _for_owner_alone(fd, path)
        settings.format(fd, path)
        attachment = _core.Attachment(private)
        if attachment.publish(path):
            _open[path] = attachment
            return attachment
    except FileNotFoundError:
        pass  # taken for abandoned and removed, by a process that saw the wall clock jump
    except BaseException:
        _unlink(private)
        raise
    finally:
        os.close(fd)
    _unlink(private)
    return None


def attach_or_create(name: str, settings: Callable[[], Settings]) -> tuple[_core.Attachment, bool]:
    """Attach, or create with settings that are asked for only then: (attachment, whether it was created)."""
    for _ in range(_ATTEMPTS):
        try:
            return attach(name), False
        except LimiterNotFound:
            if (attachment := create(name, settings())) is not None:
                return attachment, True
    raise LimiterNotFound(
        f"{name!r} could neither be attached to nor created, {_ATTEMPTS} times: others create and destroy it, or one "
        "who destroys it has stopped half-way; try again"
    )


def destroy(name: str, *, force: bool = False) -> None:
    """Remove the segment; see shmlimit.destroy."""
    path = path_of(name)
    try:
        attachment = _core.Attachment(path)
    except ParticipantsFull as full:
        if not force:
            raise LimiterInUse(f"{name!r} is in use: {full}") from None
        # Nobody can retire it: who is attached finds the name gone when there is no room at once.
        _unlink(path)
        return
    # The poller serves those who are attached: alone it is no reason to stay, and retiring ends it.
    poller = attachment.snapshot()[0]["poller_pid"]
    others = [pid for pid in attachment.living() if pid != poller]
    if others and not force:
        pids = ", ".join(str(pid) for pid in sorted(set(others))[:8])
        raise LimiterInUse(
            f"{name!r} is in use by {len(others)} attached participants (pid {pids}); "
            "end them, or force it: their next acquire then raises SegmentOrphaned"
        )
    attachment.remove()


def unlink(name: str) -> None:
    """Remove the file of a segment that cannot be attached to (corrupt, of another version)."""
    Path(path_of(name)).unlink()


def _private_path(name: str) -> str:
    return f"{directory()}/.shmlimit.{os.geteuid()}.{name}.{os.urandom(8).hex()}"


def _create_private(path: str) -> int:
    parent, file_name = os.path.split(path)
    if parent == SHM_DIRECTORY:
        # Its errors name neither errno nor file: the same again below says what is wrong.
        with contextlib.suppress(OSError, posix_ipc.Error):
            return int(posix_ipc.SharedMemory(f"/{file_name}", flags=posix_ipc.O_CREX, mode=0o600).fd)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _for_owner_alone(fd: int, path: str) -> None:
    """Whatever the umask and the directory's default access list say."""
    try:
        os.fchmod(fd, 0o600)
    except OSError as error:
        raise OSError(error.errno, f"fchmod: {error.strerror}", path) from None


def _remove_abandoned(name: str) -> None:
    prefix = f".shmlimit.{os.geteuid()}.{name}."
    for entry in os.scandir(directory()):
        random_part = entry.name.removeprefix(prefix)
        if entry.name.startswith(prefix) and re.fullmatch(r"[0-9a-f]{16}", random_part):
            try:
                if time.time() - entry.stat(follow_symlinks=False).st_ctime > _ABANDONED_AFTER:
                    _unlink(entry.path)
            except FileNotFoundError:
                continue


def _unlink(path: str) -> None:
    Path(path).unlink(missing_ok=True)
