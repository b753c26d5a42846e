"""Time namespaces: one instant has one number in a segment, whatever the clocks of its users say."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from shmlimit import AcquireTimeout, Limiter, _core, segment
from tests.lifecycle.books import all_is_free
from tests.limiter.callers import queue_up
from tests.namespaces import container
from tests.support.processes import Worker, hear, say

YEAR = 366 * 86400
# No clock of a namespace can be set to before its beginning.
PAST = -int(time.monotonic() // 2)
CLOCKS = [("monotonic", YEAR), ("monotonic", PAST), ("boottime", YEAR), ("boottime", PAST)]
IDS = ["monotonic-ahead", "monotonic-behind", "boottime-ahead", "boottime-behind"]


@pytest.fixture(autouse=True)
def _permitted() -> None:
    container.need("time")


def _elsewhen(step: str, name: str, clock: str, offset: int) -> None:
    """Fork a child whose clock is ahead by the offset, and do the step there."""
    container.unshare("time")
    Path("/proc/self/timens_offsets").write_text(f"{clock} {offset} 0\n")
    container.as_first_process({"hold": _hold, "wait": _wait, "look": _look, "watch": _watch}[step], name)


def _now() -> None:
    say([_core.now(), time.monotonic()])


def _hold(name: str) -> None:
    _now()
    limiter = Limiter(name)
    permit = limiter.acquire(timeout=30, label="there")
    say(limiter.status().holders[0].age)
    hear()
    say(permit.release())


def _wait(name: str) -> None:
    _now()
    permit = Limiter(name).acquire(timeout=30, on_queued=lambda: say("queued"))
    say("held")
    hear()
    say(permit.release())


def _look(name: str) -> None:
    _now()
    limiter = Limiter(name)
    now = limiter.status()
    begun = time.monotonic()
    try:
        limiter.acquire(timeout=0.05)
    except AcquireTimeout:
        say([now.holders[0].age, now.paused, limiter.reap(), time.monotonic() - begun])


def _watch(name: str) -> None:
    _now()
    limiter = Limiter(name)
    limiter.pause(600)
    say([limiter.status().cooling, limiter.reap()])


def _agrees(said: list[float], offset: int) -> None:
    """The host's time was said, by a process whose own clock was another."""
    host, own = said
    assert 0 <= _core.now() - host < 3600
    assert abs(own - host - offset) < 60


@pytest.mark.parametrize(("clock", "offset"), CLOCKS, ids=IDS)
def test_times_in_the_segment_are_the_hosts(name: str, clock: str, offset: int) -> None:
    seen = offset if clock == "monotonic" else 0
    limiter = Limiter(name, limit=1, cooldown=0, slot_timeout=600)
    with Worker(_elsewhen, "hold", name, clock, offset) as holder:
        holder.hear()
        _agrees(holder.hear(), seen)
        assert 0 <= holder.hear() < 60
        assert 0 <= limiter.status().holders[0].age < 60
        assert limiter.reap() == 0  # the watchdog would take what is 600 s old
        holder.say()
        assert holder.hear() is True
    with limiter, Worker(_elsewhen, "look", name, clock, offset) as reader:
        reader.hear()
        _agrees(reader.hear(), seen)
        age, is_paused, reaped, waited = reader.hear()
        assert 0 <= age < 60
        assert (is_paused, reaped) == (False, 0)
        assert waited >= 0.05
    all_is_free(limiter)


@pytest.mark.parametrize(("clock", "offset"), CLOCKS[:2], ids=IDS[:2])
def test_a_waiter_with_another_clock_is_woken_and_wakes(name: str, clock: str, offset: int) -> None:
    limiter = Limiter(name, limit=1, cooldown=0.02)
    permit = limiter.acquire()
    with Worker(_elsewhen, "wait", name, clock, offset) as waiter:
        waiter.hear()
        _agrees(waiter.hear(), offset)
        assert waiter.hear() == "queued"
        permit.release()
        assert waiter.hear() == "held"
        here = queue_up(limiter)
        waiter.say()
        assert waiter.hear() is True
        here.permit().release()
    assert limiter.status().counters.self_heals == 0


@pytest.mark.parametrize(("clock", "offset"), CLOCKS[:2], ids=IDS[:2])
def test_a_cooldown_and_a_pause_last_as_long_for_everybody(name: str, clock: str, offset: int) -> None:
    limiter = Limiter(name, limit=2, cooldown=600)
    limiter.acquire().release()
    with Worker(_elsewhen, "watch", name, clock, offset) as worker:
        worker.hear()
        _agrees(worker.hear(), offset)
        assert worker.hear() == [1, 0]
    now = limiter.status()
    assert now.paused_until is not None
    assert 0 < now.paused_until - time.time() <= 600.5
    assert limiter.try_acquire() is None


def _move_the_children(name: str) -> None:
    """Attached here, and used in a child that is in another time namespace than its parent."""
    limiter = Limiter(name)
    with limiter:
        pass
    container.unshare("time")
    Path("/proc/self/timens_offsets").write_text(f"monotonic {YEAR} 0\n")
    container.as_first_process(_use_what_was_inherited, limiter)


def _use_what_was_inherited(limiter: Limiter) -> None:
    _now()
    permit = limiter.acquire(timeout=30)
    say(limiter.status().holders[0].age)
    permit.release()


def test_a_child_forked_into_another_time_namespace_reads_its_own_clock(name: str) -> None:
    Limiter(name, limit=1, cooldown=0)
    with Worker(_move_the_children, name) as worker:
        worker.hear()
        _agrees(worker.hear(), YEAR)
        assert 0 <= worker.hear() < 60
        assert worker.end() == 0
    assert segment.attach(name).audit()
    assert os.path.exists(segment.path_of(name))  # noqa: PTH110
