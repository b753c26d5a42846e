"""Forked children: what they inherit is the parent's, what they take is their own."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from shmlimit import Limiter, Permit
from tests.support.processes import Worker, hear, say


def _look(limiter: Limiter, inherited: Permit) -> dict[str, Any]:
    found: dict[str, Any] = {
        "touch": inherited.touch(),
        "lost": inherited.lost,
        "release": inherited.release(),
        "held": limiter.status().held,
    }
    own = limiter.try_acquire()
    found["pids"] = sorted(holder.pid for holder in limiter.status().holders)
    found["own"] = own is not None and own.release()
    found["pid"] = os.getpid()
    return found


def _fork_while_holding(name: str, generations: int) -> None:
    limiter = Limiter(name)
    permit = limiter.acquire()
    first = os.getpid()
    for _ in range(generations):
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            break
    else:
        say(_look(limiter, permit))
    if os.getpid() == first:
        say({"lost": permit.lost, "held": limiter.status().held, "release": permit.release(), "pid": first})
        return
    sys.stdout.flush()
    os._exit(0)


@pytest.mark.parametrize("generations", [1, 2, 3])
def test_an_inherited_permit_is_inert_and_the_child_takes_its_own(name: str, generations: int) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    with Worker(_fork_while_holding, name, generations) as worker:
        child, parent = worker.hear(), worker.hear()
        assert (child["touch"], child["lost"], child["release"]) == (False, True, False)
        assert child["held"] == 1
        assert child["pids"] == sorted([child["pid"], worker.pid])
        assert child["own"] is True
        assert parent == {"lost": False, "held": 1, "release": True, "pid": worker.pid}
        assert worker.end() == 0
    now = limiter.status()
    assert (now.in_flight, now.counters.self_heals, now.counters.reaped) == (0.0, 0, 0)


def _leave_by_the_front_door(name: str) -> None:
    limiter = Limiter(name)
    permit = limiter.acquire()
    child = os.fork()
    if not child:
        del permit  # collected here: the parent's all the same
        raise SystemExit(7)
    say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    say([limiter.status().held, permit.release()])


def test_a_child_that_exits_normally_releases_nothing_of_its_parents(name: str) -> None:
    Limiter(name, limit=2, cooldown=0)
    with Worker(_leave_by_the_front_door, name) as worker:
        assert worker.hear() == 7
        assert worker.hear() == [1, True]


def _fork_without_permit(name: str) -> None:
    limiter = Limiter(name)
    with limiter:
        pass
    child = os.fork()
    if not child:
        permit = limiter.acquire()
        say(os.getpid())
        hear()
        say(permit.release())
        os._exit(0)
    os.waitpid(child, 0)
    say(limiter.status().held)


def test_a_child_holds_and_releases_as_a_participant_of_its_own(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(_fork_without_permit, name) as worker:
        child = worker.hear()
        assert child != worker.pid
        assert [holder.pid for holder in limiter.status().holders] == [child]
        assert limiter.try_acquire() is None
        worker.say()
        assert worker.hear() is True
        assert worker.hear() == 0
    assert limiter.acquire(timeout=0).release()
