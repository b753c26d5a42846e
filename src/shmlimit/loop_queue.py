"""The waiters of one event loop. A few sit in the limiter's queue; the others stand, in the same order, in memory.

So ten thousand waiters of a loop cost the segment, and each grant, no more than SEATS do. The order is what it would be
if all sat: the loop's best waiters are always the ones that sit. Everything here runs in the loop's thread.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
import os
from typing import TYPE_CHECKING

from shmlimit import _core
from shmlimit.errors import QueueFull, ShmlimitError
from shmlimit.standing import Standing

if TYPE_CHECKING:
    from shmlimit.limiter import Limiter
    from shmlimit.relay import Relay
    from shmlimit.request import Request

# Enough for a limit's worth of grants between two turns of the loop.
SEATS = 64


class Waiter:
    """Someone who awaits a permit: `permit` is a queued one while it sits, None while it stands."""

    __slots__ = ("future", "is_done", "order", "permit", "request", "timer")

    def __init__(self, request: Request, arrival: int, future: asyncio.Future[_core.Permit]) -> None:
        self.request = request
        self.order = (-request.priority, request.since_ns, arrival)
        self.future = future
        self.permit: _core.Permit | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.is_done = False

    def take(self) -> _core.Permit:
        """Return the permit that the future got, for keeps."""
        permit = self.future.result()
        self.is_done = True
        return permit

    def fail(self, error: Exception) -> None:
        """Tell the one who awaits it, if anybody still does."""
        if not self.future.done():
            self.future.set_exception(error)

    def __lt__(self, other: Waiter) -> bool:
        return self.order < other.order


class LoopQueue:
    """The waiters of one loop for one attachment of a limiter."""

    def __init__(self, limiter: Limiter, attachment: _core.Attachment, relay: Relay) -> None:
        self._limiter = limiter
        self.attachment = attachment
        self._relay = relay
        self._loop = asyncio.get_running_loop()
        self._arrivals = itertools.count()
        self._seated: list[Waiter] = []
        self._standing = Standing()
        self._channel: int | None = None
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0

    @property
    def is_empty(self) -> bool:
        """True when nobody waits."""
        return not self._seated and self._standing.first() is None

    def join(self, request: Request) -> Waiter:
        """Queue, without blocking: the waiter's future gets the permit, or why there is none. Ends with `leave`."""
        waiter = Waiter(request, next(self._arrivals), self._loop.create_future())
        try:
            self._join(waiter)
            if not waiter.future.done() and request.on_queued is not None:
                request.on_queued()
        except (ShmlimitError, OSError) as error:
            waiter.fail(error)
        except BaseException:
            self.leave(waiter)
            raise
        if request.timeout is not None and not waiter.future.done():
            left = request.deadline_us / 1e6 - _core.now()
            waiter.timer = self._loop.call_later(max(0.0, left), self._time_out, waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """End a wait, whatever has come of it: the queue is left, and a permit that was not taken is released."""
        if waiter.timer is not None:
            waiter.timer.cancel()
        if not waiter.is_done:
            self._abandon(waiter)

    def _join(self, waiter: Waiter) -> None:
        if len(self._seated) == SEATS:
            if not waiter < self._seated[-1]:
                self._standing.push(waiter)
                return
            self._unseat(self._seated.pop())
        try:
            is_queued = self._sit(waiter)
        except QueueFull:
            if not self._seated:
                raise
            self._standing.push(waiter)
            return
        if is_queued and self._seated[0] is waiter:
            self._serve()

    def _sit(self, waiter: Waiter) -> bool:
        """Into the limiter's queue; False: admitted at once."""
        asked = waiter.request
        permit, is_queued = self._limiter._enter(
            asked.weight, asked.priority, asked.since_ns, asked.label, has_bell=True
        )
        waiter.permit = permit
        if not is_queued:
            waiter.future.set_result(permit)
            return False
        if self._channel is None:
            # It is readable at once, so that what came before it was connected is looked at too.
            self._channel = self._relay.join()
            self._loop.add_reader(self._channel, self._on_bell)
        bisect.insort(self._seated, waiter)
        return True

    def _unseat(self, waiter: Waiter) -> None:
        assert waiter.permit is not None  # noqa: S101
        try:
            outcome = self.attachment.withdraw(waiter.permit, is_timeout=False)
        except ShmlimitError as error:
            waiter.fail(error)
            return
        if outcome == _core.ADMITTED:
            self._hand_over(waiter)
            return
        waiter.permit = None
        self._standing.push(waiter)

    def _hand_over(self, waiter: Waiter) -> None:
        """Admitted: to the one who awaits it, or back, if nobody does any more."""
        assert waiter.permit is not None  # noqa: S101
        if waiter.future.done():
            waiter.permit.release()
        else:
            waiter.future.set_result(waiter.permit)

    def _on_bell(self) -> None:
        if self._channel is not None:
            os.eventfd_read(self._channel)
            self._serve(was_woken=True)

    def _on_tick(self) -> None:
        self._timer = None
        # The limit may have been lowered below somebody's weight, and only who is polled learns it.
        for waiter in self._seated[1:]:
            self._poll(waiter)
        self._serve()

    def _poll(self, waiter: Waiter, *, keeps_time: bool = False, was_woken: bool = False) -> bool:
        """Where a sitting waiter stands; False: it sits no more."""
        assert waiter.permit is not None  # noqa: S101
        try:
            outcome = self.attachment.poll(waiter.permit, keeps_time=keeps_time, was_woken=was_woken)
        except (ShmlimitError, OSError) as error:
            self._seated.remove(waiter)
            waiter.fail(error)
            return False
        if outcome == _core.ADMITTED:
            self._seated.remove(waiter)
            self._hand_over(waiter)
            return False
        if outcome == _core.POLLER_WANTED:
            self._loop.run_in_executor(None, self._limiter._start_poller)
        return True

    def _serve(self, *, was_woken: bool = False) -> None:
        """Hand over what was granted, fill the seats, and have the first waiter keep time for the queue."""
        is_waiting = self.attachment.is_waiting
        for waiter in [one for one in self._seated if not is_waiting(one.permit)]:  # type: ignore[arg-type]
            self._poll(waiter)
            was_woken = False  # that is what the bell was for
        while len(self._seated) < SEATS and (next_one := self._standing.first()) is not None:
            try:
                self._sit(next_one)
            except QueueFull:
                if self._seated:
                    break
                raise
            except (ShmlimitError, OSError) as error:
                next_one.fail(error)
            self._standing.pop()
        while self._seated and not self._poll(self._seated[0], keeps_time=True, was_woken=was_woken):
            pass
        self._set_timer()

    def _set_timer(self) -> None:
        if self._seated:
            first = self._seated[0].permit
            assert first is not None  # noqa: S101
            look_at = self._loop.time() + self.attachment.look_at(first) - _core.now()
            # One that is too early looks and sets it again. uvloop's handle of one that is due does not know its time.
            if self._timer is None or self._timer_at > look_at:
                self._cancel_timer()
                self._timer, self._timer_at = self._loop.call_at(look_at, self._on_tick), look_at
            return
        self._cancel_timer()
        if self._channel is not None:
            self._loop.remove_reader(self._channel)
            self._relay.part(self._channel)
            self._channel = None

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _leave(self, waiter: Waiter) -> None:
        self._seated.remove(waiter)
        self._serve()

    def _time_out(self, waiter: Waiter) -> None:
        if waiter.future.done():
            return
        if waiter.permit is not None:
            try:
                outcome = self.attachment.withdraw(waiter.permit, is_timeout=True)
            except ShmlimitError as error:
                waiter.fail(error)
                outcome = _core.TIMED_OUT
            self._leave(waiter)
            if outcome == _core.ADMITTED:
                self._hand_over(waiter)
        if not waiter.future.done():
            waiter.fail(self._limiter._timed_out(self.attachment, waiter.request))
            if waiter.permit is None:
                self._standing.went()

    def _abandon(self, waiter: Waiter) -> None:
        """Cancelled before, at, or after the grant; or something in between has failed."""
        if waiter.future.cancel() or waiter.future.cancelled():
            if waiter.permit is None:
                self._standing.went()
        else:
            waiter.future.exception()  # nobody else is going to look at it
        if waiter.permit is not None and not waiter.permit.release():
            self.attachment.leave(waiter.permit)
            if waiter in self._seated:
                self._leave(waiter)
