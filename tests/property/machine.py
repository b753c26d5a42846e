"""The Python API and the reference in lock step: each rule does one thing to both and compares what they say.

The core's clock cannot be set, so nothing here depends on short times: a duration is nothing or ten minutes, and before
and after whatever compares times, time passes until no clock can mistake their order.
"""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shmlimit import AcquireTimeout, Limiter, LimiterClosed, NeverAdmissible, QueueFull, _core, destroy, segment
from tests.poller.callers import Waiter
from tests.property.reference import FOR_EVER, Place, Reference, State
from tests.support.processes import HANG, wait_for

if TYPE_CHECKING:
    from shmlimit import Permit
    from tests.property.nursery import Child, Nursery

LONG = 600.0
# An example that takes longer, on a busy machine, is dropped: after 5 s a released slot needs no confirming sample.
_TOO_LONG = 4.0
# Between what is stamped before and after: more than the millisecond to which samples and reductions are kept.
_GAP = 0.002
_COARSE_CLOCK = 6  # CLOCK_MONOTONIC_COARSE, by which admissions are stamped

_examples = itertools.count()
picks = st.integers(0, 7)
weights = st.sampled_from([1, 1, 1, 2, 0.5, 0.25, 3])
priorities = st.sampled_from([0, 0, 1, -1])
sinces = st.sampled_from([100, 100, 50, 200])


@dataclass
class Own:
    """A permit of this process, or a caller that waits for one, and its place in the reference."""

    place: Place
    permit: Permit | None = None
    waiter: Waiter | None = None


@dataclass
class Other:
    """A child: what it has done so far, and what it waits for."""

    child: Child
    owner: int
    places: list[Place]
    waits: Place | None = None


