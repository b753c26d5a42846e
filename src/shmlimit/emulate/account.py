"""The account's three counts: what is working, what is counted against it, and what is reported.

*working* are the sessions whose response is open. *counted* is what the provider enforces: a start counts at
once, an end leaves only after the end lag. *reported* is *counted* as it was a report lag ago, with starts
delayed once more by the start lag, and noise.

Nothing here knows HTTP or asyncio: the clock and the randomness are handed in.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from shmlimit.emulate.lognormal import clipped_lognormal
from shmlimit.emulate.penalty import Penalty
from shmlimit.emulate.report import Reading, Report
from shmlimit.emulate.settings import LONGEST_LAG, EmulatorSettings, LimitChange

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

Outcome = Literal["completed", "aborted", "stopped"]
TruthRecord = dict[str, object]

LAG_SPREAD = 0.7
SESSION_SPREAD = 0.6


@dataclass(slots=True, eq=False)
class Session:
    """One admitted session; times are on the account's clock, None means not yet."""

    id: int
    own: bool
    worker: str | None
    started_at: float
    visible_from: float
    ended_at: float | None = None
    leaves_at: float = math.inf
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A start that was not admitted: 429 at the hard cap, 403 in the penalty box. Always false."""

    status: Literal[429, 403]
    counted: int

    def __bool__(self) -> Literal[False]:
        """Be false, so that a session and a refusal are told apart by truth."""
        return False


class Account:
    """The counters of one emulated account; not thread-safe, never blocks.

    Args:
        settings: Limits, lags and the penalty box.
        clock: Monotonic seconds.
        random: Where lags, lengths and noise are drawn from.
        wall_clock: Epoch seconds, for the date a penalty box ends.
        record: Takes each truth record as it happens; None drops them.
        on_leave_due: Told the time at which `settle` should next be called, so that the log is prompt; the
            counts are right without it.
    """

    def __init__(
        self,
        settings: EmulatorSettings,
        *,
        clock: Callable[[], float],
        random: Random,
        wall_clock: Callable[[], float] = time.time,
        record: Callable[[TruthRecord], None] | None = None,
        on_leave_due: Callable[[float], None] | None = None,
    ) -> None:
        self.settings = settings
        self.began_at = clock()
        self.wall_began_at = wall_clock()
        self.started = 0
        self.refused = 0
        self.completed = 0
        self.aborted = 0
        self.peak_working = 0
        self.peak_own_working = 0
        self.peak_counted = 0
        self.is_finished = False
        self.waiting: list[object] = []
        self._clock = clock
        self._random = random
        self._wall_clock = wall_clock
        self._record_to = record
        self._on_leave_due = on_leave_due
        self._ids = itertools.count(1)
        self._open: dict[int, Session] = {}
        self._own_working = 0
        self._leaving: list[tuple[float, int, Session]] = []
        self._report = Report(settings, random)
        self.penalty = Penalty(settings)
        self._work_began_at = math.inf
        self._limits = sorted(LimitChange.parse(text) for text in settings.limit_changes)
        self._record("begin", self.began_at)

    @property
    def working(self) -> int:
        """Sessions whose response is open."""
        return len(self._open)

    @property
    def own_working(self) -> int:
        """Working sessions that are not foreign."""
        return self._own_working

    @property
    def counted(self) -> int:
        """Sessions the provider counts, as of the last event or `settle`."""
        return len(self._open) + len(self._leaving)

    @property
    def is_boxed(self) -> bool:
        """Whether the account sits in the penalty box now."""
        return self.penalty.is_boxed(self._clock())

    @property
    def limit(self) -> int:
        """The soft cap in force now."""
        elapsed = self.work_elapsed()
        return next((one.limit for one in reversed(self._limits) if one.at <= elapsed), self.settings.limit)

    @property
    def cap(self) -> int:
        """The hard cap that is told now; what is enforced differs by `cap_error`."""
        hard_cap = self.settings.hard_cap
        return self.limit if hard_cap is None else max(hard_cap, self.limit)

    def wall(self, moment: float) -> float:
        """Give a time of the account's clock as epoch seconds."""
        return self._wall_clock() + moment - self._clock()

    @property
    def has_room(self) -> bool:
        """Whether a session would be admitted now."""
        self.settle()
        return self.counted < max(1, self.cap + self.settings.cap_error)

    def elapsed(self) -> float:
        """Give the seconds since the start."""
        return self._clock() - self.began_at

    def work_elapsed(self) -> float:
        """Give the seconds since the first own session was asked for; minus infinity before."""
        return self._clock() - self._work_began_at

    def age(self, session: Session) -> float:
        """Give the seconds since *session* started."""
        return self._clock() - session.started_at

    def happens(self, probability: float) -> bool:
        """Draw whether something happens."""
        return probability > 0 and self._random.random() < probability

    def draw_session_length(self) -> float:
        """Draw the seconds that a session lasts which does not say so itself."""
        median = self.settings.session_median
        return clipped_lognormal(self._random, median=median, spread=SESSION_SPREAD, ceiling=10 * median)

    def settle(self) -> float:
        """Let every session leave the count whose end lag has passed, and give the present time."""
        now = self._clock()
        while not self.is_finished and self._leaving and self._leaving[0][0] <= now:
            leaves_at, _, session = heapq.heappop(self._leaving)
            self._record("leave", leaves_at, session)
        return now

    def start(self, *, own: bool, worker: str | None = None, weight: float = 1.0) -> Session | Refusal:
        """Admit a session, or refuse it at the hard cap or in the penalty box.

        Args:
            own: False for foreign sessions. Their refusals do not lead to the penalty box, which is there to
                score the clients under test.
            worker: Who asks, for the log; None is unknown.
            weight: What it counts for in the weighted report; enforced is the number alone.

        Raises:
            RuntimeError: The account is finished.
        """
        if self.is_finished:
            raise RuntimeError("the account is finished: no session starts any more")
        now = self.settle()
        if own and self._work_began_at == math.inf:
            self._work_began_at = now
            self.penalty.begin(now)
        if self.penalty.is_boxed(now):
            return self.turn_away(own=own, worker=worker)
        if not self.has_room:
            return self.refuse(own=own, worker=worker)
        lag = self._draw_lag(self.settings.start_lag)
        session = Session(next(self._ids), own, worker, started_at=now, visible_from=now + lag, weight=weight)
        self._open[session.id] = session
        self._report.add(session, self.counted, now)
        self.started += 1
        self._own_working += own
        self.peak_working = max(self.peak_working, self.working)
        self.peak_own_working = max(self.peak_own_working, self._own_working)
        self.peak_counted = max(self.peak_counted, self.counted)
        self._record("start", now, session)
        return session

    def end(self, session: Session, outcome: Outcome) -> None:
        """End a session, which leaves the count after the end lag; ending it again changes nothing.

        One whose client went away stays counted for `phantom` seconds more, and none leaves before `min_hold`.
        """
        if session.ended_at is not None:
            return
        now = self.settle()
        session.ended_at = now
        leaves_at = now + self._draw_lag(self.settings.end_lag) + self.settings.phantom * (outcome == "aborted")
        session.leaves_at = max(leaves_at, session.started_at + self.settings.min_hold)
        del self._open[session.id]
        self._own_working -= session.own
        heapq.heappush(self._leaving, (session.leaves_at, session.id, session))
        self.completed += outcome == "completed" and session.own
        self.aborted += outcome == "aborted" and session.own
        self._record("end", now, session, outcome=outcome, lasted=now - session.started_at)
        self.settle()
        if session.leaves_at > now and self._on_leave_due is not None and not self.is_finished:
            self._on_leave_due(session.leaves_at)

    def turn_away(self, *, own: bool, worker: str | None = None) -> Refusal:
        """Refuse a session because the account is in the penalty box."""
        self._record("refused", self.settle(), own=own, worker=worker, status=403)
        return Refusal(403, self.counted)

    def read(self) -> Reading:
        """Take a reading as the usage endpoint would show it, which is never older than the one before."""
        now = self.settle()
        return self._report.read(now, self.limit)

    def log_usage(self, *, reported: object, fault: str | None) -> None:
        """Log one answer of the usage endpoint; *reported* is None when it showed no count."""
        self._record("usage", self.settle(), reported=reported, fault=fault)

    def log_whim(self, kind: str, *, worker: str | None) -> None:
        """Log an answer to work that had nothing to do with what is in flight."""
        self._record("whim", self.settle(), own=True, worker=worker, kind=kind)

    def finish(self) -> None:
        """Stop every session and close the log; what happens afterwards is not recorded."""
        if self.is_finished:
            return
        for session in list(self._open.values()):
            self.end(session, "stopped")
        self._record("finish", self.settle())
        self.is_finished = True

    def snapshot(self) -> TruthRecord:
        """Give the present counts, peaks and totals."""
        now = self.settle()
        return {
            "t": now,
            "working": self.working,
            "own_working": self._own_working,
            "foreign_working": self.working - self._own_working,
            "counted": self.counted,
            "limit": self.limit,
            "hard_cap": self.cap,
            "peak_working": self.peak_working,
            "peak_own_working": self.peak_own_working,
            "peak_counted": self.peak_counted,
            "started": self.started,
            "completed": self.completed,
            "aborted": self.aborted,
            "refused": self.refused,
        }

    def refuse(self, *, own: bool, worker: str | None = None) -> Refusal:
        """Refuse a session at the hard cap."""
        now = self.settle()
        boxes = False
        if own:
            self.refused += 1
            boxes = self.penalty.note_refusal(now)
        self._record("refused", now, own=own, worker=worker, status=429, boxes=boxes)
        return Refusal(429, self.counted)

    def _draw_lag(self, median: float) -> float:
        return clipped_lognormal(self._random, median=median, spread=LAG_SPREAD, ceiling=LONGEST_LAG)

    def _record(self, event: str, at: float, session: Session | None = None, **more: object) -> None:
        if self._record_to is None or self.is_finished:
            return
        self._record_to(
            {
                "t": at,
                "event": event,
                "id": session.id if session else None,
                "own": session.own if session else None,
                "worker": session.worker if session else None,
                "working": self.working,
                "counted": self.counted,
                "limit": self.limit,
                "hard_cap": self.cap,
                **more,
            }
        )
