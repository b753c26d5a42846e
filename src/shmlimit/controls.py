"""What is set and read of a limiter, whoever holds its permits."""

from __future__ import annotations

import logging

from shmlimit import _core, opening, segment, settings
from shmlimit.errors import LimiterNotFound
from shmlimit.request import until_us
from shmlimit.status import Status, read_status, unlimited_status

_log = logging.getLogger("shmlimit")

DEFAULT_PAUSE = 30.0
# A Retry-After beyond a day is taken for nonsense (1e10 was seen) and cut, so that it cannot stop work for ever.
PAUSE_MAX = 86400.0


class Controls(_core.LimiterBase):
    """The part of Limiter that changes and reads settings; not to be used by itself."""

    _name: str

    @property
    def name(self) -> str:
        """The limiter's name."""
        return self._name

    @property
    def limit(self) -> int | None:
        """The limit in force; None while unlimited. Setting it (0 to 8000) restores what 429s lowered.

        A limit that is set stands: the upstream's own is followed no more.

        Raising it admits waiters at once. Lowering it evicts nobody: nobody is admitted until the sum fits. Waiters
        whose weight is above the new limit get NeverAdmissible.
        """
        return self.status().limit

    @limit.setter
    def limit(self, limit: int) -> None:
        checked = settings.check_limit(limit)
        self._live().follow(None)  # first: see limiter_follow()
        self._live().set_limit(checked)
        self._save()

    def follow_upstream(self, headroom: int = 0) -> None:
        """From the next sample on, let the limit be the upstream's own as the usage source tells it, without blocking.

        It is at least 1, but 0 where the upstream's is. It changes when the upstream's does: up, waiters are admitted
        at once; down, nobody is evicted. After a failed poll, and while the upstream tells none that makes sense, the
        last one stands. In a new limiter that is the one saved last; if there is none everybody waits until the first
        poll has ended, and it is 1 if that told nothing. A limit that 429s have lowered stays lowered until it is reset
        or the upstream tells another one. Setting `limit` ends it.

        Args:
            headroom: How many permits less than the upstream's.

        Raises:
            ValueError: The limiter has no usage source, so nobody would tell.
        """
        checked = settings.check_headroom(headroom)
        if self.status().usage.state == "off":
            raise ValueError(
                f"limiter {self._name!r} has no usage source to tell the upstream's limit; create it with one"
            )
        self._live().follow(checked)

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
        self._live().pause(_core.NO_DEADLINE if seconds is None else until_us("pause", seconds))

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
        pause_until_us = until_us("retry_after", min(seconds, PAUSE_MAX))
        if permit is not None and not isinstance(permit, _core.Permit):
            raise TypeError(f"permit must be a Permit or None, not {type(permit).__name__}")
        if self._attachment is None:
            self._look_again()
            if self._attachment is None:
                return False
        reduced = self._attachment.report_refusal(pause_until_us, permit)
        if reduced:
            self._save()
            if notice := self.status().notice:  # none: somebody has reset it already
                _log.warning("%s", notice)
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

    def __repr__(self) -> str:
        if self.closed:
            return f"<Limiter {self._name!r}, closed>"
        if self._attachment is None:
            return f"<Limiter {self._name!r}, unlimited>"
        now = self.status()
        waiting = f" with {now.queued} waiting" if now.queued else ""
        return f"<Limiter {self._name!r}, {now.in_flight:g}/{now.limit}{waiting}>"
