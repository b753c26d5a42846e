"""Who waits in these tests: threads of the test where processes are not the point."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shmlimit import Limiter, Permit, Status
from shmlimit import status as read_status
from tests.support.processes import HANG, hear, say, state_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence


class Waiter:
    """Acquires in a thread and keeps the permit."""

    def __init__(self, limiter: Limiter, **options: Any) -> None:
        self._limiter = limiter
        self._options = {"timeout": HANG, **options}
        self._queued_or_done = threading.Event()
        self._permit: Permit | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._queued_or_done.wait(HANG)

    def _run(self) -> None:
        try:
            self._permit = self._limiter.acquire(on_queued=self._queued_or_done.set, **self._options)
        except BaseException as error:  # noqa: BLE001  (raised again in the test)
            self._error = error
        finally:
            self._queued_or_done.set()

    @property
    def is_admitted(self) -> bool:
        return self._permit is not None

    def permit(self) -> Permit:
        """Wait for it."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._permit is not None
        return self._permit

    def end(self) -> None:
        """Whatever became of it, at the end of a test."""
        self._thread.join()
        if self._permit is not None:
            self._permit.release()


class Turns:
    """Two callers of a limiter of 1: one holds the permit, the other one waits for it; blocks until one holds it."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._permit = limiter.acquire(timeout=HANG)
        self._waiters: list[Waiter] = []

    def queue(self) -> None:
        """Let the other one wait."""
        self._waiters = [Waiter(self._limiter, timeout=None)]

    def give_back(self) -> None:
        self._permit.release()

    def go_on(self) -> None:
        """Wait until the waiter is admitted, and let another one wait."""
        self._permit = self._waiters[0].permit()
        self.queue()

    def take(self) -> None:
        """The holder gives back, the waiter is admitted, and another one waits."""
        self.give_back()
        self.go_on()

    def end(self) -> None:
        """Let everybody out, also after a failed test."""
        end_all(self._limiter, self._waiters)
        self._permit.release()


def end_all(limiter: Limiter, waiters: Sequence[Waiter]) -> None:
    """Let everybody out, also after a failed test."""
    limiter._live().retire()
    for waiter in waiters:
        waiter.end()


def reading(name: str) -> Status:
    now = read_status(name)
    assert isinstance(now, Status)
    return now


def poller_of(name: str) -> int:
    """The pid of the elected poller; waits for one."""
    return int(wait_for(lambda: reading(name).poller))


def holder_until_told(name: str) -> None:
    """In a worker: hold a permit until told."""
    limiter = Limiter(name)
    with limiter.acquire(timeout=HANG):
        say("held")
        hear()
    say("released")


def pollers(name: str) -> list[int]:
    """The pids of all living pollers of the limiter, elected or not."""
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208
        if not entry.isdigit():
            continue
        try:
            arguments = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"shmlimit.poller" in arguments and name.encode() in arguments and b"-c" not in arguments:
            found.append(int(entry))
    return found


def kill(pid: int) -> None:
    """SIGKILL, until it is gone: no child of ours, so that somebody else reaps it."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return
    wait_for(lambda: state_of(pid) in ("", "Z"))
