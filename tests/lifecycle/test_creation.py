"""Creating, removing and re-creating a segment, and where it may be."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import shmlimit
from shmlimit import (
    ConfigMismatchWarning,
    Limiter,
    LimiterInUse,
    LimiterNotFound,
    SegmentOrphaned,
    SegmentRefused,
    segment,
)
from tests.limiter.callers import queue_up
from tests.support.processes import HANG, IMPORTABLE, Worker, hear, say

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 100


def _create_and_hold(name: str, limit: int) -> None:
    import warnings

    warnings.simplefilter("ignore", ConfigMismatchWarning)
    for round_number in range(ROUNDS):
        hear()
        limiter = Limiter(f"{name}-{round_number}", limit=limit, cooldown=0)
        permit = limiter.try_acquire()
        say([limiter.limit, segment.attach(limiter.name).inode, permit is not None])
        hear()
        if permit is not None:
            permit.release()
        limiter.close()
        say("closed")


def test_of_two_creators_at_once_one_segment_stands(name: str) -> None:
    with Worker(_create_and_hold, name, 1) as one, Worker(_create_and_hold, name, 1) as other:
        for round_number in range(ROUNDS):
            own = f"{name}-{round_number}"
            one.say()
            other.say()
            (limit, inode, held), (other_limit, other_inode, other_held) = one.hear(), other.hear()
            assert limit == other_limit == 1
            assert inode == other_inode == Path(segment.path_of(own)).stat().st_ino
            assert [held, other_held].count(True) == 1
            one.say()
            other.say()
            assert one.hear() == other.hear() == "closed"
            shmlimit.destroy(own)
        assert one.end() == other.end() == 0
    assert not _private_files(name)


def test_a_late_removal_leaves_the_next_limiter_of_that_name(name: str) -> None:
    Limiter(name, limit=1, cooldown=0)
    late = segment.attach(name)
    shmlimit.destroy(name, force=True)
    limiter = Limiter(name, limit=2, cooldown=0)
    late.remove()
    assert name in segment.names()
    with limiter:
        assert limiter.limit == 2


def _private_files(name: str) -> list[str]:
    return [entry.name for entry in Path(segment.directory()).glob(f".shmlimit.*.{name}*")]


def test_the_first_creators_settings_stand_and_the_difference_is_told(name: str) -> None:
    Limiter(name, limit=4, cooldown=1.0, slot_timeout=60)
    for differing in ({"limit": 5}, {"limit": 4, "cooldown": 2.0}, {"limit": 4, "slot_timeout": None}, {"cooldown": 0}):
        key = list(differing)[-1]
        with pytest.warns(ConfigMismatchWarning, match=f"{key} .*not {differing[key]!r}"):
            later = Limiter(name, **differing)
        assert (later.limit, later.cooldown, later.slot_timeout) == (4, 1.0, 60.0)
    Limiter(name, limit=4, cooldown=1, slot_timeout=60)  # the same: no warning, which would be an error here


def test_a_limit_lowered_by_429s_is_no_mismatch(name: str) -> None:
    Limiter(name, limit=4).report_429(0)
    assert Limiter(name, limit=4).limit == 3


def test_the_file_is_for_its_owner_alone_and_fits_a_mebibyte(name: str) -> None:
    before = os.umask(0)
    try:
        Limiter(name, limit=4)
    finally:
        os.umask(before)
    found = Path(segment.path_of(name)).stat()
    assert found.st_mode & 0o7777 == 0o600
    assert found.st_size <= 2**20
    assert found.st_blocks * 512 >= found.st_size  # allocated, so that no store can fail later
    assert not _private_files(name)


def test_destroy_is_refused_while_in_use_and_changes_nothing(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with limiter:
        with pytest.raises(LimiterInUse, match=f"pid {os.getpid()}"):
            shmlimit.destroy(name)
        assert limiter.try_acquire() is None
    assert limiter.acquire(timeout=0).release()
    limiter.close()
    shmlimit.destroy(name)
    with pytest.raises(LimiterNotFound):
        shmlimit.destroy(name)
    assert name not in shmlimit.limiters()


def test_destroyed_by_force_acquirers_and_waiters_are_told_and_releases_work(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    waiter = queue_up(limiter)
    shmlimit.destroy(name, force=True)
    with pytest.raises(SegmentOrphaned, match="lost its name"):
        waiter.permit()
    for attempt in (limiter.acquire, limiter.try_acquire):
        with pytest.raises(SegmentOrphaned):
            attempt()
    assert holder.release()
    again = Limiter(name, limit=2, cooldown=0)
    assert again.limit == 2
    with again, pytest.raises(SegmentOrphaned):
        limiter.try_acquire()
    assert again.status().in_flight == 0


def test_destroyed_by_force_nobody_is_admitted_though_there_is_room(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    shmlimit.destroy(name, force=True)
    for attempt in (limiter.acquire, limiter.try_acquire):
        with pytest.raises(SegmentOrphaned):
            attempt()
    assert Limiter(name, limit=4).try_acquire().release()  # type: ignore[union-attr]


def test_unlinked_under_its_users_it_admits_nobody_who_has_to_look(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    holder = limiter.acquire()
    waiter = queue_up(limiter)
    Path(segment.path_of(name)).unlink()
    with pytest.raises(SegmentOrphaned):
        waiter.permit()
    with pytest.raises(SegmentOrphaned):
        limiter.acquire()
    assert holder.release()
    assert Limiter(name, limit=3).acquire(timeout=0).release()


def test_a_private_file_left_by_a_killed_creator_goes_when_it_is_old(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = Path(segment.directory())
    left = directory / f".shmlimit.{os.geteuid()}.{name}.0123456789abcdef"
    others = directory / f".shmlimit.{os.geteuid()}.{name}.x.0123456789abcdef"
    try:
        for path in (left, others):
            path.touch(mode=0o600)
        Limiter(name, limit=1).close()
        assert left.exists()  # too young: its creator may be at work
        shmlimit.destroy(name)
        monkeypatch.setattr(segment, "_ABANDONED_AFTER", -1.0)
        Limiter(name, limit=1)
        assert not left.exists()
        assert others.exists()  # of the limiter NAME.x
    finally:
        left.unlink(missing_ok=True)
        others.unlink(missing_ok=True)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    chosen = tmp_path / "segments"
    chosen.mkdir(mode=0o700)
    monkeypatch.setenv("SHMLIMIT_DIR", str(chosen))
    yield chosen
    monkeypatch.delenv("SHMLIMIT_DIR")


def test_another_directory_is_another_world(name: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = Limiter(name, limit=3, cooldown=0)
    assert [entry.name for entry in elsewhere.iterdir()] == [f"shmlimit.{os.geteuid()}.{name}"]
    assert shmlimit.limiters() == [name]
    assert limiter.acquire(timeout=0).release()
    limiter.close()
    monkeypatch.delenv("SHMLIMIT_DIR")
    with pytest.raises(LimiterNotFound):
        Limiter(name)
    monkeypatch.setenv("SHMLIMIT_DIR", str(elsewhere))
    shmlimit.destroy(name)
    assert not list(elsewhere.iterdir())


def test_a_missing_directory_says_so(name: str, elsewhere: Path) -> None:
    elsewhere.rmdir()
    with pytest.raises(FileNotFoundError, match="SHMLIMIT_DIR") as caught:
        Limiter(name, limit=1)
    assert str(elsewhere) in str(caught.value)
    assert not elsewhere.exists()


def test_a_file_for_a_directory_says_so(name: str, elsewhere: Path) -> None:
    elsewhere.rmdir()
    elsewhere.touch()
    with pytest.raises(NotADirectoryError, match="SHMLIMIT_DIR") as caught:
        Limiter(name, limit=1)
    assert str(elsewhere) in str(caught.value)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_directory_that_others_may_write_to_is_refused(name: str, elsewhere: Path, mode: int) -> None:
    elsewhere.chmod(mode)
    with pytest.raises(SegmentRefused, match=f"mode {mode:o}"):
        Limiter(name, limit=1)
    assert not list(elsewhere.iterdir())
    elsewhere.chmod(mode | 0o1000)  # sticky: nobody can replace another's file
    Limiter(name, limit=1).close()


_FULL = """
import os, subprocess, sys
directory = sys.argv[2]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", directory], check=True)
os.environ["SHMLIMIT_DIR"] = directory
from shmlimit import Limiter
try:
    Limiter(sys.argv[1], limit=1)
except OSError as error:
    print(error.errno, os.listdir(directory), error)
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="mounting a small tmpfs needs root and unshare"
)
def test_full_shared_memory_is_an_error_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([IMPORTABLE, os.environ.get("PYTHONPATH", "")])}
    small = tmp_path / "small"
    small.mkdir()
    unshare = ["unshare", "-m", "--propagation", "private"]
    if subprocess.run(
        [*unshare, "mount", "-t", "tmpfs", "tmpfs", str(small)], capture_output=True, check=False
    ).returncode:
        pytest.skip("mounting in a private namespace is not permitted here")
    found = subprocess.run(
        [*unshare, sys.executable, "-c", _FULL, name, str(small)],
        env=env, capture_output=True, text=True, timeout=HANG, check=True,
    )  # fmt: skip
    assert found.stdout.startswith(f"{errno.ENOSPC} [] "), found
    assert "No space left" in found.stdout
