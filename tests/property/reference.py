"""The limiter as one caller at a time sees it: what csrc does with words, helpers and futexes, in plain arithmetic.

Time is a number that the caller moves on. Weights are in thousandths. What takes a tick happens at once here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

FOR_EVER = 10**9


class State(Enum):
    WAITING = "waiting"
    HELD = "held"
    COOLING = "cooling"
    LEFT = "left"
    REFUSED = "refused"


@dataclass(eq=False)
class Place:
    """A slot in one occupancy. state: LEFT, gone from the queue; REFUSED, gone as too heavy for a lowered limit."""

    owner: int
    weight: int
    priority: int
    since: int
    ticket: int
    state: State = State.WAITING
    admitted: int = 0
    touched: int = 0
    cool_until: int = 0


@dataclass
class Sample:
    """One poll of the upstream; count None: it failed."""

    count: int | None
    at: int
    spent: bool = False


@dataclass
class Reference:
    """A limiter, and everybody who uses it."""

    limit: int
    slots: int
    cooldown: int = 0
    one_per_poll: bool = False
    closed_on_stale: bool = False
    is_sampled: bool = False
    now: int = 1
    paused_until: int = 0
    reduced_at: int = 0
    refusal: Sample | None = None
    sample: Sample | None = None
    places: list[Place] = field(default_factory=list)
    dead: set[int] = field(default_factory=set)
    reaped: int = 0
    watchdog: int = 0
    rate_limited: int = 0

    def __post_init__(self) -> None:
        self.configured = self.limit
        self._tickets = 0

    # ---- What there is.

    def all(self, state: State) -> list[Place]:
        return [place for place in self.places if place.state is state]

    @property
    def cooling(self) -> list[Place]:
        """The released that still count; a fresh sample must be of after the cooldown."""
        by = self.sample.at if self.is_fresh and self.sample and not self.one_per_poll else self.now
        return [place for place in self.all(State.COOLING) if place.cool_until > min(by, self.now)]

    @property
    def queue(self) -> list[Place]:
        return sorted(self.all(State.WAITING), key=lambda place: (-place.priority, place.since, place.ticket))

    @property
    def in_flight(self) -> int:
        return sum(place.weight for place in self.all(State.HELD) + self.cooling)

    @property
    def is_fresh(self) -> bool:
        return self.sample is not None and self.sample.count is not None

    @property
    def foreign(self) -> int:
        if self.one_per_poll:
            return 0
        seen = self.sample.count or 0 if self.sample else 0
        answered = self.refusal and self.is_fresh and self.sample and self.sample.at >= self.refusal.at
        return max(seen, self.refusal.count or 0 if self.refusal and not answered else 0)

    @property
    def is_paused(self) -> bool:
        return self.now < self.paused_until

    @property
    def cap(self) -> int:
        if self.is_paused or (self.closed_on_stale and not self.is_fresh):
            return 0
        return max(0, self.limit * 1000 - self.foreign)

    # ---- What may happen.

    def enter(
        self, owner: int, weight: int, priority: int = 0, since: int = 0, *, may_wait: bool = False
    ) -> Place | Literal["full", "never", "none"]:
        """Ask for a permit: a place that is HELD or WAITING, or why there is none."""
        if not self._has_free_slot():
            self._bury(self.dead)
            if not self._has_free_slot():
                return "full"
        if self.limit and weight > self.limit * 1000:
            return "never"
        if not self._fits(weight):
            self._bury({place.owner for place in self.all(State.HELD)} & self.dead)
            self.grant()
        if not self._fits(weight) and not may_wait:
            return "none"
        place = Place(owner, weight, priority, since, self._tickets)
        self._tickets += 1
        self.places.append(place)
        if not self._fits(weight, besides=place):
            self.grant()
        else:
            self._admit(place)
        return place

    def release(self, place: Place) -> bool:
        """Give it back; False where there is nothing to give back."""
        if place.state is not State.HELD:
            return False
        self._cool(place)
        self.grant()
        return True

    def leave(self, place: Place) -> None:
        place.state = State.LEFT
        self.grant()

    def touch(self, place: Place) -> bool:
        place.touched = self.now
        return place.state is State.HELD

    def set_limit(self, limit: int) -> None:
        self.limit = self.configured = limit
        self.reduced_at, self.refusal = 0, None
        self.grant()

    def pause(self, until: int) -> None:
        self.paused_until = until
        self.grant()

    def reset(self) -> None:
        self.paused_until = 0
        self.set_limit(self.configured)

    def refuse(self, until: int, place: Place | None) -> bool:
        """A 429; whether it lowered the limit."""
        self.paused_until = max(self.paused_until, until)
        self.rate_limited += 1
        ours = sum(other.weight for other in self.all(State.HELD) if other is not place)
        if self.is_sampled:
            self.refusal = Sample(max(0, self.limit * 1000 - ours), self.now)
        lowered = self.limit > 1 and (place is None or place.admitted > self.reduced_at)
        if lowered:
            self.limit -= 1
            self.reduced_at = self.now
        self.grant()
        return lowered

    def poll(self, count: int | None) -> None:
        self.sample, self.is_sampled = Sample(count, self.now), True
        self.grant()

    def kill(self, owner: int) -> None:
        """It is dead; who waits and lives finds that out, others when they look for room."""
        self.dead.add(owner)
        if any(place.owner not in self.dead for place in self.queue):
            self.grant()

    def reap(self, overdue: int = 0) -> None:
        """Take back from the dead, and what was last touched before `overdue`."""
        self._bury(self.dead)
        for place in self.all(State.HELD):
            if max(place.admitted, place.touched) < overdue:
                self._cool(place)
                self.watchdog += 1
        self.grant()

    def grant(self) -> None:
        """Everything that nobody has to ask for."""
        for place in self.queue:
            if self.limit and place.weight > self.limit * 1000 and place.owner not in self.dead:
                place.state = State.REFUSED
        waiting = {place.owner for place in self.queue}
        self._bury(self.dead if waiting - self.dead else waiting & self.dead)
        while (queue := self.queue) and self.in_flight + queue[0].weight <= self.cap and self._spend():
            self._admit(queue[0])

    def _has_free_slot(self) -> bool:
        return len(self.all(State.HELD) + self.queue + self.cooling) < self.slots

    def _fits(self, weight: int, besides: Place | None = None) -> bool:
        return self.in_flight + weight <= self.cap and self.queue in ([], [besides])

    def _admit(self, place: Place) -> None:
        place.state, place.admitted = State.HELD, self.now

    def _cool(self, place: Place) -> None:
        place.state, place.cool_until = State.COOLING, self.now + self.cooldown

    def _bury(self, owners: set[int]) -> None:
        for place in self.places:
            if place.owner in owners and place.state is State.HELD:
                self._cool(place)
                self.reaped += 1
            elif place.owner in owners and place.state is State.WAITING:
                place.state = State.LEFT

    def _spend(self) -> bool:
        """One-per-poll: whether the sample still has its one admission, which is then gone."""
        if not self.one_per_poll or self.sample is None or self.sample.count is None:
            return True
        if self.sample.spent or self.sample.count >= self.limit * 1000:
            return False
        self.sample.spent = True
        return True
