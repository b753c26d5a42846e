"""Limiter: one limit, by name, for every process that opens it."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shmlimit import _core, opening, segment, settings, statefile
from shmlimit import limited as decorator
from shmlimit.errors import AcquireTimeout, LimiterClosed, LimiterNotFound
from shmlimit.status import Status, read_status, unlimited_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import EllipsisType

_log = logging.getLogger("shmlimit")

DEFAULT_PAUSE = 30.0
# A Retry-After beyond a day is taken for nonsense (1e10 was seen) and cut, so that it cannot stop work for ever.
PAUSE_MAX = 86400.0
_PRIORITY_MAX = 2**31 - 1


class Limiter(_core.LimiterBase):
    """A concurrency limit shared by all processes of this user on this host that open the same name.

    The first to open it creates it with the settings given; these stand, and later openers' are compared with them.
    Works from any thread, after fork and spawn, and pickles (by name). A process that is killed gives its permits back.

    Example:
        limiter = Limiter("umans", limit=4)
        with limiter:
            call_upstream()

    Args:
        name: 1 to 64 ASCII letters, digits and . _ -
        limit: Whole permits, 0 (closed: everybody waits) to 8000. None: attach only.
        cooldown: Seconds that a released permit still counts. None: as created, 0.35 for a new limiter.
        slot_timeout: Seconds after which the watchdog takes back a permit without `touch()`. None: never. Default 300.
        usage: Where to read the upstream's own count: an HttpUsage, a preset, or "module:function". None: as created.
        gate: "upstream" (default): admit only what the upstream has room for, knowing its lag; "one-per-poll": one
            queued caller for each sample that shows room.
        on_stale: Without a fresh sample "open" (default): the cooldown alone decides; "closed": nobody is admitted.
        slots: Most permits and waiters together, 1 to 8192.
        missing_ok: Without segment and limit, be unlimited until somebody creates it, instead of raising.

    Raises:
        LimiterNotFound: There is no segment of that name and no limit was given.
        InvalidName, TypeError, ValueError: An argument is not what is allowed; nothing was created.
        OSError: ENOSPC where shared memory is full; nothing is left behind.
        SegmentRefused, SegmentIncompatible, SegmentCorrupt, UnsupportedPlatform: What is there cannot be used.
    """

    def __init__(
        self,
        name: str,
        *,
        limit: int | None = None,
        cooldown: float | None = None,
        slot_timeout: float | EllipsisType | None = ...,
        usage: object = None,
        gate: str | EllipsisType = ...,
        on_stale: str | EllipsisType = ...,
        slots: int = settings.DEFAULT_SLOTS,
        missing_ok: bool = False,
    ) -> None:
        self._name = segment.check_name(name)
        self._missing_ok = missing_ok
        wanted = opening.Wanted(limit, cooldown, slot_timeout, usage, gate, on_stale, slots)
        if limit is not None:
            self._attachment, created = segment.attach_or_create(name, lambda: wanted.settings(statefile.read(name)))
            if created:
                self._save()
                return
        else:
            try:
                self._attachment = segment.attach(name)
            except LimiterNotFound:
                if missing_ok:
                    return
                raise LimiterNotFound(
                    f"no limiter {name!r} here; create it with Limiter({name!r}, limit=N) "
                    f"or `shmlimit create {name} --limit N`"
                ) from None
        wanted.warn_of_mismatch(name, self._live())

    @property
    def name(self) -> str:
        """The limiter's name."""
        return self._name

    def acquire(
        self,
        *,
        timeout: float | None = None,
        weight: float = 1,
        priority: int = 0,
        since: float | None = None,
        label: str | None = None,
        on_queued: Callable[[], object] | None = None,
    ) -> _core.Permit:
        """Take a permit, blocking until there is room and nobody is before this caller.

        Args:
            timeout: Seconds to wait at most; 0: not at all; None: for ever.
            weight: How much of the limit it takes, in permits (0.001 to 8000; to the nearest thousandth).
            priority: Higher goes first.
            since: Epoch seconds at which the caller's task began: older goes first among equal priority. None: now.
            label: Text for `status`, cut to 48 bytes of UTF-8.
            on_queued: Called once, without arguments, if there was no room at once. If it raises, the queue is left.

        Returns:
            The permit. Release it, or use it as a context manager.

        Raises:
            AcquireTimeout: The queue was left as if it had never been entered.
            NeverAdmissible: The weight is above the limit in force (at once, or when the limit is lowered).
            QueueFull: Every slot of the segment is taken.
            SegmentOrphaned: The segment has lost its name.
            KeyboardInterrupt: And whatever else a signal handler raises: the queue is left, no permit is held.
        """
        deadline_us = _deadline_us(timeout)
        permit, queued = self._enter(weight, _check_priority(priority), _since_ns(since), label)
        if not queued:
            return permit
        attachment = self._attachment
        if attachment is None:
            del permit  # leaves the queue
            raise LimiterClosed(f"{self!r} was closed by another thread; open another Limiter of that name")
        try:
            if on_queued is not None:
                on_queued()
            while (outcome := attachment.wait(permit, deadline_us)) == _core.POLLER_WANTED:
                self._start_poller()
        except BaseException:
            # A signal handler may raise after the grant, too, and the traceback keeps the permit as long as it lives.
            if not permit.release():
                attachment.leave(permit)
            raise
        if outcome == _core.TIMED_OUT:
            raise AcquireTimeout(self._why_timed_out(attachment, permit, timeout))
        return permit

    def _why_timed_out(self, attachment: _core.Attachment, permit: _core.Permit, timeout: float | None) -> str:
        now = read_status(self._name, attachment)
        return (
            f"no permit of {self._name!r} within {timeout} s (weight {permit.weight:g}): limit {now.limit}, "
            f"{now.held} held, {now.cooling} cooling, {now.foreign:g} foreign, {now.queued} still waiting"
            f"{', paused' if now.paused else ''}; wait longer, or see `shmlimit status {self._name}`"
        )

    def _start_poller(self) -> None:
        from shmlimit.launch import start_poller

        try:
            start_poller(self._name)
        except OSError as error:
            _log.warning("the poller of %r was not started: %s; the cooldown alone decides", self._name, error)

    @contextmanager
    def permit(
        self,
        *,
        timeout: float | None = None,
        weight: float = 1,
        priority: int = 0,
        since: float | None = None,
        label: str | None = None,
        on_queued: Callable[[], object] | None = None,
    ) -> Iterator[_core.Permit]:
        """Hold a permit during a `with` block, blocking on entry; arguments and errors as `acquire`."""
        with self.acquire(
            timeout=timeout, weight=weight, priority=priority, since=since, label=label, on_queued=on_queued
        ) as permit:
            yield permit

    def limited(self, **options: Any) -> Callable[[decorator.F], decorator.F]:
        """Decorate a function or generator function so that each call holds a permit; options as `acquire`.

        A generator's permit is taken at its first step and released when it is exhausted, closed or collected.
        """
        return decorator.limited(self, options)

    @property
    def limit(self) -> int | None:
        """The limit in force; None while unlimited. Setting it (0 to 8000) restores what 429s lowered.

        Raising it admits waiters at once. Lowering it evicts nobody: nobody is admitted until the sum fits. Waiters
        whose weight is above the new limit get NeverAdmissible.
        """
        return self.status().limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._live().set_limit(settings.check_limit(limit))
        self._save()

    @property
    def cooldown(self) -> float:
        """Seconds that a released permit still counts. A change applies to releases after it."""
        return self.status().cooldown

    @cooldown.setter
    def cooldown(self, cooldown: float) -> None:
        self._live().set_cooldown(settings.microseconds(settings.check_duration("cooldown", cooldown)))
        self._save()

    @property
    def slot_timeout(self) -> float | None:
        """Seconds after which the watchdog takes back a permit that was not touched; None: never."""
        return self.status().slot_timeout

    @slot_timeout.setter
    def slot_timeout(self, slot_timeout: float | None) -> None:
        self._live().set_slot_timeout(settings.microseconds(settings.check_slot_timeout(slot_timeout)))

    def pause(self, seconds: float | None = None) -> None:
        """Admit nobody for that many seconds from now; None: until `resume()`. Replaces a pause that is on."""
        self._live().pause(_core.NO_DEADLINE if seconds is None else _until_us("pause", seconds))

    def resume(self) -> None:
        """End a pause."""
        self._live().pause(0)

    def reset(self) -> None:
        """End a pause, and restore the limit that 429s lowered."""
        self._live().reset()
        self._save()

    def report_429(self, retry_after: float | None = None, permit: _core.Permit | None = None) -> bool:
        """Tell everybody that the upstream refused a call for its concurrency: pause, and lower the limit by one.

        Report only refusals for concurrency: a rate limit, an overload (503) or a refusal at the edge says nothing
        about the sessions in flight. The lowered limit is kept, also across restarts, until it is set or reset.

        Args:
            retry_after: Seconds to pause from now (a longer pause that is on stays). None: 30. At most a day counts.
            permit: The permit of the refused call. Reports with permits admitted before the last reduction do not
                reduce again: one overshoot is one event, however many callers saw it.

        Returns:
            Whether the limit was lowered (never below 1).
        """
        seconds = (
            DEFAULT_PAUSE if retry_after is None else settings.check_duration("retry_after", retry_after, longest=1e12)
        )
        until_us = _until_us("retry_after", min(seconds, PAUSE_MAX))
        if permit is not None and not isinstance(permit, _core.Permit):
            raise TypeError(f"permit must be a Permit or None, not {type(permit).__name__}")
        if self._attachment is None:
            self._look_again()
            if self._attachment is None:
                return False
        reduced = self._attachment.report_refusal(until_us, permit)
        if reduced:
            self._save()
            _log.warning("%s", self.status().notice)
        return reduced

    def reap(self) -> int:
        """Take back what dead processes and overdue permits hold, without blocking; how many permits that was."""
        return self._live().reap()

    def status(self) -> Status:
        """Return a reading of the limiter, without blocking."""
        if self._attachment is None:
            self._look_again()
        if self._attachment is None:
            return unlimited_status(self._name)
        return read_status(self._name, self._attachment)

    def _live(self) -> _core.Attachment:
        if self._attachment is None:
            self._look_again()
        if self._attachment is None:
            raise LimiterNotFound(f"limiter {self._name!r} is unlimited: nobody has created it")
        return self._attachment

    def _look_again(self) -> None:
        """Unlimited so far: has anybody created it meanwhile?"""
        self._check_open()
        try:
            self._attachment = segment.attach(self._name)
        except LimiterNotFound:
            return

    def _save(self) -> None:
        opening.save(self._name, self._live())

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self._name, self._missing_ok)

    def __repr__(self) -> str:
        if self.closed:
            return f"<Limiter {self._name!r}, closed>"
        if self._attachment is None:
            return f"<Limiter {self._name!r}, unlimited>"
        now = self.status()
        waiting = f" with {now.queued} waiting" if now.queued else ""
        return f"<Limiter {self._name!r}, {now.in_flight:g}/{now.limit}{waiting}>"


def _reopen(name: str, missing_ok: bool) -> Limiter:
    return Limiter(name, missing_ok=missing_ok)


def _deadline_us(timeout: float | None) -> int:
    if timeout is None:
        return int(_core.NO_DEADLINE)
    seconds = settings.check_duration("timeout", timeout, longest=sys.float_info.max)
    return _until_us("timeout", min(seconds, settings.DURATION_MAX))


def _until_us(what: str, seconds: float) -> int:
    return round((_core.now() + settings.check_duration(what, seconds)) * 1e6)


def _check_priority(priority: int) -> int:
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise TypeError(f"priority must be a whole number, not {type(priority).__name__} {priority!r}")
    if not -_PRIORITY_MAX <= priority <= _PRIORITY_MAX:
        raise ValueError(f"priority must be from -{_PRIORITY_MAX} to {_PRIORITY_MAX}, not {priority!r}")
    return priority


def _since_ns(since: float | None) -> int:
    if since is None:
        return time.time_ns()
    return round(settings.check_duration("since", since, longest=9e9) * 1e9)
