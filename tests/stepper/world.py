"""The process that survives, its view of the segment, and what must be so after a death."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from shmlimit import Limiter, Permit, _core, segment
from tests.stepper.operation import LIMIT, SLOTS
from tests.support.processes import HANG, wait_for

if TYPE_CHECKING:
    from typing_extensions import Self

_PARTICIPANTS_AT = 8192
_PARTICIPANTS = 1024
_SLOTS_AT = _PARTICIPANTS_AT + 64 * _PARTICIPANTS
_FREE, _CLAIMED, _WAITING, _HELD, _COOLING = range(5)


def _is_kept(word: int) -> bool:
    return word & 7 in (_CLAIMED, _WAITING, _HELD)


def _keeper(word: int) -> int:
    return word >> 3 & 0x1FFF


class World:
    """A limiter with a participant that stays; use it as a context manager."""

    def __init__(self, name: str) -> None:
        self.limiter = Limiter(name, limit=LIMIT, cooldown=0, slots=SLOTS)
        self.attachment = segment.attach(name)
        self.name = name
        self._path = Path(segment.path_of(name))
        self._participant = next(i for i, word in enumerate(self._words(_PARTICIPANTS_AT, _PARTICIPANTS)) if word & 255)
        self.others = 0
        self._held: list[Permit] = []
        self._waiting: Permit | None = None

    def take(self, n: int) -> None:
        for _ in range(n):
            permit = self.limiter.try_acquire()
            assert permit is not None
            self._held.append(permit)

    def let_go(self) -> None:
        while self._held:
            assert self._held.pop().release()

    def queue(self) -> None:
        self._waiting, queued = self.limiter._enter(1, 0, 0, "survivor")
        assert queued

    # ---- What is there.

    def _words(self, at: int, n: int) -> list[int]:
        with self._path.open("rb") as file:
            file.seek(at)
            raw = file.read(64 * n)
        return [word for (word,) in struct.iter_unpack("<Q56x", raw)]

    def slots(self) -> list[int]:
        """The word of each slot."""
        return self._words(_SLOTS_AT, SLOTS)

    def held_by_others(self) -> dict[int, int]:
        """The slots that are HELD by participants other than this one: index to word."""
        return {i: word for i, word in self.kept_by_others().items() if word & 7 == _HELD}

    def kept_by_others(self) -> dict[int, int]:
        """The slots that are CLAIMED, WAITING or HELD by participants other than this one: index to word."""
        return {i: word for i, word in enumerate(self.slots()) if _is_kept(word) and _keeper(word) != self._participant}

    def participants(self) -> int:
        """How many entries of the participants' table are not free."""
        return sum(word & 255 != 0 for word in self._words(_PARTICIPANTS_AT, _PARTICIPANTS))

    # ---- What must be so.

    def check(self, limit: int) -> None:
        """The invariants hold, and the sum is within the limit."""
        wait_for(self.attachment.audit)
        header, _ = self.attachment.snapshot()
        assert header["in_flight_milli"] <= limit * 1000

    def recover(self, limit: int, *, by_reap: bool) -> None:
        """After a death: nothing is lost and nothing is left, whether it is reaped or others just acquire."""
        self.check(limit)
        if by_reap:
            self.attachment.reap()
            self.check(limit)
        self._open_the_gate()
        self._admit_the_waiter()
        self.let_go()
        self.attachment.set_limit(LIMIT)
        self.attachment.set_cooldown(0)
        self._check_capacity()
        self.attachment.reap()
        self.check_empty()

    def make_way(self) -> None:
        """Stop holding and waiting, so that others can work beside a process that has stopped."""
        self._open_the_gate()
        self.let_go()
        self._admit_the_waiter()

    def _open_the_gate(self) -> None:
        """End a pause and a limit that a refusal lowered; what a sample said is forgotten soon."""
        self.attachment.reset()
        self.attachment.set_lag(0, 1000)

    def _admit_the_waiter(self) -> None:
        if self._waiting is None:
            return
        # What the operation would have made room for is there, or was never given: then give it.
        if len(self._held) == LIMIT:
            self.let_go()
        waiting, self._waiting = self._waiting, None
        deadline_us = round((_core.now() + HANG) * 1e6)
        assert self.attachment.wait(waiting, deadline_us) == _core.ADMITTED, "a waiter is never admitted"
        assert waiting.release()

    def _check_capacity(self) -> None:
        # The last cooldown, and the last sample, pass.
        wait_for(lambda: not (now := self.attachment.snapshot()[0])["cooling"] and now["cap_milli"] == LIMIT * 1000)
        self.take(LIMIT)
        assert self.limiter.try_acquire() is None
        self.let_go()

    def check_empty(self) -> None:
        """Nobody holds or waits, no slot names anybody, and nobody else is attached."""
        wait_for(lambda: not self.attachment.snapshot()[0]["in_flight_milli"])
        self.check(0)
        assert not [word for word in self.slots() if _is_kept(word)]
        assert self.participants() == 1 + self.others

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._waiting is not None:
            self.attachment.leave(self._waiting)
        self.let_go()
        self.limiter.close()
