"""The way of a process through an operation: instruction by instruction, with the states between them."""

from __future__ import annotations

import struct
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Arrival(NamedTuple):
    """One execution of one instruction.

    Attributes:
        offset: Which instruction of the extension; -1: any of the package's Python code.
        n: The n-th execution of it.
        state: What a death there leaves to others, numbered in the order in which it comes.
    """

    offset: int
    n: int
    state: int

    def __str__(self) -> str:
        what = "Python instruction" if self.offset < 0 else f"instruction +{self.offset:#x}"
        return f"{what}, {self.n} times, state {self.state}"


def read(recorded: bytes) -> list[Arrival]:
    """What a process has recorded of itself: pairs of offset and state."""
    times: dict[int, int] = {}
    way = []
    for offset, state in struct.iter_unpack("<iI", recorded):
        times[offset] = times.get(offset, 0) + 1
        way.append(Arrival(offset, times[offset], state))
    return way


def firsts(way: Iterable[Arrival]) -> list[Arrival]:
    """The first arrival in each state: all others in it leave the same."""
    return [next(arrivals) for _, arrivals in groupby(way, lambda arrival: arrival.state)]
