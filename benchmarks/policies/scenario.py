"""The scenarios: what the upstream is like and who else uses it."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One account and the workers that share it; seconds.

    Attributes:
        name: For people.
        limit: Sessions it allows.
        session: Median length of a session (lognormal).
        end_lag: Median time for which an ended session still counts (lognormal, at most 2 s).
        start_lag: Median time until a start is reported (the same).
        report_lag: A report is up to this old.
        noise: Probability that a report is one too high or too low.
        foreign: Somebody else, as `shmlimit emulate --foreign`.
        ramp: So many more foreign clients that come one after the other and stay.
        round_trip: Between asking for the count and having it; a session's start takes half of it.
        duration: How long it is watched.
    """

    name: str
    limit: int = 4
    session: float = 5.0
    end_lag: float = 0.25
    start_lag: float = 0.0
    report_lag: float = 1.0
    noise: float = 0.0
    foreign: str = "none"
    ramp: int = 0
    round_trip: float = 0.08
    duration: float = 3600.0

    @property
    def workers(self) -> int:
        """Three for each session allowed: somebody always waits."""
        return 3 * self.limit


_QUIET = Scenario(name="5 s sessions")
SCENARIOS = (
    _QUIET,
    *(replace(_QUIET, name=f"{length:g} s sessions", session=length) for length in (0.5, 1.0, 2.0, 30.0, 180.0)),
    replace(_QUIET, name="foreign steady 1", foreign="steady:1"),
    replace(_QUIET, name="foreign square wave 2", foreign="square:2:60"),
    replace(_QUIET, name="foreign bursts 2", foreign="bursts:2:20"),
    replace(_QUIET, name="foreign ramp 3", ramp=3),
    replace(_QUIET, name="slow ledger", end_lag=1.0),
    replace(_QUIET, name="slow starts", start_lag=0.5),
    replace(_QUIET, name="noisy reports", noise=0.1),
    replace(_QUIET, name="prompt reports", report_lag=0.1),
    replace(_QUIET, name="reports 2 s old", report_lag=2.0),
    replace(_QUIET, name="limit 1", limit=1),
    replace(_QUIET, name="limit 16", limit=16),
    replace(_QUIET, name="limit 16, foreign bursts 4", limit=16, foreign="bursts:4:20"),
    replace(_QUIET, name="limit 64, 2 s sessions", limit=64, session=2.0, duration=900.0),
)
"""Each is one hour unless it says so: rates of a few per thousand sessions need thousands of sessions."""
