"""What a process does with a limiter, step by step, so that every one of its system calls can be made to fail."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import ClassVar

import shmlimit
from shmlimit import AcquireTimeout, Limiter, LimiterNotFound, Permit, poller
from shmlimit.cli import main
from shmlimit.usage import Usage

_PR_SET_DUMPABLE = 4

LIMIT = 2
SLOTS = 16


class Operation:
    """One step. prepare() and undo() are never disturbed; run() is, and then done again undisturbed."""

    is_created: ClassVar[bool] = True
    """Whether the limiter is there before."""
    opened: ClassVar[int] = 0
    """How many descriptors of the segment it may leave open."""
    spared: ClassVar[frozenset[str]] = frozenset()
    """Calls that only others' code makes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def prepare(self) -> None:
        """What comes before."""

    def run(self) -> None:
        """The step itself."""

    def undo(self) -> None:
        """Give back what run() is meant to leave with the process, if it got so far."""


class Create(Operation):
    is_created = False
    limiter: Limiter | None = None

    def run(self) -> None:
        self.limiter = Limiter(self.name, limit=LIMIT, cooldown=0, slots=SLOTS)

    def undo(self) -> None:
        self.limiter = None


class Attach(Create):
    is_created = True

    def run(self) -> None:
        self.limiter = Limiter(self.name)


class Observe(Operation):
    def run(self) -> None:
        shmlimit.status(self.name)


class Acquire(Operation):
    permit: Permit | None = None

    def prepare(self) -> None:
        self.limiter = Limiter(self.name)

    def run(self) -> None:
        self.permit = self.limiter.acquire(timeout=5)

    def undo(self) -> None:
        if self.permit is not None:
            assert self.permit.release()
            self.permit = None


class AcquireInChild(Acquire):
    """The first use in a forked child, which joins as a participant of its own."""

    opened = 1

    def prepare(self) -> None:
        super().prepare()
        self.limiter.acquire(timeout=5).release()
        child = os.fork()
        if child:
            os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


class Park(Operation):
    """A wait that ends without a permit."""

    def prepare(self) -> None:
        self.limiter = Limiter(self.name)
        self.held = [self.limiter.acquire(timeout=5) for _ in range(LIMIT)]

    def run(self) -> None:
        try:
            self.limiter.acquire(timeout=0.004)
        except AcquireTimeout:
            return
        raise AssertionError("admitted beyond the limit")


class Release(Park):
    """A release, and the grant to a waiter that follows."""

    def run(self) -> None:
        self.limiter.acquire(timeout=5, on_queued=self.held.pop().release).release()

    def undo(self) -> None:
        self.held += [self.limiter.acquire(timeout=5) for _ in range(LIMIT - len(self.held))]


class Change(Acquire):
    """A change of a setting, which is saved."""

    def run(self) -> None:
        self.limiter.limit = LIMIT


class Report(Acquire):
    def run(self) -> None:
        self.limiter.report_429(0)

    def undo(self) -> None:
        self.limiter.reset()


class Destroy(Operation):
    def run(self) -> None:
        shmlimit.destroy(self.name, force=True)

    def undo(self) -> None:
        if self.name not in shmlimit.limiters():
            Limiter(self.name, limit=LIMIT, cooldown=0, slots=SLOTS).close()


class Forget(Destroy):
    def run(self) -> None:
        shmlimit.destroy(self.name, force=True, forget=True)


class StartPoller(Acquire):
    """As a waiter does it. What is started ends at once: `true` in place of the interpreter."""

    spared = frozenset({"read"})  # subprocess, of its own pipe

    def prepare(self) -> None:
        super().prepare()
        sys.executable = "/bin/true"

    def run(self) -> None:
        self.limiter._start_poller()


class _EnoughPolls(BaseException):
    """Ends a poller as an interrupt from the keyboard does."""


def _end(*_: object) -> None:
    raise _EnoughPolls


class Poll(Park):
    """A poller's life: one poll, and the sleep after it, out of which a signal comes."""

    min_interval = 0.001
    has_polled = False

    def prepare(self) -> None:
        super().prepare()
        _, is_queued = self.limiter._enter(1, 0, 0, None)
        assert is_queued

    def run(self) -> None:
        code = 0
        signal.signal(signal.SIGALRM, _end)
        if self.has_polled:
            signal.setitimer(signal.ITIMER_REAL, 0.02)  # the next poll is due a second after the last
        try:
            code = poller.run(self.name, source=self)
        except (_EnoughPolls, LimiterNotFound):
            # A name that is not found is taken for gone for ever, and the limiter with it.
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            # A poller's memory is private, and so are its descriptors in procfs.
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1)
        if code:
            raise CommandFailed(f"{code}")

    def get_usage(self) -> Usage:
        self.has_polled = True
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        return Usage(concurrent_sessions=LIMIT)


class Run(Operation):
    """`shmlimit run` of a command that does nothing."""

    def run(self) -> None:
        _succeed("run", self.name, "--wait", "5", "--", "/bin/true")


class CommandStatus(Operation):
    """`shmlimit status`."""

    def run(self) -> None:
        _succeed("status", self.name, "--json")


class CommandFailed(Exception):
    """A command said that it failed, by its exit code."""


def _succeed(*arguments: str) -> None:
    code = main(arguments)
    if code:
        raise CommandFailed(str(code))


OPERATIONS: dict[str, type[Operation]] = {
    "create": Create,
    "attach": Attach,
    "observe": Observe,
    "acquire": Acquire,
    "acquire in a forked child": AcquireInChild,
    "park": Park,
    "release to a waiter": Release,
    "change": Change,
    "report a 429": Report,
    "destroy": Destroy,
    "destroy and forget": Forget,
    "start a poller": StartPoller,
    "poll": Poll,
    "run": Run,
    "show": CommandStatus,
}
