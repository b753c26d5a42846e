"""Somebody else on the same account: when their sessions open and close."""

from __future__ import annotations

import asyncio
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from shmlimit.emulate.account import Account

ALLOWED = (
    "'none', 'steady:K', 'step:K:AT', 'ramp:K:EVERY', 'square:K:PERIOD' or 'bursts:K:EVERY' "
    "(K from 1, seconds from 0.1 to 86400)"
)
LONGEST_BURST = 0.5
# A refused session that is still wanted tries again as a client obeying "Retry-After: 1" would.
RETRY_EVERY = 1.0
LOOK_FOR_WORK_EVERY = 0.05


class Visit(NamedTuple):
    """One stretch of time in which the foreign sessions are wanted, in seconds since the start."""

    opens_at: float
    closes_at: float


@dataclass(frozen=True, slots=True)
class ForeignLoad:
    """A pattern of foreign sessions.

    steady: K sessions from the start to the end. step: K sessions from AT on, ramp: one more every EVERY seconds up to
    K, both counted from the first own session, so that whoever is tested has begun. square: nothing for half a period,
    K sessions for the other half. bursts: every EVERY seconds, K sessions of half a second (or of half of EVERY if that
    is shorter).
    """

    kind: str
    sessions: int
    period: float

    @classmethod
    def parse(cls, text: str) -> ForeignLoad:
        """Read the text of `--foreign`, without blocking.

        Raises:
            ValueError: *text* is not one of the allowed forms.
        """
        if text == "none":
            return cls("none", 0, math.inf)
        kind, *numbers = text.split(":")
        try:
            if kind == "steady" and len(numbers) == 1:
                load = cls(kind, int(numbers[0]), math.inf)
            elif kind in ("step", "ramp", "square", "bursts") and len(numbers) == 2:
                load = cls(kind, int(numbers[0]), float(numbers[1]))
            else:
                raise ValueError
            if load.sessions < 1 or not (load.period == math.inf or 0.1 <= load.period <= 86_400):
                raise ValueError
            if kind != "steady" and load.period == math.inf:
                raise ValueError
        except ValueError:
            raise ValueError(f"foreign must be {ALLOWED}, not {text!r}") from None
        return load

    @property
    def waits_for_work(self) -> bool:
        """Whether its time counts from the first own session, and not from the emulator's start."""
        return self.kind in ("step", "ramp")

    def visit(self, number: int, client: int = 0) -> Visit | None:
        """Give the visit with this *number* (from 0) of one *client* (from 0), or None when there is none."""
        if self.kind == "none" or (self.kind in ("steady", "step", "ramp") and number > 0):
            return None
        if self.kind in ("step", "ramp"):
            return Visit(self.period * (client + 1 if self.kind == "ramp" else 1), math.inf)
        if self.kind == "steady":
            return Visit(0.0, math.inf)
        if self.kind == "square":
            return Visit((number + 0.5) * self.period, (number + 1) * self.period)
        opens_at = (number + 1) * self.period
        return Visit(opens_at, opens_at + min(LONGEST_BURST, self.period / 2))


async def drive(load: ForeignLoad, account: Account) -> None:
    """Open and close the foreign sessions until cancelled, without blocking the event loop."""
    await asyncio.gather(*(_client(load, account, n) for n in range(load.sessions)))


async def _client(load: ForeignLoad, account: Account, client: int) -> None:
    name = f"foreign-{client + 1}"
    for number in itertools.count():
        visit = load.visit(number, client)
        if visit is None:
            return
        if load.waits_for_work:
            await _until(visit.opens_at, account, account.work_elapsed)
        else:
            await _until(visit.opens_at, account)
        while not account.is_finished and account.elapsed() < visit.closes_at:
            session = account.start(own=False, worker=name)
            if session:
                await _until(visit.closes_at, account)
                account.end(session, "completed")
            else:
                await _until(min(account.elapsed() + RETRY_EVERY, visit.closes_at), account)


async def _until(elapsed: float, account: Account, clock: Callable[[], float] | None = None) -> None:
    clock = clock or account.elapsed
    while (remaining := elapsed - clock()) > 0:
        # One timer may not exceed what the system's clock call takes: sleep at most a day at a time. Work has not begun
        # yet where that many seconds remain that nobody can tell.
        await asyncio.sleep(LOOK_FOR_WORK_EVERY if remaining == math.inf else min(remaining, 86_400.0))