class LimiterMachine(RuleBasedStateMachine):
    nursery: ClassVar[Nursery]

    def __init__(self) -> None:
        super().__init__()
        self.begun = time.monotonic()
        self.owns: list[Own] = []
        self.others: list[Other] = []
        self.owners = itertools.count(1)

    @initialize(
        limit=st.integers(0, 4),
        slots=st.integers(2, 7),
        cooldown=st.sampled_from([0.0, 0.0, LONG]),
        gate=st.sampled_from(["upstream", "upstream", "one-per-poll"]),
        on_stale=st.sampled_from([None, None, "open", "closed"]),
    )
    def create(self, limit: int, slots: int, cooldown: float, gate: str, on_stale: str | None) -> None:
        usage = on_stale and "tests.poller.sources:said"  # read by no poller: this process is elected
        self.name = f"test-{os.getpid()}-property-{next(_examples)}"
        self.limiter = Limiter(
            self.name,
            limit=limit,
            slots=slots,
            cooldown=cooldown,
            slot_timeout=None,
            gate=gate,
            on_stale=on_stale or "open",
            usage=usage,
        )
        self.poller = segment.attach(self.name)
        assert self.poller.elect_poller()
        self.poller.set_lag(0, 3600 * 10**6)
        self.reference = Reference(
            limit,
            slots,
            cooldown=FOR_EVER if cooldown else 0,
            one_per_poll=gate == "one-per-poll",
            closed_on_stale=on_stale == "closed",
            is_sampled=on_stale is not None,
        )
        self.limiters = [self.limiter]
        self.timeouts = self.granted = self.queued_grants = 0

    # ---- This process.

    @rule(weight=weights)
    def try_acquire(self, weight: float) -> None:
        answer = self.reference.enter(0, milli(weight))
        try:
            permit = self.limiter.try_acquire(weight=weight)
        except (NeverAdmissible, QueueFull) as error:
            self.agree(kind_of(error), answer)
            return
        self.agree("none" if permit is None else "held", said(answer))
        self.got(answer, permit)

    @rule(weight=weights, priority=priorities, since=sinces)
    def acquire(self, weight: float, priority: int, since: int) -> None:
        answer = self.reference.enter(0, milli(weight), priority, since, may_wait=True)
        if said(answer) == "waiting":
            self.queue_up(answer, weight=weight, priority=priority, since=since)
        else:
            self.acquire_without_waiting(answer, weight=weight, priority=priority, since=since)

    @rule(weight=weights, priority=priorities, since=sinces, timeout=st.sampled_from([0, 0.002]))
    def acquire_with_a_time_limit(self, weight: float, priority: int, since: int, timeout: float) -> None:
        answer = self.reference.enter(0, milli(weight), priority, since, may_wait=True)
        if isinstance(answer, Place) and answer.state is State.WAITING:
            self.reference.leave(answer)
            self.timeouts += 1
        self.acquire_without_waiting(answer, weight=weight, priority=priority, since=since, timeout=timeout)

    @precondition(lambda self: self.owns)
    @rule(pick=picks)
    def release(self, pick: int) -> None:
        own = self.picked(pick)
        if own.permit is not None:
            self.agree(own.permit.release(), self.reference.release(own.place))

    @precondition(lambda self: self.owns)
    @rule(pick=picks)
    def touch(self, pick: int) -> None:
        own = self.picked(pick)
        if own.permit is not None:
            self.agree(own.permit.touch(), self.reference.touch(own.place))

    @rule()
    def open_another(self) -> None:
        self.limiters.append(Limiter(self.name))
        self.limiter = self.limiters[-1]

    @precondition(lambda self: len(self.limiters) > 1)
    @rule()
    def close_it_twice(self) -> None:
        closed = self.limiters.pop()
        self.limiter = self.limiters[-1]
        closed.close()
        closed.close()
        assert closed.closed
        for use in (closed.try_acquire, closed.reap, closed.resume):
            try:
                use()
            except LimiterClosed:
                continue
            raise AssertionError(f"{use.__name__} of a closed limiter raises nothing")

    # ---- Settings.

    @rule(limit=st.integers(0, 5))
    def set_limit(self, limit: int) -> None:
        self.limiter.limit = limit
        self.reference.set_limit(limit)

    @rule(cooldown=st.sampled_from([0.0, LONG]))
    def set_cooldown(self, cooldown: float) -> None:
        self.limiter.cooldown = cooldown
        self.reference.cooldown = FOR_EVER if cooldown else 0

    @rule(seconds=st.sampled_from([0, LONG, None]))
    def pause(self, seconds: float | None) -> None:
        self.limiter.pause(seconds)
        self.reference.pause(0 if seconds == 0 else FOR_EVER)

    @rule()
    def resume(self) -> None:
        self.limiter.resume()
        self.reference.pause(0)

    @rule()
    def reset(self) -> None:
        self.limiter.reset()
        self.reference.reset()

    @rule(retry_after=st.sampled_from([0, 0, LONG]), pick=st.none() | picks)
    def report_429(self, retry_after: float, pick: int | None) -> None:
        own = None if pick is None or not self.owns else self.picked(pick)
        if own is not None and own.permit is None:
            return
        self.let_time_pass()
        self.agree(
            self.limiter.report_429(retry_after, own and own.permit),
            self.reference.refuse(FOR_EVER if retry_after else 0, own and own.place),
        )
        self.let_time_pass()

    @rule(count=st.sampled_from([0, 0, 1, 2, 4, 0.5, None]))
    def poll(self, count: float | None) -> None:
        self.let_time_pass()
        t0_us = int(_core.now() * 1e6)
        if count is None:
            assert self.poller.write_failure(t0_us, "no answer")
        else:
            assert self.poller.write_sample(milli(count), t0_us, milli(count))
        assert not self.poller.write_failure(t0_us, "late")
        self.reference.poll(None if count is None else milli(count))
        self.let_time_pass()

    # ---- Taking back.

    @rule()
    def reap(self) -> None:
        reaped = self.reference.reaped
        self.reference.reap()
        self.agree(self.limiter.reap(), self.reference.reaped - reaped)

    @rule(picked=st.sets(picks, max_size=3))
    def let_the_watchdog_take_all_but(self, picked: set[int]) -> None:
        self.let_time_pass()
        boundary = _core.now()
        self.let_time_pass()
        for pick in sorted(picked) if self.owns else ():
            self.touch(pick)
        begun = _core.now()
        self.limiter.slot_timeout = begun - boundary
        self.limiter.reap()
        self.limiter.slot_timeout = None
        took = _core.now() - begun
        if took > _GAP / 2:
            reject()  # by then it may have been too long for what was touched, too
        self.reference.reap(overdue=self.reference.now)

    # ---- Other processes.

    @precondition(lambda self: len(self.others) < 2)
    @rule()
    def start(self) -> None:
        self.others.append(Other(self.nursery.child(self.name), next(self.owners), []))

    @precondition(lambda self: self.idle())
    @rule(pick=picks, weight=weights, priority=priorities, since=sinces)
    def acquire_there(self, pick: int, weight: float, priority: int, since: int) -> None:
        other = self.idle()[pick % len(self.idle())]
        answer = self.reference.enter(other.owner, milli(weight), priority, since, may_wait=True)
        self.agree(other.child.ask("acquire", len(other.places), weight, priority, since), said_by_child(answer))
        if isinstance(answer, Place):
            other.places.append(answer)
            other.waits = answer if answer.state is State.WAITING else None
            self.granted += answer.state is State.HELD

    @precondition(lambda self: any(other.places for other in self.idle()))
    @rule(pick=picks, which=picks)
    def release_there(self, pick: int, which: int) -> None:
        others = [other for other in self.idle() if other.places]
        other = others[pick % len(others)]
        number = which % len(other.places)
        if other.places[number].admitted:
            self.agree(other.child.ask("release", number), self.reference.release(other.places[number]))

    @precondition(lambda self: any(other.places for other in self.idle()))
    @rule(pick=picks, which=picks)
    def fork_there(self, pick: int, which: int) -> None:
        others = [other for other in self.idle() if other.places]
        other = others[pick % len(others)]
        number = which % len(other.places)
        if not other.places[number].admitted:
            return
        owner = next(self.owners)
        answer = self.reference.enter(owner, 1000)
        if answer in ("never", "full"):
            reject()
        self.agree(other.child.ask("fork", number), [False, False, isinstance(answer, Place)])
        self.granted += isinstance(answer, Place)
        self.reference.kill(owner)

    @precondition(lambda self: any(other.waits for other in self.others))
    @rule(pick=picks)
    def interrupt(self, pick: int) -> None:
        others = [other for other in self.others if other.waits]
        other = others[pick % len(others)]
        assert other.waits is not None
        self.agree(other.child.interrupt(), "interrupted")
        self.reference.leave(other.waits)
        other.waits = None

    # A sample that a dead waiter was to use is spent, in the core; so not with one admission per sample.
    @precondition(lambda self: self.others and not self.reference.one_per_poll)
    @rule(pick=picks)
    def kill(self, pick: int) -> None:
        other = self.others.pop(pick % len(self.others))
        other.child.kill()
        self.reference.kill(other.owner)

    # ---- Comparing.

    @invariant()
    def they_agree(self) -> None:
        self.greet_the_admitted()
        expected = self.expected()
        if self.reference.dead or any(place.state is State.REFUSED for place in self.reference.places):
            # Waiters find the dead, and that they are too heavy, at their next tick.
            wait_for(lambda: self.found() == expected or self.is_late(), deadline=HANG / 2)
        self.agree(self.found(), expected)
        for own in self.owns:
            if own.permit is not None:
                # A permit that was released is not lost.
                assert not (own.permit.lost and own.place.state is State.HELD)
        wait_for(self.poller.audit)

    def found(self) -> dict[str, Any]:
        now = self.limiter.status()
        return {
            "limit": (now.limit, now.configured_limit, now.auto_reduced),
            "permits": (now.held, now.cooling, milli(now.in_flight), sorted(milli(one.weight) for one in now.holders)),
            "queue": [(one.priority, one.since, milli(one.weight)) for one in now.waiters],
            "room": (milli(now.foreign), milli(now.available or 0), now.paused, now.usage.state == "live"),
            "taken back": (now.counters.reaped, now.counters.watchdog),
            "counted": (now.counters.granted, now.counters.queued_grants, now.counters.timeouts),
            "refused": now.counters.rate_limited,
            "self_heals": 0 if self.reference.dead else now.counters.self_heals,
        }

    def expected(self) -> dict[str, Any]:
        now = self.reference
        held = now.all(State.HELD)
        return {
            "limit": (now.limit, now.configured, now.reduced_at > 0),
            "permits": (len(held), len(now.cooling), now.in_flight, sorted(place.weight for place in held)),
            "queue": [(place.priority, place.since, place.weight) for place in now.queue],
            "room": (now.foreign, max(0, now.cap - now.in_flight), now.is_paused, now.is_fresh),
            "taken back": (now.reaped, now.watchdog),
            "counted": (self.granted, self.queued_grants, self.timeouts),
            "refused": now.rate_limited,
            "self_heals": 0,
        }

    def greet_the_admitted(self) -> None:
        """Hear from those who wait no longer."""
        for own in self.owns:
            if own.waiter is not None and own.place.state is not State.WAITING:
                try:
                    own.permit = own.waiter.permit()
                except NeverAdmissible:
                    self.agree(State.REFUSED, own.place.state)
                own.waiter = None
                self.count(own.place)
        self.owns = [own for own in self.owns if own.permit or own.waiter]
        for other in self.others:
            if other.waits is not None and other.waits.state is not State.WAITING:
                self.agree(other.child.hear(), "held" if other.waits.state is State.HELD else "never")
                self.count(other.waits)
                other.waits = None

    def count(self, place: Place) -> None:
        self.granted += place.state is State.HELD
        self.queued_grants += place.state is State.HELD

    def agree(self, found: object, expected: object) -> None:
        if found != expected and self.is_late():
            reject()
        assert found == expected, f"found {found}, expected {expected}"

    def is_late(self) -> bool:
        return time.monotonic() - self.begun > _TOO_LONG

    # ---- What rules are made of.

    def idle(self) -> list[Other]:
        return [other for other in self.others if other.waits is None]

    def picked(self, pick: int) -> Own:
        return self.owns[pick % len(self.owns)]

    def let_time_pass(self) -> None:
        """Every stamp from here on is later than every stamp so far, by whichever clock."""
        over = time.monotonic() + _GAP
        wait_for(lambda: time.clock_gettime(_COARSE_CLOCK) > over)
        self.reference.now += 1

    def got(self, answer: object, permit: Permit | None) -> None:
        if isinstance(answer, Place):
            self.owns.append(Own(answer, permit))
            self.granted += 1

    def queue_up(self, answer: object, **options: Any) -> None:
        assert isinstance(answer, Place)
        waiter = Waiter(self.limiter, **options)
        self.owns.append(Own(answer, waiter=waiter))
        self.agree(waiter.is_admitted, False)

    def acquire_without_waiting(self, answer: object, **options: Any) -> None:
        options.setdefault("timeout", HANG / 2)
        try:
            permit = self.limiter.acquire(**options)
        except (NeverAdmissible, QueueFull, AcquireTimeout) as error:
            self.agree(kind_of(error), said(answer))
            return
        self.agree("held", said(answer))
        self.got(answer, permit)

    def teardown(self) -> None:
        if not hasattr(self, "reference"):
            return
        for other in self.others:
            other.child.kill()
        # Let everybody in who can be let in: who cannot notices the end a tick later.
        self.limiter.limit = 8000
        self.limiter.reset()
        later_us = int(_core.now() * 1e6) + 10**6
        if self.reference.closed_on_stale:
            self.poller.write_sample(0, later_us, 0)
        else:
            self.poller.write_failure(later_us, "the end")
        destroy(self.name, force=True)
        for own in self.owns:
            if own.waiter is not None:
                own.waiter.end()
            if own.permit is not None:
                own.permit.release()


def milli(permits: float) -> int:
    return round(permits * 1000)


def kind_of(error: Exception) -> str:
    return {NeverAdmissible: "never", QueueFull: "full", AcquireTimeout: "left"}[type(error)]


def said(answer: object) -> object:
    return answer.state.value if isinstance(answer, Place) else answer


def said_by_child(answer: object) -> object:
    return "queued" if said(answer) == "waiting" else said(answer)
