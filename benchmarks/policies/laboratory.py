"""One run: the workers of a scenario against its upstream, under one policy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from benchmarks.policies.contender import Aimd, Contender, Gradient, Semaphore, Unlimited
from benchmarks.policies.gated import Gated
from benchmarks.policies.timeline import Timeline
from benchmarks.policies.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.policies.core import Core
    from benchmarks.policies.scenario import Scenario

# As an upstream's "Retry-After: 1" has it.
RETRY_AFTER = 1.0


@dataclass
class Bench:
    """Where a policy works: the core it may use, the time, and the upstream."""

    scenario: Scenario
    core: Core
    timeline: Timeline
    upstream: Upstream


POLICIES: dict[str, Callable[[Bench], Contender]] = {
    "no limit, retries": Unlimited,
    "semaphore": Semaphore,
    "AIMD on 429": Aimd,
    "latency gradient": Gradient,
    "cooldown only": partial(Gated, rule=None),
    "one per poll": partial(Gated, rule="one-per-poll"),
    "one per poll, headroom 1": partial(Gated, rule="one-per-poll", headroom=1),
    "shmlimit": partial(Gated, rule="upstream"),
}


@dataclass(frozen=True)
class Figures:
    """What came of a run.

    Attributes:
        sessions: How many were served.
        refusals: Refusals for each 1,000 of them.
        use: Which share of the cap, less what others used of it, was work of ours.
    """

    sessions: int
    refusals: float
    use: float


def run(scenario: Scenario, policy: Callable[[Bench], Contender], core: Core, seed: int) -> Figures:
    """Watch the workers for the scenario's time."""
    timeline = Timeline()
    upstream = Upstream(scenario, timeline, seed)
    contender = policy(Bench(scenario, core, timeline, upstream))
    chance = Random(seed + 1)
    for user in range(scenario.workers):
        timeline.after(chance.random(), partial(_Worker(user, timeline, upstream, contender, scenario).arrive))
    timeline.run(scenario.duration)
    contender.close()
    tally = upstream.tally
    others = tally.foreign_seconds
    return Figures(
        tally.sessions,
        1000 * tally.refusals / max(1, tally.sessions),
        tally.own_seconds / (scenario.limit * scenario.duration - others),
    )


class _Worker:
    """One session after the other, for ever."""

    def __init__(
        self, user: int, timeline: Timeline, upstream: Upstream, contender: Contender, scenario: Scenario
    ) -> None:
        self._user = user
        self._timeline = timeline
        self._upstream = upstream
        self._contender = contender
        self._on_the_way = scenario.round_trip / 2

    def arrive(self) -> None:
        self._contender.arrive(self._user, self._go)

    def _go(self) -> None:
        self._timeline.after(self._on_the_way, self._start)

    def _start(self) -> None:
        session = self._upstream.start()
        if session is None:
            self._contender.refused(self._user)
            self._timeline.after(RETRY_AFTER, self.arrive)
            return
        lasts = self._upstream.account.draw_session_length()
        self._timeline.after(lasts, partial(self._end, session, lasts))

    def _end(self, session: object, lasts: float) -> None:
        self._upstream.end(session)  # type: ignore[arg-type]
        self._contender.leave(self._user, lasts)
        self.arrive()
