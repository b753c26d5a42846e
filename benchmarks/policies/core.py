"""The compiled core on virtual time: built from csrc/ for the laboratory, with its clock set by hand."""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.core.program import build
from shmlimit import _core
from shmlimit.poller.policy import Census

if TYPE_CHECKING:
    from collections.abc import Collection

    from typing_extensions import Self

_STALE_AFTER = 15.0
_USERS = 1024


class _Census(ctypes.Structure):
    _fields_ = [
        ("now_us", ctypes.c_uint64),
        ("visible_milli", ctypes.c_uint32),
        ("visible_count", ctypes.c_uint32),
        ("held_count", ctypes.c_uint32),
        ("waiters", ctypes.c_uint32),
        ("cool_us", ctypes.c_uint64),
        ("bell", ctypes.c_uint32),
    ]


class Core:
    """One segment at a time, whose every user is in this process; use it as a context manager around all of them."""

    def __enter__(self) -> Self:
        self._directory = tempfile.mkdtemp()
        self._library = ctypes.CDLL(str(self._compile()))
        self._admitted = (ctypes.c_uint32 * _USERS)()
        self._look_at_us = ctypes.c_uint64()
        return self

    def __exit__(self, *exc_info: object) -> None:
        shutil.rmtree(self._directory)

    def _compile(self) -> Path:
        return build(
            Path(__file__).with_name("core.c"),
            Path(self._directory) / "core.so",
            flags=("-shared", "-fPIC"),
            kit=("fake_os",),
            os_too=False,
        )

    def begin(self, limit: int, *, cooldown: float, settle: float, one_per_poll: bool, has_usage: bool) -> None:
        """Make a new segment; seconds."""
        flags = (_core.ONE_PER_POLL if one_per_poll else 0) | (_core.HAS_USAGE if has_usage else 0)
        times = (ctypes.c_uint64(_us(seconds)) for seconds in (cooldown, settle, _STALE_AFTER))
        self._library.core_begin(limit, *times, flags)

    def end(self) -> None:
        self._library.core_end()

    def set_now(self, now: float) -> None:
        self._library.core_set_now(ctypes.c_uint64(_us(now)))

    def enter(self, user: int, since: float) -> bool:
        """Acquire or queue; whether it is admitted."""
        return not self._library.core_enter(user, ctypes.c_int64(round(since * 1e9)))

    def look(self, waiters: Collection[int]) -> tuple[list[int], float]:
        """Which of these, who wait in this order, are admitted; and when to look again."""
        users = (ctypes.c_uint32 * len(waiters))(*waiters)
        n = self._library.core_look(users, len(waiters), self._admitted, ctypes.byref(self._look_at_us))
        return self._admitted[:n], self._look_at_us.value / 1e6

    def release(self, user: int) -> None:
        self._library.core_release(user)

    def census(self, foreign: float) -> tuple[Census, int]:
        """What the poller counts, as its loop makes a census of it, and the bell."""
        raw = _Census()
        self._library.core_census(ctypes.byref(raw))
        return Census(
            t0=raw.now_us / 1e6,
            visible_weight=raw.visible_milli / 1000,
            visible_count=raw.visible_count,
            held_count=raw.held_count,
            waiters=raw.waiters,
            cooled_at=-(-raw.cool_us // 1000) / 1000 if raw.cool_us else None,
            foreign=foreign,
        ), raw.bell

    def sample(self, gate_count: float, t0: float, count: float) -> None:
        self._library.core_sample(
            round(gate_count * 1000), *(ctypes.c_uint64(n) for n in (_us(t0), round(count * 1000)))
        )


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
