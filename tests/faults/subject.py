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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shmlimit
from tests.faults import listener
from tests.faults.fault import PLAUSIBLE, Fault
from tests.faults.operations import OPERATIONS, Operation
from tests.support import processes

if TYPE_CHECKING:
    from collections.abc import Callable

# A call that nothing else here makes: it begins and ends what may be disturbed.
_MARK = "getsid"
_PRIVATE_FUTEX = 128
_STDERR = 2
_HANG_MS = 60_000
_SEGMENT = "/shmlimit."


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
    before = _belongings()
    for mark in (lambda: os.getsid(0), lambda: None):
        mark()
        outcome = _attempt(operation.run)
        mark()
        if not outcome["kinds"]:
            operation.undo()
        gc.collect()
        said = os.pread(_STDERR, 1 << 20, 0).decode(errors="replace")
        test.send(json.dumps({"outcome": outcome, "left": _more_than(before, operation), "stderr": said}).encode())
        test.recv(1)  # until that has been looked at


def _attempt(step: Callable[[], object]) -> dict[str, Any]:
    """What came of it: no error, or one with its kinds, errno and message."""
    try:
        step()
    except Exception as error:  # noqa: BLE001  (which ones are allowed, the test says)
        return {
            "kinds": [kind.__name__ for kind in type(error).__mro__],
            "errno": getattr(error, "errno", None),
            "message": str(error),
            "where": [f"{Path(one.filename).name}:{one.lineno}" for one in traceback.extract_tb(error.__traceback__)],
        }
    return {"kinds": []}


def _more_than(before: dict[str, Any], operation: Operation) -> dict[str, Any]:
    """What this process has more, or other, than before."""
    now = _belongings()
    now["segment files"] = max(now["segment files"] - operation.opened, before["segment files"])
    return {key: [before[key], now[key]] for key in now if before[key] != now[key]}


def _belongings() -> dict[str, Any]:
    files = {}
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            files[entry] = os.readlink(f"/proc/self/fd/{entry}")  # noqa: PTH115
        except FileNotFoundError:
            continue  # the one by which they are read
    return {
        "files": sorted(path for path in files.values() if _SEGMENT not in path),
        "segment files": sum(_SEGMENT in path for path in files.values()),
        "mappings": sum(_SEGMENT in line for line in Path("/proc/self/maps").read_text().splitlines()),
        "blocked signals": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "children": _has_children(),
    }


def _has_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True
