"""How many of the instructions of an operation are tried, and in which order."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.stepper.way import firsts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.stepper.way import Arrival

_SAMPLE = 6
_SAMPLE_LONG = 100
_AT_LEAST = 3
_FEW = 3


@dataclass(frozen=True)
class Effort:
    """What is tried of a way.

    Attributes:
        is_long: All that is needed.
        seconds: As much as fits in this time; None: the first instruction of each state, and a few others.
        seed: What the order depends on.
    """

    is_long: bool
    seconds: float | None
    seed: int

    def ends(self, way: Sequence[Arrival]) -> Iterator[Arrival]:
        """Where to kill: between two changes of the state all leave the same, so the first of each state."""
        return self._some(firsts(way), way)

    def stops(self, way: Sequence[Arrival]) -> Iterator[Arrival]:
        """Where to stop: what it has read before differs too, so before each instruction that shares anything.

        From one of them up to the next nothing comes in and nothing goes out: a stop anywhere there is the same.
        """
        is_short = self.seconds is None and not self.is_long
        return self._some(firsts(way) if is_short else [arrival for arrival in way if arrival.is_shared], way)

    def _some(self, needed: Sequence[Arrival], way: Sequence[Arrival]) -> Iterator[Arrival]:
        """The needed, in any order; some of the others too, lest there is a difference that nobody has thought of.

        In a given time, as many as fit, the first of each state first.
        """
        order = random.Random(self.seed)
        chosen = [*needed]
        order.shuffle(chosen)
        chosen += order.sample(way, min(_SAMPLE_LONG if self.is_long else _SAMPLE, len(way)))
        if self.seconds is None:
            yield from chosen
            return
        first = firsts(way)
        order.shuffle(first)
        end = time.monotonic() + self.seconds
        for i, arrival in enumerate([*first, *chosen]):
            if time.monotonic() > end and i >= _AT_LEAST:
                return
            yield arrival

    def some_states(self, way: Sequence[Arrival]) -> Iterator[Arrival]:
        """The first instruction of each state; of a few states only, unless it may be long."""
        states = firsts(way)
        random.Random(self.seed).shuffle(states)
        end = time.monotonic() + (self.seconds or float("inf"))
        few = _FEW if self.seconds is None and not self.is_long else len(states)
        for i, arrival in enumerate(states[:few]):
            if i and time.monotonic() > end:
                return
            yield arrival
