"""The rules: each does one thing to the limiter and to the reference, and compares what they say."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from shmlimit import Limiter, LimiterClosed, NeverAdmissible, QueueFull, _core
from tests.property.lockstep import GAP, LONG, Lockstep, Other, Own, TooLate, kind_of, milli, said, told
from tests.property.reference import FOR_EVER, Place, State

picks = st.integers(0, 7)
weights = st.sampled_from([1, 1, 1, 2, 0.5, 0.25, 3])
# An acquire: weight, priority, since.
requests = st.tuples(weights, st.sampled_from([0, 0, 1, -1, 2]), st.sampled_from([100, 100, 50, 200]))


class LimiterMachine(Lockstep):
    @initialize(
        limit=st.sampled_from([1, 2, 3, 4, 0]),
        slots=st.integers(2, 7),
        cooldown=st.sampled_from([0.0, 0.0, LONG]),
        gate=st.sampled_from(["upstream", "upstream", "one-per-poll"]),
        on_stale=st.sampled_from([None, None, "open", "closed"]),
    )
    @told
    def create(self, limit: int, slots: int, cooldown: float, gate: str, on_stale: str | None) -> None:
        self.begin(limit, slots, cooldown, gate, on_stale)

    # ---- This process.

    @rule(weight=weights)
    @told
    def try_acquire(self, weight: float) -> None:
        answer = self.reference.enter(0, milli(weight))
        try:
            permit = self.limiter.try_acquire(weight=weight)
        except (NeverAdmissible, QueueFull) as error:
            self.agree(kind_of(error), answer)
            return
        self.agree("none" if permit is None else "held", said(answer))
        self.got(answer, permit)

    @rule(several=st.lists(requests, min_size=1, max_size=4))
    @told
    def acquire(self, several: list[tuple[float, int, int]]) -> None:
        for weight, priority, since in several:
            answer = self.reference.enter(0, milli(weight), priority, since, may_wait=True)
            ask = self.queue_up if said(answer) == "waiting" else self.acquire_without_waiting
            ask(answer, weight=weight, priority=priority, since=since)

    @rule(request=requests, timeout=st.sampled_from([0, 0.002]))
    @told
    def acquire_with_a_time_limit(self, request: tuple[float, int, int], timeout: float) -> None:
        weight, priority, since = request
        answer = self.reference.enter(0, milli(weight), priority, since, may_wait=True)
        if isinstance(answer, Place) and answer.state is State.WAITING:
            self.reference.leave(answer)
            self.timeouts += 1
        self.acquire_without_waiting(answer, weight=weight, priority=priority, since=since, timeout=timeout)

    @rule(pick=picks)
    @told
    def release(self, pick: int) -> None:
        if owns := [own for own in self.owns if own.permit and not own.is_released]:
            self.give_back(owns[pick % len(owns)])

    @rule(pick=picks)
    @told
    def release_perhaps_again(self, pick: int) -> None:
        if self.owns:
            self.give_back(self.picked(pick))

    @rule(pick=picks)
    @told
    def touch(self, pick: int) -> None:
        if self.owns:
            self.keep_alive(self.picked(pick))

    @rule()
    @told
    def open_another_or_close_it_twice(self) -> None:
        if len(self.limiters) == 1:
            self.limiters.append(Limiter(self.name))
        else:
            closed = self.limiters.pop()
            closed.close()
            closed.close()
            for use in (closed.try_acquire, closed.reap, closed.resume):
                with pytest.raises(LimiterClosed):
                    use()
        self.limiter = self.limiters[-1]

    # ---- Settings.

    @rule(limit=st.integers(0, 5))
    @told
    def set_limit(self, limit: int) -> None:
        self.limiter.limit = limit
        self.reference.set_limit(limit)

    @rule(cooldown=st.sampled_from([0.0, LONG]))
    @told
    def set_cooldown(self, cooldown: float) -> None:
        self.limiter.cooldown = cooldown
        self.reference.cooldown = FOR_EVER if cooldown else 0

    @rule(seconds=st.sampled_from([0, LONG, None, "resume", "reset", "reset"]))
    @told
    def pause(self, seconds: float | str | None) -> None:
        if seconds == "reset":
            self.limiter.reset()
            self.reference.reset()
        elif seconds == "resume":
            self.limiter.resume()
            self.reference.pause(0)
        else:
            self.limiter.pause(seconds)  # type: ignore[arg-type]
            self.reference.pause(0 if seconds == 0 else FOR_EVER)

    @rule(retry_after=st.sampled_from([0, 0, LONG]), pick=st.none() | picks)
    @told
    def report_429(self, retry_after: float, pick: int | None) -> None:
        own = None if pick is None or not self.owns else self.picked(pick)
        if own is not None and own.permit is None:
            return
        self.let_time_pass()
        self.agree(
            self.limiter.report_429(retry_after, own.permit if own else None),
            self.reference.refuse(FOR_EVER if retry_after else 0, own.place if own else None),
        )
        self.let_time_pass()

    @rule(count=st.sampled_from([0, 0, 1, 2, 0.5, None]))
    @told
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
    @told
    def reap(self) -> None:
        reaped = self.reference.reaped
        self.reference.reap()
        self.agree(self.limiter.reap(), self.reference.reaped - reaped)

    @rule(spared=st.sets(picks, max_size=3))
    @told
    def let_the_watchdog_take_all_but(self, spared: set[int]) -> None:
        self.let_time_pass()
        boundary = _core.now()
        self.let_time_pass()
        for pick in sorted(spared) if self.owns else ():
            self.keep_alive(self.picked(pick))
        begun = _core.now()
        self.limiter.slot_timeout = begun - boundary
        self.limiter.reap()
        self.limiter.slot_timeout = None
        took = _core.now() - begun
        if took > GAP / 2:
            raise TooLate  # for what was touched, too
        self.reference.reap(overdue=self.reference.now)

    # ---- Other processes.

    @rule(pick=picks, request=requests)
    @told
    def acquire_there(self, pick: int, request: tuple[float, int, int]) -> None:
        weight, priority, since = request
        if len(self.others) < 3 and (not self.idle() or pick % 2):
            self.others.append(Other(self.nursery.child(self.name), next(self.owners), []))
        if not self.idle():
            return
        other = self.idle()[pick % len(self.idle())]
        answer = self.reference.enter(other.owner, milli(weight), priority, since, may_wait=True)
        word = other.child.ask("acquire", len(other.places), weight, priority, since)
        self.agree(word, "queued" if said(answer) == "waiting" else said(answer))
        if isinstance(answer, Place):
            other.places.append(answer)
            other.waits = answer if answer.state is State.WAITING else None
            self.granted += answer.state is State.HELD

    @rule(pick=picks, which=picks)
    @told
    def release_there(self, pick: int, which: int) -> None:
        if had := self.had_there(pick, which):
            other, number = had
            self.agree(other.child.ask("release", number), self.reference.release(other.places[number]))

    @rule(pick=picks, which=picks)
    @told
    def fork_there(self, pick: int, which: int) -> None:
        if had := self.had_there(pick, which):
            other, number = had
            owner = next(self.owners)
            answer = self.reference.enter(owner, 1000)
            self.agree(other.child.ask("fork", number), [False, False, isinstance(answer, Place)])
            self.granted += isinstance(answer, Place)
            self.reference.kill(owner)

    @rule(pick=picks)
    @told
    def interrupt(self, pick: int) -> None:
        if waiting := [other for other in self.others if other.waits]:
            other = waiting[pick % len(waiting)]
            assert other.waits is not None
            self.agree(other.child.interrupt(), "interrupted")
            self.reference.leave(other.waits)
            other.waits = None

    @rule(pick=picks)
    @told
    def kill(self, pick: int) -> None:
        # A sample that a dead waiter was to use is spent, in the core; so not with one admission per sample.
        if self.others and not self.reference.one_per_poll:
            other = self.others.pop(pick % len(self.others))
            other.child.kill()
            self.reference.kill(other.owner)

    # Every rule is as likely as every other: these more so, or there would seldom be a queue.
    acquire_more = acquire_on = acquire
    acquire_more_there = acquire_there
    release_more = release

    # ---- What rules share.

    def give_back(self, own: Own) -> None:
        if own.permit is not None:
            own.is_released = True
            self.agree(own.permit.release(), self.reference.release(own.place))

    def keep_alive(self, own: Own) -> None:
        if own.permit is not None:
            self.agree(own.permit.touch(), self.reference.touch(own.place))

    def had_there(self, pick: int, which: int) -> tuple[Other, int] | None:
        """A child, and the number of a permit that it has, or has had."""
        others = [other for other in self.idle() if other.places]
        if not others:
            return None
        other = others[pick % len(others)]
        number = which % len(other.places)
        return (other, number) if other.places[number].admitted else None

    def picked(self, pick: int) -> Own:
        return self.owns[pick % len(self.owns)]

    def idle(self) -> list[Other]:
        return [other for other in self.others if other.waits is None]
