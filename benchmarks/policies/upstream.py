"""The upstream of the laboratory: the emulator's account on virtual time, and somebody else on it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from shmlimit.emulate.account import Account, Session
from shmlimit.emulate.foreign import RETRY_EVERY, ForeignLoad, Visit
from shmlimit.emulate.settings import EmulatorSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.policies.scenario import Scenario
    from benchmarks.policies.timeline import Timeline


@dataclass
class Tally:
    """What came of a run: sessions and refusals of our own, and session-seconds of ours and of others."""

    sessions: int = 0
    refusals: int = 0
    own_seconds: float = 0.0
    foreign_seconds: float = 0.0


class Upstream:
    """One account with its lags.

    Attributes:
        account: The emulator's.
        tally: What has come of it so far.
    """

    def __init__(self, scenario: Scenario, timeline: Timeline, seed: int) -> None:
        settings = EmulatorSettings(
            limit=scenario.limit,
            end_lag=scenario.end_lag,
            start_lag=scenario.start_lag,
            report_lag=scenario.report_lag,
            noise=scenario.noise,
            session_median=scenario.session,
        )
        self.account = Account(settings, clock=lambda: timeline.now, random=Random(seed))
        self.tally = Tally()
        self._timeline = timeline
        for number, visits in enumerate(_clients(scenario)):
            self._next_visit(visits, f"foreign-{number}")

    def start(self) -> Session | None:
        """Start a session of ours; None: refused."""
        session = self.account.start(own=True)
        if isinstance(session, Session):
            self.tally.sessions += 1
            return session
        self.tally.refusals += 1
        return None

    def end(self, session: Session) -> None:
        self.tally.own_seconds += self.account.age(session)
        self.account.end(session, "completed")

    # ---- Somebody else.

    def _next_visit(self, visits: Iterator[Visit], name: str) -> None:
        if visit := next(visits, None):
            begin = self.account.began_at
            self._timeline.at(begin + visit.opens_at, lambda: self._come(visit, visits, name))

    def _come(self, visit: Visit, visits: Iterator[Visit], name: str) -> None:
        left = visit.closes_at - self.account.elapsed()
        if left <= 0:
            self._next_visit(visits, name)
            return
        session = self.account.start(own=False, worker=name)
        if isinstance(session, Session):
            self._timeline.after(left, lambda: self._go(session, visits, name))
        else:
            self._timeline.after(min(RETRY_EVERY, left), lambda: self._come(visit, visits, name))

    def _go(self, session: Session, visits: Iterator[Visit], name: str) -> None:
        self.tally.foreign_seconds += self.account.age(session)
        self.account.end(session, "completed")
        self._next_visit(visits, name)


def _clients(scenario: Scenario) -> Iterator[Iterator[Visit]]:
    """The visits of each foreign client."""
    load = ForeignLoad.parse(scenario.foreign)
    for _ in range(load.sessions):
        yield _visits(load, scenario.duration)
    # A ramp is a client more every so often, all of whom stay.
    for number in range(scenario.ramp):
        yield iter([Visit((number + 1) * scenario.duration / (scenario.ramp + 1), scenario.duration)])


def _visits(load: ForeignLoad, duration: float) -> Iterator[Visit]:
    number = 0
    while (visit := load.visit(number)) and visit.opens_at < duration:
        yield Visit(visit.opens_at, min(visit.closes_at, duration))
        number += 1
