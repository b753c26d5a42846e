"""What must outlive a segment: limit, headroom, cooldown and usage source, in one small file per limiter.

A reboot empties shared memory, `destroy` removes a segment; a limit that 429s have lowered stays lowered all the same,
until a person restores it. Written whole and atomically; a file that cannot be read counts as absent, and one that
cannot be written is reported in the log and stops nothing.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_log = logging.getLogger("shmlimit")
_SIZE_MAX = 65536
_DURATION_MAX = 366 * 86400.0


@dataclass(frozen=True)
class SavedState:
    """The settings that outlive a segment. limit is below configured_limit after 429s."""

    limit: int
    configured_limit: int
    cooldown: float
    usage: dict[str, Any] | None = None


def directory() -> Path:
    """Return SHMLIMIT_STATE_DIR, or `shmlimit` in the user's state directory (XDG_STATE_HOME, ~/.local/state).

    Raises:
        FileNotFoundError: This user has no home directory.
    """
    if chosen := os.environ.get("SHMLIMIT_STATE_DIR"):
        return Path(chosen)
    if base := os.environ.get("XDG_STATE_HOME"):
        return Path(base) / "shmlimit"
    try:
        return Path.home() / ".local" / "state" / "shmlimit"
    except RuntimeError:
        raise FileNotFoundError(2, "this user has no home directory; set SHMLIMIT_STATE_DIR") from None


def make_directory() -> Path:
    """Return the directory, made if it was missing, for this user alone."""
    path = directory()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def read(name: str) -> SavedState | None:
    """Return what was saved for the limiter; None if nothing was, or it cannot be read."""
    try:
        path = directory() / f"{name}.json"
        # O_NONBLOCK: a FIFO in its place would keep the caller for ever.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), encoding="utf-8") as file:  # noqa: PTH123
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("not a regular file")
            return _parse(json.loads(file.read(_SIZE_MAX)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        _log.warning("%s: ignored: %s", path, error)
        return None


def _parse(document: Any) -> SavedState:
    saved = SavedState(
        limit=document["limit"],
        configured_limit=document["configured_limit"],
        cooldown=document["cooldown"],
        usage=document["usage"],
    )
    if not (type(saved.limit) is int and type(saved.configured_limit) is int):
        raise ValueError("limits are not whole numbers")
    if not 0 <= saved.limit <= saved.configured_limit:
        raise ValueError(f"limit {saved.limit} is not from 0 to {saved.configured_limit}")
    if not _is_duration(saved.cooldown):
        raise ValueError(f"cooldown {saved.cooldown!r} is not a duration")
    if not (saved.usage is None or isinstance(saved.usage, dict)):
        raise ValueError("usage is not an object")
    return saved


def _is_duration(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, (int, float)) and 0 <= value <= _DURATION_MAX


def write(name: str, state: SavedState) -> bool:
    """Save it; False (and a line in the log) if that failed, with the old file as it was."""
    try:
        path = make_directory() / f"{name}.json"
        private = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
        try:
            fd = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123
                json.dump(asdict(state), file, indent=1)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            private.replace(path)
        except BaseException:
            private.unlink(missing_ok=True)
            raise
    except OSError as error:
        _log.warning("the settings of %r were not saved, a restart forgets them: %s", name, error)
        return False
    return True


def forget(name: str) -> bool:
    """Remove what was saved for the limiter; whether anything was."""
    try:
        (directory() / f"{name}.json").unlink()
    except FileNotFoundError:
        return False
    return True
