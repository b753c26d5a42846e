"""What is in lock step: a limiter, its reference, those who use both, and how the two are compared.

The core's clock cannot be set, so nothing here depends on short times: a duration is nothing or ten minutes, and before
and after whatever compares times, time passes until no clock can mistake their order.
"""

from __future__ import annotations

import itertools
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from hypothesis.stateful import RuleBasedStateMachine

from shmlimit import AcquireTimeout, Limiter, NeverAdmissible, QueueFull, _core, destroy, segment
from tests.poller.callers import Waiter
from tests.property.reference import FOR_EVER, Place, Reference, State
from tests.support.processes import HANG, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from shmlimit import Permit
    from tests.property.nursery import Child, Nursery

LONG = 600.0
# A sampled example that takes longer, on a busy machine, is dropped: after 5 s a released slot needs no sample.
_TOO_LONG = 4.0
# Between what is stamped before and after: more than the millisecond to which samples and reductions are kept.
GAP = 0.002
_COARSE_CLOCK = 6  # CLOCK_MONOTONIC_COARSE, by which admissions are stamped

_examples = itertools.count()


@dataclass
class Own:
    """A permit of this process, or a caller that waits for one, and its place in the reference."""

    place: Place
    permit: Permit | None = None
    waiter: Waiter | None = None
    is_released: bool = False


@dataclass
class Other:
    """A child: what it has done so far, and what it waits for."""

    child: Child
    owner: int
    places: list[Place]
    waits: Place | None = None


Rule = TypeVar("Rule", bound="Callable[..., None]")


class TooLate(Exception):
    """On a busy machine so much time has passed that the reference no longer knows what the limiter must answer."""


def told(step: Rule) -> Rule:
    """A rule that a failure tells of: what hangs on a race may go well when it is done again.

    When it is too late the example goes on without effect: Hypothesis must not see that it hangs on time.
    """

    @wraps(step)
    def tell(machine: Lockstep, **arguments: Any) -> None:
        if machine.is_over:
            return
        machine.story.append(f"{step.__name__}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})")
        try:
            step(machine, **arguments)
            machine.compare()
        except TooLate:
            machine.is_over = True

    return cast("Rule", tell)


class Lockstep(RuleBasedStateMachine):
    nursery: ClassVar[Nursery]

    def __init__(self) -> None:
        super().__init__()
        self.begun = time.monotonic()
        self.is_over = False
        self.story: list[str] = []
        self.owns: list[Own] = []
        self.others: list[Other] = []
        self.owners = itertools.count(1)

    def begin(self, limit: int, slots: int, cooldown: float, gate: str, on_stale: str | None) -> None:
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

    # ---- Comparing.

    def compare(self) -> None:
        self.greet_the_admitted()
        expected = self.expected()
        if self.reference.dead or any(place.state is State.REFUSED for place in self.reference.places):
            # Waiters find the dead, and that they are too heavy, at their next tick.
            with suppress(AssertionError):
                wait_for(lambda: self.found() == expected or self.is_late(), deadline=HANG / 2)
        self.agree(self.found(), expected)
        for own in self.owns:
            if own.permit is not None:
                self.agree(own.permit.lost, own.place.state is not State.HELD and not own.is_released)
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
            raise TooLate
        story = "\n".join(self.story)
        assert found == expected, f"found {found}, expected {expected} after\n{story}"

    def is_late(self) -> bool:
        return self.reference.sample is not None and time.monotonic() - self.begun > _TOO_LONG

    # ---- What rules are made of.

    def let_time_pass(self) -> None:
        """Every stamp from here on is later than every stamp so far, by whichever clock."""
        over = time.monotonic() + GAP
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
    kinds: dict[type[Exception], str] = {NeverAdmissible: "never", QueueFull: "full", AcquireTimeout: "left"}
    return kinds[type(error)]


def said(answer: object) -> object:
    return answer.state.value if isinstance(answer, Place) else answer
