"""What surely and what perhaps was, made of everybody's journals.

A permit was admitted at an instant that nobody wrote down. It lies between the call (or the last time that somebody saw
the caller wait) and the return of the call; and so for everything else. The rules of checker.py use the side of each
interval that cannot accuse the innocent.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.storm import journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.storm.course import Course

NEVER = 2**62
SECOND = 10**9
# The time of an admission is read from a clock that ticks every few milliseconds.
COARSE = 20_000_000
# So many waiters are not all stopped.
SEVERAL = 4
_DEEDS = (
    *("kill", "kill poller", "stop", "cancel", "set", "reset", "pause", "configure", "retire", "remove"),
    *("fork", "exec", "refuse"),
)


@dataclass
class Call:
    """One call of acquire() or try_acquire(). Times in nanoseconds of one clock, NEVER if that was not written down.

    Attributes:
        label: Names it in all journals.
        inode: The segment's.
        weight: In thousandths.
        priority: Higher goes first.
        age: Older, which is less, goes first among equals.
        is_try: It never waits.
        timeout: In seconds; None: for ever.
        slot_timeout: The watchdog's.
        called: When it was called.
        queued: When it was surely in the queue.
        got: When it had returned a permit.
        release: When that began to be released.
        released: When it had been.
        was_held: Whether it was held until then, as release() says.
        touch: When touch() was called.
        touched: When that had said that it was held.
        ended: When the call had ended without a permit.
        outcome: How it ended so.
        gone: When the caller's process was killed, or became another program.
        seen_waiting: When it was last surely in the queue, as others saw.
        seen_holding: When it surely had been admitted, as others saw.
        seen: When it was last seen, waiting or holding.
    """

    label: str
    inode: int
    weight: int
    priority: int
    age: int
    is_try: bool
    timeout: float | None
    slot_timeout: int
    called: int
    queued: int = NEVER
    got: int = NEVER
    release: int = NEVER
    released: int = NEVER
    was_held: bool = False
    touch: int = NEVER
    touched: int = NEVER
    ended: int = NEVER
    outcome: str = ""
    gone: int = NEVER
    seen_waiting: int = 0
    seen_holding: int = NEVER
    seen: int = 0

    @property
    def pid(self) -> int:
        """The caller's."""
        return int(self.label.split("-")[0])

    @property
    def admitted_from(self) -> int:
        """It was not admitted before."""
        return max(self.called, self.seen_waiting)

    @property
    def admitted_by(self) -> int:
        """It was admitted before, if it has a permit."""
        # Seen holding, stopped until that permit was overdue, it may have queued again for the one that it got.
        return self.got if self.overdue <= self.got < NEVER else min(self.got, self.seen_holding)

    @property
    def waits_until(self) -> int:
        """It was surely in the queue from `queued` until then; 0: it is not known to have been there all the time."""
        until = self.seen_waiting
        if self.outcome == "AcquireTimeout" and self.timeout is not None:
            until = max(until, self.called + int(self.timeout * SECOND))
        until = min(until, self.gone)
        return until if until < self.called + self.slot_timeout else 0

    @property
    def overdue(self) -> int:
        """The watchdog may have taken its permit from then on, but for a touch."""
        return self.admitted_from + self.slot_timeout

    @property
    def kept_until(self) -> int:
        """The watchdog surely left its permit alone until then, if it had one at all."""
        return self.touch + self.slot_timeout if self.touched < self.overdue else self.overdue

    @property
    def held_until(self) -> int:
        """It was surely held until then, once it was admitted."""
        if self.ended < NEVER:
            return 0  # given back by the call itself, at any time
        return self.release if self.was_held else min(self.release, self.gone, self.kept_until)


@dataclass(frozen=True)
class Change:
    """A change of the settings: it took effect at some instant between."""

    begun: int
    done: int
    value: int


