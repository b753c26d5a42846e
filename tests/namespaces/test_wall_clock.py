"""The wall clock is set, by a year in either direction, while everything is under way: nothing ends early or late."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shmlimit import AcquireTimeout, Limiter, settings
from shmlimit.usage import HttpUsage
from tests.lifecycle.books import all_is_free
from tests.support.processes import Worker, say, wait_for
from tests.support.workshop import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.workshop import Workshop

HERE = Path(__file__).parent
YEAR = 366 * 86400
LONG = 600.0
SHORT = 0.05
USAGE = HttpUsage("http://127.0.0.1:1/usage", in_flight="/active")


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """By how many seconds the worker's wall clock is ahead."""
    clock = tmp_path / "wall-clock"
    clock.write_bytes(struct.pack("=q", 0))
    return clock


@pytest.fixture(scope="session")
def shim(workshop: Workshop) -> Path:
    if missing := workshop.missing(PLAIN):
        pytest.skip(missing)
    library = workshop.directory / "wall_clock.so"
    workshop.compile(PLAIN, ["-shared", "-fPIC", "-o", library, HERE / "wall_clock.c"])
    return library


def _wait_in_vain(limiter: Limiter, jump: Callable[[], None]) -> bool:
    """For as long as it was asked to."""
    with limiter:
        begun = time.monotonic()
        try:
            limiter.acquire(timeout=SHORT, on_queued=jump)
        except AcquireTimeout:
            return time.monotonic() - begun >= SHORT
    return False


def _cool_for_long(limiter: Limiter, jump: Callable[[], None]) -> bool:
    limiter.cooldown = LONG
    limiter.acquire().release()
    jump()
    return limiter.try_acquire() is None and limiter.status().cooling == 1


def _cool_shortly(limiter: Limiter, jump: Callable[[], None]) -> bool:
    limiter.cooldown = SHORT
    limiter.acquire().release()
    jump()
    return limiter.acquire(timeout=LONG).release()


def _pause_for_long(limiter: Limiter, jump: Callable[[], None]) -> bool:
    limiter.pause(LONG)
    jump()
    until = limiter.status().paused_until
    return limiter.try_acquire() is None and until is not None and 0 < until - time.time() <= LONG + 1


def _pause_shortly(limiter: Limiter, jump: Callable[[], None]) -> bool:
    limiter.report_429(SHORT)
    jump()
    return limiter.acquire(timeout=LONG).release()


def _watch_for_long(limiter: Limiter, jump: Callable[[], None]) -> bool:
    limiter.slot_timeout = LONG
    permit = limiter.acquire()
    jump()
    return limiter.reap() == 0 and 0 <= permit.held_for < LONG and permit.release()


def _watch_shortly(limiter: Limiter, jump: Callable[[], None]) -> bool:
    limiter.slot_timeout = SHORT
    permit = limiter.acquire()
    jump()
    wait_for(limiter.reap)
    return permit.lost


def _sample(limiter: Limiter, jump: Callable[[], None]) -> bool:
    attachment = limiter._attachment
    assert attachment is not None
    assert attachment.elect_poller()
    census = attachment.census()
    assert attachment.write_sample(0, census["now_us"], 0)
    jump()
    usage = limiter.status().usage
    attachment.resign_poller()
    return usage.state == "live" and usage.age is not None and 0 <= usage.age < LONG


STEPS: dict[str, Callable[[Limiter, Callable[[], None]], bool]] = {
    "a wait in vain": _wait_in_vain,
    "a long cooldown": _cool_for_long,
    "a short cooldown": _cool_shortly,
    "a long pause": _pause_for_long,
    "a short pause": _pause_shortly,
    "a long slot time-out": _watch_for_long,
    "a short slot time-out": _watch_shortly,
    "a sample": _sample,
}


def _live_through(name: str, step: str, seconds: int) -> None:
    def jump() -> None:
        before = time.time()
        Path(os.environ["WALL_CLOCK"]).write_bytes(struct.pack("=q", seconds))
        assert abs(time.time() - before - seconds) < LONG, "the clock was not set"

    say(STEPS[step](Limiter(name), jump))


@pytest.mark.parametrize("ahead", [YEAR, -YEAR], ids=["ahead", "back"])
@pytest.mark.parametrize("step", STEPS)
def test_setting_the_wall_clock_changes_nothing(
    name: str, step: str, ahead: int, clock: Path, shim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = Limiter(name, limit=1, cooldown=0, usage=USAGE if step == "a sample" else None)
    monkeypatch.setenv("WALL_CLOCK", str(clock))
    with monkeypatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(shim))
        worker = Worker(_live_through, name, step, ahead)
    with worker:
        assert worker.hear() is True
        worker.end()
    limiter.resume()
    limiter.cooldown = 0
    if "long cooldown" not in step:
        wait_for(lambda: not limiter.status().cooling)
        all_is_free(limiter)


def test_a_creator_whose_file_somebody_took_for_abandoned_creates_it_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody whose wall clock jumped between the file's making and the look at its age."""
    formatted = []
    format_whole = settings.Settings.format

    def format_and_lose(self: settings.Settings, fd: int, path: str) -> None:
        format_whole(self, fd, path)
        formatted.append(path)
        if len(formatted) == 1:
            private = Path(os.readlink(f"/proc/self/fd/{fd}"))  # noqa: PTH115
            private.unlink()

    monkeypatch.setattr(settings.Settings, "format", format_and_lose)
    limiter = Limiter(name, limit=1, cooldown=0)
    assert len(formatted) == 2
    assert limiter.acquire(timeout=0).release()
