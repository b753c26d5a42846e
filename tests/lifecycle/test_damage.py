"""No bytes and no file in a segment's place mislead, crash or hang: each is a documented error and changes nothing."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import shmlimit
from shmlimit import Limiter, SegmentCorrupt, SegmentIncompatible, SegmentRefused, segment
from tests.lifecycle import segments
from tests.lifecycle.segments import flip, made, number32, number64

if TYPE_CHECKING:
    from collections.abc import Callable


def _refuses_everywhere(name: str, kind: type[Exception], text: str) -> None:
    """Attaching, creating and reading: each says what is wrong."""
    for attempt in (
        lambda: Limiter(name),
        lambda: Limiter(name, limit=4),
        lambda: Limiter(name, missing_ok=True),
        lambda: shmlimit.status(name),
        lambda: shmlimit.destroy(name),
    ):
        with pytest.raises(kind, match=text) as caught:
            attempt()
        assert segment.path_of(name) in str(caught.value)


@pytest.mark.parametrize("byte", range(8))
def test_any_wrong_byte_of_the_magic_is_corrupt(name: str, byte: int) -> None:
    flip(made(name), segments.MAGIC + byte)
    _refuses_everywhere(name, SegmentCorrupt, "magic")


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (number32(segments.ENVELOPE_VERSION, 0), "envelope version is 0, expected 1"),
        (number32(segments.ENVELOPE_VERSION, 2), "envelope version is 2, expected 1"),
        (number32(segments.LAYOUT_VERSION, 1), "layout version is 1, expected 2"),
        (number32(segments.LAYOUT_VERSION, 3), "layout version is 3, expected 2"),
        (number64(segments.ABI_HASH, 1), "ABI hash is 1, expected"),
        (number64(segments.BOOT_ID, 1), "boot id"),
        (number64(segments.BOOT_ID + 8, 1), "boot id"),
    ],
)
def test_another_version_is_incompatible(name: str, damage: Callable[[Path], None], text: str) -> None:
    damage(made(name))
    _refuses_everywhere(name, SegmentIncompatible, text)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (number64(segments.TOTAL_SIZE, 0), "total size is 0"),
        (number64(segments.TOTAL_SIZE, 2**64 - 1), "total size"),
        (number32(segments.SLOTS, 0), "slots is 0"),
        (number32(segments.SLOTS, 8193), "slots is 8193"),
        (number32(segments.SLOTS, 2**32 - 1), "slots is"),
        (number32(segments.SLOTS, 63), "total size"),
        (number32(segments.SLOTS, 8192), "total size"),
        (number32(segments.PARTICIPANTS, 1023), "participants is 1023, expected 1024"),
        (number64(segments.ADMISSION, 1000), "1000"),  # a permit that no slot has
        (number64(segments.ADMISSION, 7 << 25), "expected"),  # no such operation
    ],
)
def test_impossible_numbers_are_corrupt(name: str, damage: Callable[[Path], None], text: str) -> None:
    damage(made(name))
    _refuses_everywhere(name, SegmentCorrupt, text)


@pytest.mark.parametrize("size", [0, 1, 63, 64, 4096, 8191, 8192, 9000, -64, -1])
def test_a_truncated_file_is_corrupt(name: str, size: int) -> None:
    path = made(name)
    os.truncate(path, size if size >= 0 else path.stat().st_size + size)
    _refuses_everywhere(name, SegmentCorrupt, "file size is")


@pytest.mark.parametrize("filling", [b"\x00", b"\xff"])
def test_a_file_of_one_byte_repeated_is_corrupt(name: str, filling: bytes) -> None:
    path = made(name)
    path.write_bytes(filling * path.stat().st_size)
    _refuses_everywhere(name, SegmentCorrupt, "magic")


def test_random_bytes_anywhere_are_an_error_or_harmless(name: str) -> None:
    path = made(name, slots=8)
    whole = path.read_bytes()
    chance = random.Random(1)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(4):
            damaged[chance.choice([chance.randrange(256), chance.randrange(len(whole))])] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            limiter = Limiter(name)
            if (permit := limiter.try_acquire()) is not None:
                permit.release()
            limiter.status()
            limiter.close()
        except shmlimit.ShmlimitError:
            refused += 1
    assert refused > 50
    path.write_bytes(whole)
    assert Limiter(name).acquire(timeout=0).release()


def test_a_damaged_segment_is_removed_only_by_force(name: str) -> None:
    path = made(name)
    flip(path, 0)
    with pytest.raises(SegmentCorrupt, match="--force"):
        shmlimit.destroy(name)
    assert path.exists()
    shmlimit.destroy(name, force=True)
    assert not path.exists()
    assert Limiter(name, limit=4).limit == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_a_file_of_another_owner_is_refused(name: str) -> None:
    path = made(name)
    os.chown(path, 12345, -1)
    _refuses_everywhere(name, SegmentRefused, "owner uid is 12345, expected 0")
    assert path.exists()


@pytest.mark.parametrize("mode", [0o666, 0o640, 0o604, 0o620, 0o610])
def test_a_file_that_others_may_use_is_refused(name: str, mode: int) -> None:
    made(name).chmod(mode)
    _refuses_everywhere(name, SegmentRefused, f"file mode is {mode:o}, expected 600")


def test_a_symbolic_link_is_refused(name: str, tmp_path: Path) -> None:
    path = made(name)
    target = tmp_path / "elsewhere"
    target.write_bytes(path.read_bytes())
    target.chmod(0o600)
    path.unlink()
    path.symlink_to(target)
    _refuses_everywhere(name, SegmentRefused, "file kind is 120000, expected 100000")
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    _refuses_everywhere(name, SegmentRefused, "file kind is 120000")
    assert not (tmp_path / "nowhere").exists()


def test_a_file_with_two_names_is_refused(name: str) -> None:
    path = made(name)
    second = path.with_name(f"{path.name}.second")
    second.hardlink_to(path)
    try:
        _refuses_everywhere(name, SegmentRefused, "link count is 2, expected 1")
    finally:
        second.unlink()
    assert Limiter(name).limit == 4


def test_a_fifo_is_refused_without_waiting_for_a_writer(name: str) -> None:
    path = Path(segment.path_of(name))
    os.mkfifo(path, 0o600)
    _refuses_everywhere(name, SegmentRefused, "file kind is 10000, expected 100000")


def test_a_directory_is_refused(name: str) -> None:
    path = Path(segment.path_of(name))
    path.mkdir()
    try:
        for arguments in ({}, {"limit": 1}):
            with pytest.raises((SegmentRefused, IsADirectoryError)) as caught:
                Limiter(name, **arguments)  # type: ignore[arg-type]
            assert str(path) in str(caught.value)
    finally:
        path.rmdir()
