"""File systems that are full, small, read-only, noexec, mounted twice, or lack procfs."""

from __future__ import annotations

import errno
import logging
import os
import secrets
from pathlib import Path

import pytest

import shmlimit
from shmlimit import Limiter, SegmentIncompatible, segment, statefile
from tests.lifecycle.books import all_is_free
from tests.namespaces import container
from tests.support.processes import Worker, hear, say

SLOTS = 16
# What so many slots take, and a page: a segment and no second one.
ONE_SEGMENT = "size=80k,mode=0700"


@pytest.fixture(autouse=True)
def _permitted() -> None:
    container.need("mount")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a worker may mount something; here it stays an empty directory."""
    place = tmp_path / "mounted"
    place.mkdir(mode=0o700)
    return place


def _errno_of(step: str, name: str) -> object:
    """What came of it: an errno and what the error says, or None."""
    try:
        {"create": lambda: Limiter(name, limit=1, slots=SLOTS), "attach": lambda: Limiter(name)}[step]()
    except OSError as error:
        return [error.errno, str(error)]
    return None


def _use(limiter: Limiter) -> bool:
    return limiter.acquire(timeout=0).release()


def _fill(name: str, place: str) -> None:
    container.unshare("mount")
    container.mount_memory(Path(place), "size=64k,mode=0700")
    os.environ["SHMLIMIT_DIR"] = place
    say(_errno_of("create", name))
    say([os.listdir(place), shmlimit.limiters()])  # noqa: PTH208


def test_64_kib_of_shared_memory_are_too_few_and_nothing_is_left_in_them(name: str, place: Path) -> None:
    with Worker(_fill, name, str(place)) as worker:
        number, message = worker.hear()
        assert number == errno.ENOSPC
        assert name in message
        assert worker.hear() == [[], []]


def _exhaust(place: Path) -> None:
    """Take what space is left."""

    def fill() -> None:
        while True:
            (place / f"filler-{secrets.token_hex(8)}").write_bytes(bytes(4096))

    with pytest.raises(OSError, match="No space left"):
        fill()


def _fill_up(name: str, place: str) -> None:
    container.unshare("mount")
    container.mount_memory(Path(place), ONE_SEGMENT)
    os.environ["SHMLIMIT_DIR"] = place
    first = Limiter(name, limit=2, cooldown=0, slots=SLOTS)
    say(_errno_of("create", f"{name}-2"))
    _exhaust(Path(place))
    # Every page of the segment is there already: a full file system is nothing to it.
    permits = [first.acquire(timeout=0) for _ in range(2)]
    say([permit.release() for permit in permits])
    say(sorted(shmlimit.limiters()) == [name])


def test_shared_memory_that_fills_up_later_disturbs_nobody(name: str, place: Path) -> None:
    with Worker(_fill_up, name, str(place)) as worker:
        assert worker.hear()[0] == errno.ENOSPC
        assert worker.hear() == [True, True]
        assert worker.hear() is True


def _without_execution(name: str, place: str) -> None:
    container.unshare("mount")
    container.mount_memory(Path(place), "size=1m,mode=0700", container.NO_EXEC)
    os.environ["SHMLIMIT_DIR"] = place
    say(_use(Limiter(name, limit=1, cooldown=0)))


def test_shared_memory_that_allows_no_execution_will_do(name: str, place: Path) -> None:
    with Worker(_without_execution, name, str(place)) as worker:
        assert worker.hear() is True


def _read_only(name: str, place: str) -> None:
    container.unshare("mount")
    container.mount_memory(Path(place), "size=1m,mode=0700")
    os.environ["SHMLIMIT_DIR"] = place
    Limiter(name, limit=3, slots=SLOTS).close()
    container.mount_again(Path(place), flags=container.READ_ONLY)
    say([_errno_of("attach", name), _errno_of("create", f"{name}-2")])
    now = shmlimit.status(name)
    assert not isinstance(now, list)
    say(now.limit)


def test_shared_memory_that_is_read_only_can_be_read(name: str, place: Path) -> None:
    with Worker(_read_only, name, str(place)) as worker:
        for number, message in worker.hear():
            assert number == errno.EROFS
            assert name in message
        assert worker.hear() == 3


def _wait_at_another_mount(name: str, place: str) -> None:
    container.unshare("mount")
    container.mount_again(Path(segment.SHM_DIRECTORY), Path(place))
    os.environ["SHMLIMIT_DIR"] = place
    permit = Limiter(name).acquire(timeout=30, on_queued=lambda: say("queued"))
    say("held")
    hear()
    say(permit.release())


def test_shared_memory_at_another_mount_point_is_the_same_and_wakes_its_waiters(name: str, place: Path) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    permit = limiter.acquire()
    with Worker(_wait_at_another_mount, name, str(place)) as waiter:
        assert waiter.hear() == "queued"
        permit.release()
        assert waiter.hear() == "held"
        assert limiter.try_acquire() is None
        waiter.say()
        assert waiter.hear() is True
    all_is_free(limiter)
    assert limiter.status().counters.self_heals == 0


def _hide_procfs(name: str, place: str) -> None:
    container.unshare("mount")
    container.mount_memory(Path("/proc"), "size=4k")
    try:
        Limiter(name)
    except SegmentIncompatible as error:
        say(str(error))
    os.environ["SHMLIMIT_DIR"] = place
    say(_use(Limiter(name, limit=1, cooldown=0, slots=SLOTS)))
    with (limiter := Limiter(name)):
        say([holder.program for holder in limiter.status().holders])


def test_without_procfs_limiters_work_among_those_who_have_none(name: str, place: Path) -> None:
    Limiter(name, limit=1)
    with Worker(_hide_procfs, name, str(place)) as worker:
        assert "boot id" in worker.hear()
        assert worker.hear() is True
        assert worker.hear() == [""]


def _save_on(name: str, place: str, read_only: bool) -> None:
    container.unshare("mount")
    container.mount_memory(Path(place), "size=64k,mode=0700")
    os.environ["SHMLIMIT_STATE_DIR"] = place
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("shmlimit").addHandler(handler)
    limiter = Limiter(name)
    limiter.limit = 3
    if read_only:
        container.mount_again(Path(place), flags=container.READ_ONLY)
    else:
        _exhaust(Path(place))
    limiter.limit = 2
    saved = statefile.read(name)
    say([limiter.limit, saved and saved.limit, said, [one for one in os.listdir(place) if one.startswith(".")]])  # noqa: PTH208


@pytest.mark.parametrize("read_only", [False, True])
def test_settings_that_cannot_be_saved_are_in_force_and_those_saved_before_stay(
    name: str, place: Path, read_only: bool
) -> None:
    Limiter(name, limit=4)
    with Worker(_save_on, name, str(place), read_only) as worker:
        limit, saved, said, left = worker.hear()
    assert (limit, saved, left) == (2, 3, [])
    assert [line for line in said if name in line and "not saved" in line] == said
    assert len(said) == 1
