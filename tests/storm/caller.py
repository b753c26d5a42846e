"""A process of the storm: acquires, holds, releases, and writes down what it knows of it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from shmlimit import AcquireTimeout, Limiter, LimiterNotFound, NeverAdmissible, QueueFull, SegmentOrphaned
from tests.storm.course import COURSES, Course
from tests.storm.journal import OVER, Journal

if TYPE_CHECKING:
    from types import FrameType

    from shmlimit import Permit

# Calls ask for turns that are as old as a whole number of these: so some of them are of one age.
AGE = 0.05
_OLDEST = 10
_CHILDS_CALLS = 5


class Cancelled(Exception):
    """The signal that cancels a call."""


class Caller:
    """One process's part, from its start to the end of the storm.

    Args:
        directory: Where the journals are, and the mark of the end.
        name: The limiter's.
        course: What it does.
        seed: Of its own chances.
    """

    def __init__(self, directory: Path, name: str, course: Course, seed: int) -> None:
        self._directory = directory
        self._name = name
        self._course = course
        self._chance = random.Random(seed)
        self._journal = Journal(directory, f"{os.getpid()}-{time.monotonic_ns()}")
        self._journal.write("begin", os.getpid())
        self._number = 0
        self._is_calling = False
        self._children: list[int] = []
        self._limiter = self._open()
        signal.signal(signal.SIGUSR1, self._cancel)

    def work(self, calls: float = float("inf")) -> None:
        """Call until the storm is over, or so many times."""
        try:
            while calls > 0 and not (self._directory / OVER).exists():
                calls -= 1
                self._call()
            for child in self._children:
                os.waitpid(child, 0)
        except BaseException as error:
            self._journal.write("error", repr(error))
            raise
        self._journal.write("exit")

    def _open(self) -> Limiter:
        while True:
            with contextlib.suppress(LimiterNotFound):
                return Limiter(self._name)
            time.sleep(0.001)  # between destroy and create

    def _cancel(self, number: int, frame: FrameType | None) -> None:
        if self._is_calling:
            self._is_calling = False
            raise Cancelled

    def _call(self) -> None:
        self._number += 1
        permit = None
        try:
            try:
                permit = self._acquire()
            finally:
                self._is_calling = False
        except (AcquireTimeout, Cancelled, NeverAdmissible, QueueFull, SegmentOrphaned) as error:
            if permit is not None:
                permit.release()
            self._journal.write("end", self._number, type(error).__name__)
            if isinstance(error, SegmentOrphaned):
                self._limiter = self._open()
            elif isinstance(error, QueueFull):
                time.sleep(self._chance.random() * self._course.holds)
        else:
            if permit is not None:
                self._journal.write("got", self._number)
                self._use(permit)
            else:
                self._journal.write("end", self._number, "none")
                time.sleep(self._chance.random() * self._course.holds)

    def _acquire(self) -> Permit | None:
        course, chance, number = self._course, self._chance, self._number
        label = f"{self._journal.name}.{number}"
        weight = chance.choice(course.weights)
        attachment = self._limiter._attachment
        inode = attachment.inode if attachment is not None else 0
        if chance.random() < course.tries:
            self._journal.write("try", number, inode, weight)
            self._is_calling = True
            return self._limiter.try_acquire(weight=weight / 1000, label=label)
        priority, timeout = chance.choice(course.priorities), chance.choice(course.timeouts)
        age = int(time.time() / AGE) - chance.randint(0, _OLDEST)
        self._journal.write("call", number, inode, weight, priority, age, timeout)
        self._is_calling = True
        return self._limiter.acquire(
            weight=weight / 1000,
            priority=priority,
            since=age * AGE,
            timeout=timeout,
            label=label,
            on_queued=self._queued,
        )

    def _queued(self) -> None:
        self._journal.write("queued", self._number)

    def _use(self, permit: Permit) -> None:
        course, chance, number = self._course, self._chance, self._number
        if chance.random() < course.forks:
            self._fork(permit)
        time.sleep(chance.random() * course.holds)
        if chance.random() < course.touches:
            self._journal.write("touch", number)
            self._journal.write("touched", number, permit.touch())
            time.sleep(chance.random() * course.holds)
        if chance.random() < course.refusals:
            self._journal.write("refuse", number)
            self._journal.write("refused", number, self._limiter.report_429(chance.random() * 0.05, permit))
        if chance.random() < course.execs:
            self._become_another_program()
        self._journal.write("release", number)
        was_held = permit.release()
        self._journal.write("released", number, was_held)

    def _fork(self, permit: Permit) -> None:
        seed = self._chance.getrandbits(32)
        self._journal.write("fork")
        child = os.fork()
        if child:
            self._children.append(child)
            return
        status = 1
        try:
            # What it inherited must not keep its parent alive meanwhile.
            time.sleep(self._chance.random() * self._course.holds)
            was_held = permit.release()
            caller = Caller(self._directory, self._name, self._course, seed)
            if was_held:
                caller._journal.write("error", "a child released its parent's permit")
            caller.work(_CHILDS_CALLS)
            status = 0
        finally:
            os._exit(status)

    def _become_another_program(self) -> None:
        arguments = [self._directory, self._name, self._course.name, self._chance.getrandbits(32)]
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # which the new program inherits
        self._journal.write("exec")
        os.execv(sys.executable, [sys.executable, "-m", __spec__.name, *map(str, arguments)])


def run(directory: str, name: str, course: str, seed: str) -> None:
    """Take part; in a process made for it."""
    # A permit that a cancellation catches on its way back is released by the collector, which says so.
    warnings.simplefilter("ignore", ResourceWarning)
    Caller(Path(directory), name, COURSES[course], int(seed)).work()


if __name__ == "__main__":
    run(*sys.argv[1:])