@dataclass
class History:
    """Everything that a storm's journals say.

    Attributes:
        calls: All of them.
        n_segments: How many were created.
        slot_timeout: The watchdog's, less what the clock may be wrong.
        limits: The limit as the director created, set and reset it, in its order.
        reports: What each 429 that was reported did: 1 if it lowered the limit, else 0; NEVER done: perhaps.
        pauses: Each with how long it was to be; a length of 0 ends one.
        stops: From when until when each process was stopped, perhaps.
        retired: When each segment that was retired had been.
        errors: What no process may ever meet, in words.
        pulses: When the director looked on.
        crowded: The looks at which several were seen waiting.
        deeds: How often the director, and callers, did what.
    """

    n_segments: int = 0
    slot_timeout: int = NEVER
    calls: list[Call] = field(default_factory=list)
    limits: list[Change] = field(default_factory=list)
    reports: list[Change] = field(default_factory=list)
    pauses: list[Change] = field(default_factory=list)
    stops: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    retired: dict[int, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    pulses: list[int] = field(default_factory=list)
    crowded: list[int] = field(default_factory=list)
    deeds: Counter[str] = field(default_factory=Counter)


def read(directory: Path, course: Course) -> History:
    """Read all journals of a storm that took this course."""
    history = History()
    if course.slot_timeout is not None:
        history.slot_timeout = int(course.slot_timeout * SECOND) - COARSE
    director = journal.read(directory / journal.DIRECTOR)
    kills = _kills(director)
    for path in directory.iterdir():
        if path.name in (journal.DIRECTOR, journal.OVER):
            continue
        lines = journal.read(path)
        _read_caller(path.name, lines, kills, history)
        _count_deeds(lines, history)
    _read_director(director, course.limit, history)
    _count_deeds(director, history)
    return history


def _count_deeds(lines: Iterable[Sequence[Any]], history: History) -> None:
    history.deeds.update(event for _, event, *_ in lines if event in _DEEDS)


def _kills(lines: Iterable[Sequence[Any]]) -> dict[int, list[int]]:
    kills: dict[int, list[int]] = {}
    for at, event, *details in lines:
        if event == "kill":
            kills.setdefault(details[0], []).append(at)
    return kills


def _read_caller(name: str, lines: list[list[Any]], kills: dict[int, list[int]], history: History) -> None:
    if not lines:
        return  # killed at birth
    begun, _, pid = lines[0]
    gone = min((at for at in kills.get(pid, []) if at >= begun), default=NEVER)
    calls: dict[int, Call] = {}
    refusal = 0
    for at, event, *details in lines[1:]:
        match event, *details:
            case "call", number, inode, weight, priority, age, timeout:
                label = f"{name}.{number}"
                calls[number] = Call(label, inode, weight, priority, age, False, timeout, history.slot_timeout, at)
            case "try", number, inode, weight:
                label = f"{name}.{number}"
                calls[number] = Call(label, inode, weight, 0, 0, True, 0, history.slot_timeout, at)
            case "queued", number:
                calls[number].queued = at
            case "got", number:
                calls[number].got = at
            case "touch", number:
                calls[number].touch = at
            case "touched", number, is_held:
                calls[number].touched = at if is_held else NEVER
            case "release", number:
                calls[number].release = at
            case "released", number, was_held:
                calls[number].released, calls[number].was_held = at, was_held
            case "end", number, outcome:
                calls[number].ended, calls[number].outcome = at, outcome
            case "refuse", _:
                refusal = at
            case "refused", _, is_lower:
                history.reports.append(Change(refusal, at, int(is_lower)))
                refusal = 0
            case "exec", *_:
                gone = min(gone, at)
            case "error", text:
                history.errors.append(f"{name}: {text}")
    if refusal:
        history.reports.append(Change(refusal, NEVER, 1))
    for call in calls.values():
        call.gone = gone
    history.calls.extend(calls.values())


def _read_director(lines: list[list[Any]], limit: int, history: History) -> None:
    by_label = {call.label: call for call in history.calls}
    begun, length, inode = 0, 0, 0
    for at, event, *details in lines:
        match event, *details:
            case "created", inode:
                history.n_segments += 1
                history.limits.append(Change(at, at, limit))
            case "set", limit:
                begun = at
            case "pause", seconds:
                begun, length = at, int(seconds * SECOND)
            case (("reset" | "retire"), *_):
                begun, length = at, 0
            case "was set", *_:
                history.limits.append(Change(begun, at, limit))
            case "was reset", *_:
                history.limits.append(Change(begun, at, limit))
                history.pauses.append(Change(begun, at, 0))
            case "paused", *_:
                history.pauses.append(Change(begun, at, length))
            case "retired", *_:
                history.retired[inode] = at
            case "stop", pid:
                history.stops.setdefault(pid, []).append((at, NEVER))
            case "continued", pid:
                history.stops[pid] = [(begin, min(end, at)) for begin, end in history.stops[pid]]
            case "seen", looked, waiting, holding:
                history.pulses.append(looked)
                if len(waiting) >= SEVERAL:
                    history.crowded.append(looked)
                for call in (by_label[label] for label in waiting):
                    call.seen_waiting, call.seen_holding = looked, NEVER
                    call.seen = looked
                for call in (by_label[label] for label in holding):
                    call.seen_holding = min(call.seen_holding, at)
                    call.seen = looked
