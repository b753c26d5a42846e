"""status(): what is so, exactly; and reading it changes nothing."""

from __future__ import annotations

import json
import os
import time
from dataclasses import FrozenInstanceError, asdict, fields

import pytest

import shmlimit
from shmlimit import AcquireTimeout, Limiter, LimiterNotFound, Status, statefile
from shmlimit.status import Counters, UsageStatus, to_json
from tests.limiter.callers import queue_up

FIELDS = {
    "name", "limit", "configured_limit", "headroom", "in_flight", "held", "cooling", "queued", "foreign", "available",
    "paused", "paused_until", "cooldown", "slot_timeout", "gate", "on_stale", "auto_reduced", "auto_reduced_from",
    "notice", "usage", "poller", "counters", "blocked_by", "holders", "waiters",
}  # fmt: skip


def test_a_new_limiter_is_shown_with_the_defaults(name: str) -> None:
    assert Limiter(name, limit=4).status() == Status(
        name=name, limit=4, configured_limit=4, headroom=None, in_flight=0.0, held=0, cooling=0, queued=0, foreign=0.0,
        available=4.0, paused=False, paused_until=None, cooldown=0.35, slot_timeout=300.0, gate="upstream",
        on_stale="open",
        auto_reduced=False, auto_reduced_from=None, notice=None, poller=None,
        usage=UsageStatus(None, None, "off", None),
        counters=Counters(0, 0, 0, 0, 0, 0, 0), blocked_by=None, holders=(), waiters=(),
    )  # fmt: skip


def test_holders_and_waiters_are_shown_as_they_are(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=600)
    limiter.acquire(weight=0.5).release()
    began = time.monotonic()
    old = limiter.acquire(weight=2, label="old", priority=3)
    new = limiter.acquire(weight=1, timeout=0)
    low = queue_up(limiter, weight=2, since=5.25, label="low", timeout=1.5)
    high = queue_up(limiter, weight=3, priority=2, since=1e9, timeout=1.5)
    now = limiter.status()
    elapsed = time.monotonic() - began
    assert (now.held, now.cooling, now.queued) == (2, 1, 2)
    assert (now.in_flight, now.available, now.foreign) == (3.5, 0.5, 0.0)
    assert {(one.pid, one.label, one.weight, one.priority) for one in now.holders} == {
        (os.getpid(), "old", 2.0, 3),
        (os.getpid(), None, 1.0, 0),
    }
    assert [(one.pid, one.label, one.weight, one.priority, one.since) for one in now.waiters] == [
        (os.getpid(), None, 3.0, 2, 1e9),
        (os.getpid(), "low", 2.0, 0, 5.25),
    ]
    assert all(
        0 <= age <= elapsed + 0.02 for age in [*(one.age for one in now.holders), *(one.age for one in now.waiters)]
    )
    for caller in (low, high):
        with pytest.raises(AcquireTimeout):
            caller.permit()
    later = limiter.status()
    assert (later.queued, later.counters.timeouts, later.counters.granted, later.counters.queued_grants) == (0, 2, 3, 0)
    assert [old.release(), new.release()] == [True, True]


def test_blocked_by_names_why_the_head_waits(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=600)
    assert limiter.status().blocked_by is None
    first, second = limiter.acquire(), limiter.acquire()
    assert limiter.status().blocked_by is None  # full, but nobody waits
    waiter = queue_up(limiter)
    assert limiter.status().blocked_by == "full"
    first.release()
    assert limiter.status().blocked_by == "cooling"
    limiter.pause()
    assert limiter.status().blocked_by == "paused"
    limiter.limit = 0
    assert limiter.status().blocked_by == "paused"
    limiter.resume()
    limiter.limit = 5
    waiter.permit().release()
    second.release()
    assert limiter.status().blocked_by is None


def test_blocked_by_foreign_after_a_429_that_is_not_explained_by_ours(name: str) -> None:
    usage = {"kind": "http", "url": "http://127.0.0.1:1/v1/usage"}
    statefile.write(name, statefile.SavedState(limit=4, configured_limit=4, cooldown=0, usage=usage))
    limiter = Limiter(name, limit=4)
    limiter.report_429(0)
    permit, queued = limiter._enter(1, 0, 1, None)  # queued, but nobody waits, who would start a poller
    now = limiter.status()
    assert queued
    assert (now.blocked_by, now.foreign, now.available) == ("foreign", 4.0, 0.0)
    del permit
    assert limiter.status().queued == 0


def test_blocked_by_stale_while_a_limiter_that_closes_without_samples_has_none(name: str) -> None:
    usage = {"kind": "http", "url": "http://127.0.0.1:1/v1/usage"}
    statefile.write(name, statefile.SavedState(limit=4, configured_limit=4, cooldown=0, usage=usage))
    limiter = Limiter(name, limit=4, on_stale="closed")
    assert limiter.try_acquire() is None
    permit, queued = limiter._enter(1, 0, 1, None)  # queued, but nobody waits, who would start a poller
    now = limiter.status()
    assert queued
    assert (now.blocked_by, now.on_stale, now.usage.state, now.available) == ("stale", "closed", "stale", 0.0)
    del permit
    assert limiter.status().queued == 0


def test_to_dict_is_json_with_every_field(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    with limiter.permit(label="é"):
        limiter.pause()
        waiter = queue_up(limiter, timeout=0.3)
        now = limiter.status()
        with pytest.raises(AcquireTimeout):
            waiter.permit()
    document = json.loads(to_json(now.to_dict()))
    assert set(document) == FIELDS == {field.name for field in fields(Status)}
    assert set(document["counters"]) == set(asdict(now.counters))
    assert document["holders"][0]["label"] == "é"
    assert document["waiters"][0]["priority"] == 0
    assert json.loads(json.dumps(now.to_dict(), allow_nan=False)) == document


def test_a_reading_does_not_change(name: str) -> None:
    now = Limiter(name, limit=4).status()
    with pytest.raises(FrozenInstanceError):
        now.limit = 5  # type: ignore[misc]


def test_the_module_reads_without_taking_part(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    with limiter:
        reading = shmlimit.status(name)
        assert isinstance(reading, Status)
        assert (reading.name, reading.held, reading.limit) == (name, 1, 4)
        assert name in shmlimit.limiters()
        everything = shmlimit.status()
        assert isinstance(everything, list)
        assert [one.held for one in everything if one.name == name] == [1]
    limiter.close()
    shmlimit.status(name)
    shmlimit.destroy(name)  # the readings left no participant
    assert name not in shmlimit.limiters()
    with pytest.raises(LimiterNotFound, match=name):
        shmlimit.status(name)


def test_repr_is_a_reading(name: str) -> None:
    unlimited = Limiter(name, missing_ok=True)
    assert repr(unlimited) == f"<Limiter {name!r}, unlimited>"
    limiter = Limiter(name, limit=4, cooldown=0)
    with limiter.permit(weight=2.5):
        assert repr(limiter) == f"<Limiter {name!r}, 2.5/4>"
        waiter = queue_up(limiter, weight=2, timeout=0.3)
        assert repr(limiter) == f"<Limiter {name!r}, 2.5/4 with 1 waiting>"
        with pytest.raises(AcquireTimeout):
            waiter.permit()
