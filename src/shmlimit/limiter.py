"""Limiter: one limit, by name, for every process that opens it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

from shmlimit import _core, opening, segment, settings, statefile
from shmlimit import limited as decorator
from shmlimit.controls import Controls
from shmlimit.errors import AcquireTimeout, LimiterClosed, LimiterNotFound
from shmlimit.holding import Holding
from shmlimit.request import Request, request
from shmlimit.status import read_status

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import EllipsisType, TracebackType

    from shmlimit.loops import Loops

_log = logging.getLogger("shmlimit")


class Limiter(Controls):
    """A concurrency limit shared by all processes of this user on this host that open the same name.

    The first to open it creates it with the settings given; these stand, and later openers' are compared with them.
    Works from any thread, after fork and spawn, and pickles (by name). A process that is killed gives its permits back.

    Example:
        limiter = Limiter("umans", limit=4)
        with limiter:
            call_upstream()

    Args:
        name: 1 to 64 ASCII letters, digits and . _ -
        limit: Whole permits, 0 (closed: everybody waits) to 8000. "upstream": the upstream's own, see
            `follow_upstream`. None: attach only.
        headroom: With limit="upstream": how many permits less than the upstream's own limit.
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

    _loops: Loops | None = None

    def __init__(
        self,
        name: str,
        *,
        limit: int | Literal["upstream"] | None = None,
        headroom: int = 0,
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
        wanted = opening.Wanted(limit, headroom, cooldown, slot_timeout, usage, gate, on_stale, slots)
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
        asked = request(
            timeout=timeout, weight=weight, priority=priority, since=since, label=label, on_queued=on_queued
        )
        permit, queued = self._enter(weight, asked.priority, asked.since_ns, label)
        if not queued:
            return permit
        attachment = self._attachment
        if attachment is None:
            del permit  # leaves the queue
            raise LimiterClosed(f"{self!r} was closed by another thread; open another Limiter of that name")
        try:
            if on_queued is not None:
                on_queued()
            while (outcome := attachment.wait(permit, asked.deadline_us)) == _core.POLLER_WANTED:
                self._start_poller()
        except BaseException:
            # A signal handler may raise after the grant, too, and the traceback keeps the permit as long as it lives.
            if not permit.release():
                attachment.leave(permit)
            raise
        if outcome == _core.TIMED_OUT:
            raise self._timed_out(attachment, asked)
        return permit

    async def acquire_async(
        self,
        *,
        timeout: float | None = None,
        weight: float = 1,
        priority: int = 0,
        since: float | None = None,
        label: str | None = None,
        on_queued: Callable[[], object] | None = None,
    ) -> _core.Permit:
        """Take a permit as `acquire` does, from asyncio: the event loop is never blocked.

        Any number of tasks may wait; of one loop the first 64 are in the limiter's queue (and in `status`), the others
        wait for a place there, in the same order. Cancelling leaves the queue; a permit granted meanwhile is released.

        Args:
            timeout: Seconds to wait at most; 0: not at all; None: for ever.
            weight: How much of the limit it takes, in permits (0.001 to 8000; to the nearest thousandth).
            priority: Higher goes first.
            since: Epoch seconds at which the caller's task began: older goes first among equal priority. None: now.
            label: Text for `status`, cut to 48 bytes of UTF-8.
            on_queued: Called once, without arguments, if there was no room at once. If it raises, the queue is left.

        Returns:
            The permit. Release it, or use it as a context manager (`with`).

        Raises:
            AcquireTimeout, NeverAdmissible, QueueFull, SegmentOrphaned: As `acquire`.
            RuntimeError: Without a running event loop.
        """
        asked = request(
            timeout=timeout, weight=weight, priority=priority, since=since, label=label, on_queued=on_queued
        )
        return await self._event_loops().acquire(asked)

    def _timed_out(self, attachment: _core.Attachment, asked: Request) -> AcquireTimeout:
        now = read_status(self._name, attachment)
        return AcquireTimeout(
            f"no permit of {self._name!r} within {asked.timeout} s (weight {asked.weight:g}): limit {now.limit}, "
            f"{now.held} held, {now.cooling} cooling, {now.foreign:g} foreign, {now.queued} still waiting"
            f"{', paused' if now.paused else ''}; wait longer, or see `shmlimit status {self._name}`"
        )

    def _start_poller(self) -> None:
        try:
            from shmlimit.launch import start_poller

            start_poller(self._name)
        # ImportError: with too few descriptors a module is not found.
        except (OSError, ImportError) as error:
            _log.warning("the poller of %r was not started: %s; the cooldown alone decides", self._name, error)

    def permit(
        self,
        *,
        timeout: float | None = None,
        weight: float = 1,
        priority: int = 0,
        since: float | None = None,
        label: str | None = None,
        on_queued: Callable[[], object] | None = None,
    ) -> Holding[_core.Permit]:
        """Hold a permit during a `with` or `async with` block, waiting on entry; arguments and errors as `acquire`."""
        options = {"timeout": timeout, "weight": weight, "priority": priority, "since": since, "label": label}
        return Holding(self.acquire, self.acquire_async, {**options, "on_queued": on_queued})

    async def __aenter__(self) -> _core.Permit:
        return await self._event_loops().enter()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._event_loops().exit()

    def _event_loops(self) -> Loops:
        if self._loops is None:
            from shmlimit.loops import Loops  # asyncio costs a program that does not use it 30 ms

            self._loops = Loops(self)
        return self._loops

    def limited(self, **options: Any) -> Callable[[decorator.F], decorator.F]:
        """Decorate a function so that each call holds a permit; options as `acquire`.

        Also of coroutine functions, generator functions and async generator functions. A generator's permit is taken at
        its first step and released when it is exhausted or closed (a plain one also when it is collected).
        """
        return decorator.limited(self, options)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self._name, self._missing_ok)


def _reopen(name: str, missing_ok: bool) -> Limiter:
    return Limiter(name, missing_ok=missing_ok)
