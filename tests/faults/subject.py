"""The process whose system calls fail: forked for each fault from one that has imported everything already.

The one that forks answers the subject's calls, counts them between two marks, and lets those fail that the fault says.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import traceback

import shmlimit
from tests.faults import listener
from tests.faults.belongings import attempt, belongings, more_than
from tests.faults.fault import PLAUSIBLE, Fault
from tests.faults.operations import OPERATIONS, Operation
from tests.support import processes

# A call that nothing else here makes: it begins and ends what may be disturbed.
_MARK = "getsid"
_PRIVATE_FUTEX = 128
_STDERR = 2
_HANG_MS = 60_000


def serve() -> None:
    """Fork a subject for each order that the test gives, answer its calls, and say what became of it."""
    _import_everything()
    # So that collecting garbage in a subject touches nothing that it shares with this process.
    gc.freeze()
    while True:
        order = processes.hear()
        fault = order["fault"]
        _Trial(OPERATIONS[order["operation"]](order["name"]), Fault(**fault) if fault else None).supervise()


def _import_everything() -> None:
    """What an import does under a fault is the interpreter's."""
    for module in pkgutil.walk_packages(shmlimit.__path__, "shmlimit."):
        if not module.name.endswith("__main__") and module.name.split(".")[1] not in ("demo", "emulate"):
            importlib.import_module(module.name)


class _Trial:
    """One subject under one fault; None: undisturbed."""

    def __init__(self, operation: Operation, fault: Fault | None) -> None:
        self._fault = fault
        self._ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if not self._pid:
            self._ours.close()
            try:
                _act(operation, [_MARK, *PLAUSIBLE] if fault is None else sorted({_MARK, "execve", fault.call}), theirs)
            except BaseException:  # noqa: BLE001  (the other side hears that nothing came)
                traceback.print_exc()
            finally:
                os._exit(0)
        theirs.close()
        _, (self._listener,), _, _ = socket.recv_fds(self._ours, 1, 1)
        self._marks = 0
        self._counts = dict.fromkeys(PLAUSIBLE, 0)
        self._hits = 0
        self._executed: set[int] = set()

    def supervise(self) -> None:
        """Until the subject and all that it started have ended; pass on what it says, and what it is told."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._ours, select.POLLIN)
        while True:
            events = dict(poll.poll(_HANG_MS))
            if not events:
                os.kill(self._pid, signal.SIGKILL)
                break
            if events.get(self._listener, 0) & select.POLLIN:
                self._answer()
            elif events.get(self._ours.fileno(), 0):
                if said := self._ours.recv(65536):
                    calls = {call: count for call, count in self._counts.items() if count}
                    processes.say({**json.loads(said), "hits": self._hits, "calls": calls})
                    processes.hear()
                    self._ours.send(b"\n")
                else:
                    poll.unregister(self._ours)
            elif events.get(self._listener, 0):
                break
        os.waitpid(self._pid, 0)
        os.close(self._listener)
        self._ours.close()
        processes.say()

    def _answer(self) -> None:
        call = listener.receive(self._listener)
        if call is None:
            return
        error = None
        if call.name == _MARK:
            self._marks += 1
        elif self._marks == 1 and self._counts_too(call):
            self._counts[call.name] += 1
            if self._fault and self._fault.strikes(call.name, self._counts[call.name]):
                self._hits += 1
                error = self._fault.error
            elif call.name == "execve":
                self._executed.add(call.pid)
        listener.answer(self._listener, call, error)

    def _counts_too(self, call: listener.Call) -> bool:
        if call.name == "futex" and call.arguments[1] & _PRIVATE_FUTEX:
            return False  # libc's own: it ends a process in which one fails
        if call.name == "write" and call.arguments[0] == _STDERR:
            return False  # else nothing could be said of anything
        return call.pid not in self._executed


# ---- In the subject.


def _act(operation: Operation, calls: list[str], test: socket.socket) -> None:
    operation.prepare()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.memfd_create("stderr"), _STDERR)
    sys.stderr = open(_STDERR, "w", buffering=1, closefd=False)  # noqa: SIM115
    filtered = listener.listen(calls)
    socket.send_fds(test, [b"f"], [filtered])
    os.close(filtered)
    before = belongings()
    for is_disturbed in (True, False):
        _mark(is_disturbed)
        outcome = attempt(operation.run)
        _mark(is_disturbed)
        if not outcome["kinds"]:
            operation.undo()
        gc.collect()
        said = os.pread(_STDERR, 1 << 20, 0).decode(errors="replace")
        test.send(json.dumps({"outcome": outcome, "left": more_than(before, operation), "stderr": said}).encode())
        test.recv(1)  # until that has been looked at


def _mark(is_disturbed: bool) -> None:
    """Where what may be disturbed begins, and where it ends."""
    if is_disturbed:
        os.getsid(0)
