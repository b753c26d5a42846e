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
        is_long: All of it.
        seconds: As much as fits in this time; None: the first instruction of each state, and a few others.
        seed: What the order depends on.
    """

    is_long: bool
    seconds: float | None
    seed: int

    def ends(self, way: Sequence[Arrival]) -> Iterator[Arrival]:
        """Where to kill: between two changes of the state all instructions leave the same, the first of each will do.

        Some of the others too, lest something counts that is not in the state; in a given time, as many as fit.
        """
        if self.seconds is not None:
            yield from self.stops(way)
            return
        order = random.Random(self.seed)
        first = firsts(way)
        order.shuffle(first)
        yield from first
        yield from order.sample(way, min(_SAMPLE_LONG if self.is_long else _SAMPLE, len(way)))

    def stops(self, way: Sequence[Arrival]) -> Iterator[Arrival]:
        """Where to stop: everywhere, for what it has read before differs; the first of each state goes first."""
        if self.seconds is None and not self.is_long:
            yield from self.ends(way)
            return
        order = random.Random(self.seed)
        first = firsts(way)
        order.shuffle(first)
        others = sorted(set(way) - set(first))
        order.shuffle(others)
        end = time.monotonic() + (self.seconds or float("inf"))
        for i, arrival in enumerate([*first, *others]):
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
