"""Short random programs, and the processes that run them at the same time and log what they were answered when."""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shmlimit import AcquireTimeout, Limiter, NeverAdmissible
from tests.property.history import Operation
from tests.support.processes import hear, say

if TYPE_CHECKING:
    import random

    from shmlimit import Permit

# For each process a list of steps, [kind, argument, priority, timeout in microseconds]; and the limit they begin with.
Program = dict[str, Any]

_WEIGHTS = (1000, 1000, 1000, 2000, 500)
_TIMEOUTS = (0, 300, 1000, 2000)


def program(chance: random.Random, processes: int) -> Program:
    return {"limit": chance.choice((1, 1, 2, 2, 3)), "steps": [_steps(chance) for _ in range(processes)]}


def _steps(chance: random.Random) -> list[list[Any]]:
    steps: list[list[Any]] = []
    for _ in range(chance.randint(3, 7)):
        taken = [number for number, step in enumerate(steps) if step[0] in ("try", "acquire")]
        kinds = ["try"] * 3 + ["acquire"] * 4 + ["release"] * (5 if taken else 0) + ["set_limit", "limit"]
        match kind := chance.choice(kinds):
            case "try":
                steps.append([kind, chance.choice(_WEIGHTS), 0, 0])
            case "acquire":
                steps.append([kind, chance.choice(_WEIGHTS), chance.choice((0, 0, 1)), chance.choice(_TIMEOUTS)])
            case "release":
                steps.append([kind, chance.choice(taken), 0, 0])
            case "set_limit":
                steps.append([kind, chance.choice((0, 1, 2, 3)) * 1000, 0, 0])
            case _:
                steps.append([kind, None, 0, 0])
    return steps


# ---- In the processes.


def run(name: str, meeting_file: str, index: int, processes: int) -> None:
    """Run programs as they come, each begun by all at once; say what the steps were answered, and when."""
    limiter = Limiter(name)
    meeting = _Meeting(meeting_file, index, processes)
    say("ready")
    while True:
        logs = []
        for one in hear():
            if index == 0:
                limiter._live().set_limit(one["limit"])
            meeting.meet()
            log, permits = _run(limiter, one["steps"][index])
            meeting.meet()
            for permit in permits.values():
                permit.release()
            logs.append(log)
        say(logs)


class _Meeting:
    """Where processes wait for each other: each counts its arrivals in a word of its own."""

    def __init__(self, path: str, index: int, processes: int) -> None:
        with Path(path).open("r+b") as file:
            self._words = memoryview(mmap.mmap(file.fileno(), 4096)).cast("Q")
        self._index = index
        self._others = [other for other in range(processes) if other != index]
        self._arrivals = 0

    def meet(self) -> None:
        self._arrivals += 1
        self._words[self._index] = self._arrivals
        while any(self._words[other] < self._arrivals for other in self._others):
            os.sched_yield()


def _run(limiter: Limiter, steps: list[list[Any]]) -> tuple[list[list[Any]], dict[int, Permit]]:
    """The log: for each step [begun, when it was seen to be queued, ended, answer]; and the permits by step."""
    permits: dict[int, Permit] = {}
    log = []
    clock = time.monotonic_ns
    attachment = limiter._live()
    queued: list[int] = []
    for number, (kind, argument, priority, timeout) in enumerate(steps):
        answer: Any = None
        queued.clear()
        begun = clock()
        if kind == "try" or kind == "acquire":
            try:
                if kind == "try":
                    permit = limiter.try_acquire(weight=argument / 1000)
                else:
                    # One `since` for all: among equal priorities the first to queue goes first.
                    permit = limiter.acquire(weight=argument / 1000, priority=priority, since=1, timeout=timeout / 1e6)
                ended = clock()
                answer = "none"
                if permit is not None:
                    permits[number] = permit
                    answer = "held"
            except AcquireTimeout:
                ended, answer = clock(), "timeout"
            except NeverAdmissible:
                ended, answer = clock(), "never"
        elif kind == "release":
            permit = permits.get(argument)
            answer = permit.release() if permit is not None else False
            ended = clock()
        elif kind == "set_limit":
            attachment.set_limit(argument // 1000)
            ended = clock()
        else:
            answer = (limiter.limit or 0) * 1000
            ended = clock()
        log.append([begun, queued[0] if queued else None, ended, answer])
    return log, permits


# ---- In the test.


def operations(one: Program, logs: list[list[list[Any]]]) -> list[Operation]:
    """What the processes logged of this program, as operations."""
    return [
        Operation(process, kind, argument, answer, begun, ended, priority, timeout * 1000, queued)
        for process, (steps, log) in enumerate(zip(one["steps"], logs, strict=True))
        for (kind, argument, priority, timeout), (begun, queued, ended, answer) in zip(steps, log, strict=True)
    ]
