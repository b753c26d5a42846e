"""The rules that a storm's history is judged by, offline; each accuses only what no interleaving can excuse.

`python -m tests.storm.checker COURSE DIRECTORY` judges kept journals again.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import TYPE_CHECKING

from tests.storm.course import COURSES, Course
from tests.storm.history import COARSE, NEVER, SECOND, Call, History, read
from tests.storm.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

# Times in a segment are whole microseconds.
_GRAIN = 2_000
# So many looks in a row may find a caller waiting where there is room: 3 s, and more on a busy machine. A waiter far
# back in the queue looks for itself every 2 s, and those before it may be stopped.
PATIENCE = 300
# A dead holder's room counts as taken for so long: what is judged is whether the living are served, not how fast.
_RECLAIM = 2 * SECOND
# In so many looks several waiters have each had more than two ticks.
TICKS = 20
_REPORTED_PAUSE = SECOND // 10
# Who is granted a permit is woken; so its call returns before that many more looks, but for few of many.
PROMPT = 4
_FEW = 0.2
MANY = 50


class Checker:
    """Judges one history.

    Args:
        history: What was.
        course: What was meant to be.
    """

    def __init__(self, history: History, course: Course) -> None:
        self._history = history
        self._course = course
        self._limits = Limits(history.limits, history.reports)
        self._cooldown_least = max(0, int(min(course.cooldowns) * SECOND) - _GRAIN)
        self._cooldown_most = int(max(course.cooldowns) * SECOND) + _GRAIN

    def violations(self) -> list[str]:
        """Every breach of a rule, in words; none: all was well."""
        return [
            *self._history.errors,
            *self._lost(),
            *self._kept_too_long(),
            *self._left_behind(),
            *self._over_the_limit(),
            *self._admitted_in_a_pause(),
            *self._admitted_by_a_retired_segment(),
            *self._overtaken(),
            *self._left_waiting(),
            *self._told_late(),
        ]

    def _lost(self) -> Iterator[str]:
        """A permit is the holder's until it releases it, or the watchdog may take it."""
        for call in self._history.calls:
            if call.released != NEVER and not call.was_held and call.released < call.kept_until:
                yield f"{call.label}: its permit was lost within {_ms(call.called, call.released)}"

    def _kept_too_long(self) -> Iterator[str]:
        """What is overdue is taken back, where others wait who look for it every tick."""
        crowded = self._history.crowded
        for call in self._history.calls:
            if not call.was_held or call.slot_timeout == NEVER:
                continue
            touched = call.touched if call.touched < NEVER else 0
            overdue = max(call.admitted_by, touched) + call.slot_timeout + 2 * COARSE
            if bisect_left(crowded, call.release) - bisect_left(crowded, overdue) >= TICKS:
                yield f"{call.label}: its permit was overdue for {_ms(overdue, call.release)} and still its own"

    def _left_behind(self) -> Iterator[str]:
        """What a caller has given back, or never got, is not in the table any more."""
        for call in self._history.calls:
            if (over := min(call.released, call.ended)) < call.seen:
                yield f"{call.label}: was seen {_ms(over, call.seen)} after it was over"

    def _over_the_limit(self) -> Iterator[str]:
        """Those that surely held at once had room together when the last of them was admitted at the earliest."""
        events = []
        for call in self._history.calls:
            begin, end = call.admitted_by, call.held_until + self._cooldown_least
            if begin < min(end, NEVER):
                events += [(begin, 1, call), (end, 0, call)]
        holding: dict[str, Call] = {}
        for at, is_begin, call in sorted(events, key=lambda event: event[:2]):
            if not is_begin:
                del holding[call.label]
                continue
            holding[call.label] = call
            together = [one for one in holding.values() if one.inode == call.inode]
            limit = self._limits.most(max(one.admitted_from for one in together), at) * 1000
            if (weight := sum(one.weight for one in together)) > limit:
                labels = ", ".join(sorted(one.label for one in together))
                yield f"{call.label}: {weight} thousandths were held under a limit of {limit}: {labels}"

    def _admitted_in_a_pause(self) -> Iterator[str]:
        """Nobody is admitted between the return of pause() and its end, or the begin of what may end it earlier."""
        changes = self._history.pauses
        pauses = []
        for number, pause in enumerate(changes):
            end = pause.begun + pause.value - _GRAIN
            if number + 1 < len(changes):
                end = min(end, changes[number + 1].begun)
            if end > pause.done:
                pauses.append((pause.done, end))
        for call in self._history.calls:
            for begin, end in pauses:
                if begin < call.admitted_from and call.admitted_by < end:
                    yield f"{call.label}: was admitted {_ms(begin, call.admitted_by)} into a pause of {_ms(begin, end)}"

    def _admitted_by_a_retired_segment(self) -> Iterator[str]:
        for call in self._history.calls:
            retired = self._history.retired.get(call.inode, NEVER)
            if retired < call.admitted_from and call.admitted_by < NEVER:
                yield f"{call.label}: was admitted by a segment that was retired {_ms(retired, call.got)} before"

    def _overtaken(self) -> Iterator[str]:
        """Nobody was admitted while somebody surely waited who goes before them, and who might have been admitted."""
        calls = self._history.calls
        events = [(call.queued, 0, number) for number, call in enumerate(calls) if call.queued < call.waits_until]
        events += [(call.admitted_from, 1, number) for number, call in enumerate(calls) if call.admitted_by < NEVER]
        waiting: list[tuple[int, Call]] = []
        for at, is_admission, number in sorted(events):
            call = calls[number]
            if not is_admission:
                waiting.append((call.waits_until, call))
                continue
            waiting = [(until, one) for until, one in waiting if until > at]
            for until, one in waiting:
                if until > call.admitted_by and self._goes_before(one, call):
                    yield (
                        f"{call.label} (priority {call.priority}, age {call.age}) was admitted while {one.label} "
                        f"(priority {one.priority}, age {one.age}) waited {_ms(one.queued, until)}"
                    )

    def _goes_before(self, waiter: Call, call: Call) -> bool:
        if waiter.inode != call.inode:
            return False
        if waiter.weight > self._limits.least(call.admitted_from, call.admitted_by) * 1000:
            return False
        if call.is_try:
            return True
        rank, other = (-waiter.priority, waiter.age), (-call.priority, call.age)
        return rank < other or (rank == other and waiter.queued < call.called)

    def _left_waiting(self) -> Iterator[str]:
        """Nobody that could run waited, look after look, while there was room for anybody."""
        room, pulses = self._looks_with_room(), self._history.pulses
        for call in self._history.calls:
            looks = pulses[bisect_right(pulses, call.queued) : bisect_left(pulses, call.waits_until)]
            if len(looks) < PATIENCE:
                continue
            stops = self._history.stops.get(call.pid, [])
            in_vain = 0
            for at in looks:
                is_stopped = any(begin <= at <= end for begin, end in stops)
                in_vain = in_vain + 1 if at in room and not is_stopped else 0
                if in_vain == PATIENCE:
                    yield f"{call.label}: waited for {PATIENCE} looks while there was room"
                    break

    def _told_late(self) -> Iterator[str]:
        """Those that wait are told of their permits; a waiter that finds its own at its next tick has not been."""
        pulses = self._history.pulses
        granted = late = 0
        for call in self._history.calls:
            if call.got == NEVER or call.queued == NEVER or self._was_stopped(call):
                continue
            granted += 1
            late += bisect_left(pulses, call.got) - bisect_left(pulses, call.seen_holding) >= PROMPT
        if granted >= MANY and late > _FEW * granted:
            yield f"{late} of {granted} waiters were granted a permit {PROMPT} looks or more before they knew"

    def _was_stopped(self, call: Call) -> bool:
        return any(begin <= call.got and call.called <= end for begin, end in self._history.stops.get(call.pid, []))

    def _looks_with_room(self) -> set[int]:
        """The looks at which the heaviest would surely have fitted."""
        if self._course.usage or self._history.n_segments > 1:
            return set()  # there is another reason to wait, or another place
        events = [(at, 1, 0) for at in self._history.pulses]
        for call in self._history.calls:
            events += [(call.admitted_from, 0, call.weight), (self._perhaps_held_until(call), 0, -call.weight)]
        pauses = self._perhaps_paused()
        heaviest, used = max(self._course.weights), 0
        room = set()
        for at, is_look, weight in sorted(events):
            used += weight
            fits = is_look and used + heaviest <= self._limits.least(at, at) * 1000
            if fits and not any(begin <= at <= end for begin, end in pauses):
                room.add(at)
        return room

    def _perhaps_held_until(self, call: Call) -> int:
        if call.released < NEVER or call.ended < NEVER:
            return min(call.released, call.ended) + self._cooldown_most
        return call.gone + _RECLAIM

    def _perhaps_paused(self) -> list[tuple[int, int]]:
        pauses = [(pause.begun, pause.done + pause.value) for pause in self._history.pauses if pause.value]
        return pauses + [(report.begun, report.done + _REPORTED_PAUSE) for report in self._history.reports]


def _ms(begin: int, end: int) -> str:
    return f"{(end - begin) / 1e6:.3f} ms"


if __name__ == "__main__":
    _course = COURSES[sys.argv[1]]
    print("\n".join(Checker(read(Path(sys.argv[2]), _course), _course).violations()) or "all was well")
