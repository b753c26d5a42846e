"""A 429 reported when its permit is no longer held: still of the overshoot that it belonged to."""

from __future__ import annotations

from shmlimit import Limiter
from tests.support.processes import wait_for


def test_one_overshoot_reported_after_the_release_of_its_permits_lowers_once(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    permits = [limiter.acquire() for _ in range(4)]
    for permit in permits:
        permit.release()
    assert [limiter.report_429(0, permit) for permit in permits] == [True, False, False, False]
    assert limiter.limit == 3


def test_one_overshoot_is_one_event_though_its_slots_have_new_holders(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0, slots=4)
    stuck = [limiter.acquire() for _ in range(4)]
    limiter.slot_timeout = 0.001
    wait_for(lambda: limiter.reap() + limiter.status().counters.watchdog >= 4)
    limiter.slot_timeout = None
    later = [limiter.acquire(timeout=0) for _ in range(4)]  # in the same slots
    assert limiter.report_429(0, later[0])
    assert limiter.report_429(0, stuck[0]) is False
    assert [permit.release() for permit in later] == [True] * 4


def test_a_permit_of_another_limiter_is_no_excuse(name: str) -> None:
    limiter = Limiter(name, limit=4, cooldown=0)
    unlimited = Limiter(f"{name}-other", missing_ok=True).acquire()
    assert [limiter.report_429(0, unlimited) for _ in range(2)] == [True, True]
    unlimited.release()
