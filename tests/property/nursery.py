"""Processes by the hundred: one fresh interpreter forks them in milliseconds, and each does what it is told.

A child answers every call with one word, but for an acquire that has to wait: "queued" now, another word later.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from shmlimit import Limiter, NeverAdmissible, Permit, QueueFull
from tests.support.processes import HANG, Worker, hear, state_of, wait_for

if TYPE_CHECKING:
    from typing_extensions import Self


class Child:
    """A process that uses one limiter, as its test sees it."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(HANG)
        self._lines = connection.makefile("rw")
        connection.close()
        self.pid: int = self.hear()

    def ask(self, verb: str, *args: Any) -> Any:
        self._lines.write(json.dumps([verb, *args]) + "\n")
        self._lines.flush()
        return self.hear()

    def hear(self) -> Any:
        line = self._lines.readline()
        assert line, f"child {self.pid} ended without a word"
        return json.loads(line)

    def interrupt(self) -> Any:
        """SIGINT; what it says to that."""
        os.kill(self.pid, signal.SIGINT)
        return self.hear()

    def kill(self) -> None:
        """SIGKILL, until its files are closed."""
        os.kill(self.pid, signal.SIGKILL)
        self._gone()

    def end(self) -> None:
        """Let it go, until it has."""
        self._lines.close()
        self._gone()

    def _gone(self) -> None:
        wait_for(lambda: state_of(self.pid) in ("", "Z", "X"))


class Nursery:
    """Where children come from; use it as a context manager, so that they are gone at the end."""

    def __init__(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(HANG)
        address = f"shmlimit-test-{os.getpid()}-{secrets.token_hex(4)}"
        self._listener.bind(f"\0{address}")
        self._listener.listen()
        self._worker = Worker(_fork_on_demand, address)

    def child(self, limiter: str) -> Child:
        self._worker.say(limiter)
        return Child(self._listener.accept()[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._worker.__exit__(*exc_info)
        self._listener.close()


# ---- In the processes.


def _fork_on_demand(address: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while name := hear():
        if os.fork() == 0:
            _live(address, name)


def _live(address: str, name: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(f"\0{address}")
    try:
        user = _User(name, connection)
        user.say(os.getpid())
        for line in connection.makefile():
            verb, *args = json.loads(line)
            user.say(getattr(user, verb)(*args))
    except BaseException as error:  # noqa: BLE001  (not into the interpreter that forked this)
        print(f"child of {name}: {error!r}", file=sys.stderr)
        os._exit(1)
    finally:
        os._exit(0)


class _User:
    """The verbs of a child. Permits are kept by number."""

    def __init__(self, name: str, connection: socket.socket) -> None:
        self._limiter = Limiter(name)
        self._connection = connection
        self._permits: dict[int, Permit] = {}

    def say(self, word: object) -> None:
        # Unbuffered: what a signal interrupts is not said twice.
        self._connection.sendall(json.dumps(word).encode() + b"\n")

    def acquire(self, number: int, weight: float, priority: int, since: float) -> str:
        try:
            self._permits[number] = self._limiter.acquire(
                weight=weight, priority=priority, since=since, on_queued=lambda: self.say("queued")
            )
        except NeverAdmissible:
            return "never"
        except QueueFull:
            return "full"
        except KeyboardInterrupt:
            return "interrupted"
        return "held"

    def release(self, number: int) -> bool:
        return self._permits[number].release()

    def fork(self, number: int) -> Any:
        """What a forked child finds: the permit it inherited touched and released, and one of its own."""
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            inherited = self._permits[number]
            found = [inherited.touch(), inherited.release()]
            own = None
            with contextlib.suppress(NeverAdmissible, QueueFull):
                own = self._limiter.try_acquire()
            os.write(theirs, json.dumps([*found, own is not None]).encode())
            os._exit(0)  # with what it holds
        os.waitpid(pid, 0)
        found = json.loads(os.read(ours, 4096))
        os.close(ours)
        os.close(theirs)
        return found
