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
        is_shared: It goes to shared memory, or out of the extension, where there may be a system call.
    """

    offset: int
    n: int
    state: int
    is_shared: bool

    def __str__(self) -> str:
        what = "Python instruction" if self.offset < 0 else f"instruction +{self.offset:#x}"
        return f"{what}, {self.n} times, state {self.state}"


def read(recorded: bytes) -> list[Arrival]:
    """What a process has recorded of itself: offset, state, whether it is shared."""
    times: dict[int, int] = {}
    way = []
    for offset, state, is_shared in struct.iter_unpack("<iII", recorded):
        times[offset] = times.get(offset, 0) + 1
        way.append(Arrival(offset, times[offset], state, bool(is_shared)))
    return way


def firsts(way: Iterable[Arrival]) -> list[Arrival]:
    """The first arrival in each state: all others in it leave the same."""
    return [next(arrivals) for _, arrivals in groupby(way, lambda arrival: arrival.state)]
