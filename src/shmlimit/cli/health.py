"""What `shmlimit doctor` looks at: the host, and each segment; every check is one finding."""

from __future__ import annotations

import os
import platform
import re
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from shmlimit import segment, settings, statefile
from shmlimit.errors import LimiterNotFound, ShmlimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

Level = Literal["ok", "warning", "FAILED"]
# Of what `doctor` creates for a moment: the smallest there is.
_TRIAL = settings.Settings(
    headroom=None,
    limit=1,
    configured_limit=1,
    cooldown=0.0,
    slot_timeout=None,
    gate="upstream",
    on_stale="open",
    slots=1,
    usage=None,
)
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_KERNEL_MIN = (5, 4)
# A segment of the default size takes less than this many bytes.
_SPACE_MIN = 1 << 20
_MEMORY_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs", "hugetlbfs"})


class Finding(NamedTuple):
    """The outcome of one check, with what to do about it."""

    level: Level
    text: str


def examine(name: str | None) -> Iterator[Finding]:
    """Check the host, then the limiter (None: all), without blocking; what is there is left as it is.

    Raises:
        LimiterNotFound: There is no limiter of that name.
    """
    if name is not None and name not in segment.names():
        raise LimiterNotFound(f"no limiter {name!r} here; `shmlimit status` lists those there are")
    yield _kernel()
    yield from _directory()
    yield _trial()
    yield _state_directory()
    names = segment.names() if name is None else [name]
    for one in names:
        yield _segment(one)
    if not names:
        yield Finding("ok", "no limiters yet")
    yield from _removed_but_used()


def _kernel() -> Finding:
    release = platform.release()
    found = tuple(int(number) for number in re.findall(r"\d+", release)[:2])
    if platform.system() != "Linux" or found < _KERNEL_MIN:
        return Finding("FAILED", f"kernel: {platform.system()} {release}; shmlimit needs Linux 5.4 or later")
    return Finding("ok", f"kernel: Linux {release}")


def _directory() -> Iterator[Finding]:
    try:
        directory = segment.directory()
        mode = stat.S_IMODE(Path(directory).stat().st_mode)
        space = os.statvfs(directory)
    except (OSError, ShmlimitError) as error:
        yield Finding("FAILED", f"directory of segments: {error}")
        return
    kind = _file_system_of(directory)
    where = f"directory of segments: {directory} (mode {mode:04o}, {kind or 'unknown file system'})"
    if kind in _MEMORY_FILE_SYSTEMS:
        yield Finding("ok", where)
    else:
        yield Finding("warning", f"{where}; segments on a disk are slow and outlive a restart: use a tmpfs")
    free = space.f_bavail * space.f_frsize
    text = f"free space: {free / (1 << 20):.1f} MiB in {directory}"
    if free < _SPACE_MIN:
        yield Finding("FAILED", f"{text}; a limiter needs 1 MiB: remove files there, or enlarge it")
    else:
        yield Finding("ok", text)
    left = _private_files(directory)
    if left:
        yield Finding(
            "warning",
            f"{len(left)} private files of creators that were killed, in {directory}; remove {', '.join(left)}",
        )


def _file_system_of(directory: str) -> str | None:
    """The type of the file system that a directory is on, as the kernel lists it."""
    device = Path(directory).stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) > 2 and fields[2] == wanted and "-" in fields:
            return fields[fields.index("-") + 1]
    return None


def _private_files(directory: str) -> list[str]:
    pattern = re.compile(rf"\.shmlimit\.{os.geteuid()}\.{_NAME}\.[0-9a-f]{{16}}")
    return sorted(entry.name for entry in os.scandir(directory) if pattern.fullmatch(entry.name))


def _trial() -> Finding:
    """Attaching proves that locks and futexes work; so a limiter of its own is created, and removed at once."""
    name = f"doctor-{secrets.token_hex(8)}"
    what = "shared memory, locks and futexes"
    try:
        segment.create(name, _TRIAL)
        segment.destroy(name, force=True)
    except (OSError, ShmlimitError) as error:
        return Finding("FAILED", f"{what}: {error}")
    return Finding("ok", f"{what}: a limiter can be created and removed")


def _state_directory() -> Finding:
    path = statefile.directory()
    # It is made when it is needed: what matters is the part of the path that is there.
    nearest = next((one for one in (path, *path.parents) if os.path.lexists(one)), path)
    if not os.path.isdir(nearest) or not os.access(nearest, os.W_OK | os.X_OK):  # noqa: PTH112 (Path's raises EACCES)
        return Finding(
            "warning",
            f"saved settings: {path} cannot be written; a restart forgets limits that 429s lowered: "
            "make it writable, or name another in SHMLIMIT_STATE_DIR",
        )
    return Finding("ok", f"saved settings: {path}")


def _segment(name: str) -> Finding:
    try:
        attachment = segment.attach(name)
        consistent = attachment.audit()
        n_participants = len(attachment.living())
        named = segment.is_named(name, attachment)
    except (OSError, ShmlimitError) as error:
        return Finding("FAILED", f"limiter {name}: {error}; `shmlimit destroy {name} --force` removes it")
    if not consistent:
        return Finding(
            "FAILED",
            f"limiter {name}: its sum does not agree with its slots; end what uses it, then "
            f"`shmlimit destroy {name} --force` and create it again",
        )
    if not named:
        return Finding("warning", f"limiter {name}: was removed or replaced meanwhile; look again")
    others = "1 participant" if n_participants == 1 else f"{n_participants} participants"
    return Finding("ok", f"limiter {name}: consistent, {others}")


def _removed_but_used() -> Iterator[Finding]:
    """A process that still uses a removed segment would go its own way beside a new one of that name."""
    pattern = re.compile(rf"/shmlimit\.{os.geteuid()}\.({_NAME}) \(deleted\)$", re.MULTILINE)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            names = set(pattern.findall((entry / "maps").read_text(errors="replace")))
        except OSError:
            continue  # ended meanwhile, or another user's
        for name in sorted(names - {""}):
            if not name.startswith("doctor-"):
                yield Finding(
                    "warning", f"limiter {name}: pid {entry.name} uses a segment that was removed; restart it"
                )
