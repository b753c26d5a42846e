"""The process that is doomed: forked afresh for each trial from one that has imported everything, and armed there.

Forked, so that all trials have the same addresses; and a trial costs milliseconds.
"""

from __future__ import annotations

import ctypes
import gc
import os
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from shmlimit import _core, segment
from tests.stepper.operation import OPERATIONS, Doomed
from tests.support.processes import Worker, hear, say, state_of, wait_for

if TYPE_CHECKING:
    from typing_extensions import Self

    from tests.stepper.operation import Operation

_ROOM = 1 << 18
_SET_PARENT_DEATH_SIGNAL = 1
_FUTEX = "202"


class Arrival(NamedTuple):
    """One execution of one instruction, the n-th of that at the offset; what a death there leaves is numbered."""

    offset: int
    n: int
    state: int


class Nursery:
    """Where doomed processes come from, one at a time; use it as a context manager, so that none is left.

    Attributes:
        ways: The ways that were walked, by operation.
    """

    def __init__(self, library: Path, directory: Path) -> None:
        self._worker = Worker(_serve, str(library))
        self._walked = directory / "walked"
        self._pid = 0
        self.ways: dict[str, list[Arrival]] = {}

    def begin(
        self, name: str, operation: Operation, at: Arrival | None = None, signal_there: int = signal.SIGKILL
    ) -> None:
        """Start one, which prepares itself and waits for go(). It gets the signal as it arrives there."""
        self._start({"stop": None if at is None else [at.offset, at.n, signal_there]}, name, operation)

    def go(self) -> None:
        self._worker.say()

    def walk(self, name: str, operation: Operation) -> None:
        """Start one that will record its way."""
        self._start({"walk": str(self._walked)}, name, operation)

    def _start(self, order: dict[str, Any], name: str, operation: Operation) -> None:
        self._worker.say({"limiter": name, "operation": operation.name, **order})
        self._pid = self._worker.hear()["pid"]

    def way(self) -> list[Arrival]:
        """The way that was recorded last."""
        raw = self._walked.read_bytes()
        times: dict[int, int] = {}
        arrivals = []
        for at in range(0, len(raw), 8):
            offset, state = (int.from_bytes(raw[i : i + 4], "little") for i in (at, at + 4))
            times[offset] = times.get(offset, 0) + 1
            arrivals.append(Arrival(offset, times[offset], state))
        return arrivals

    def sleeps_before_it_speaks(self) -> bool:
        """Wait until it sleeps on a futex (True), or there is something to hear of it."""
        wait_for(lambda: self._worker.has_said() or self._sleeps())
        return not self._worker.has_said()

    def _sleeps(self) -> bool:
        try:
            return Path(f"/proc/{self._pid}/syscall").read_text().startswith(_FUTEX) and state_of(self._pid) == "S"
        except OSError:
            return False

    def hear(self) -> dict[str, Any]:
        """What becomes of it: "outcome" when the operation has ended, "stopped", or "gone"."""
        heard: dict[str, Any] = self._worker.hear()
        return heard

    def thaw(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def kill(self) -> dict[str, Any]:
        os.kill(self._pid, signal.SIGKILL)
        return self.hear()

    def end(self) -> dict[str, Any]:
        """After its outcome: let it give back what it holds, and end."""
        self._worker.say()
        last = self.hear()
        self.hear()
        return last

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._worker.__exit__()


# ---- In the nursery.


class _Text(ctypes.Structure):
    _fields_ = [("begin", ctypes.c_uint64), ("end", ctypes.c_uint64)]


def _serve(path: str) -> None:
    library = ctypes.CDLL(path)
    library.walk_end.restype = ctypes.c_uint64
    text = _text_of(_core.__file__)
    gc.collect()
    gc.freeze()
    while True:
        order = hear()
        pid = os.fork()
        if not pid:
            _be_doomed(order, library, text)
        _report_fate(pid)


def _report_fate(pid: int) -> None:
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            break
        say({"stopped": pid})
    say({"gone": os.waitstatus_to_exitcode(status)})


def _text_of(file: str) -> _Text:
    for line in Path("/proc/self/maps").read_text().splitlines():
        found = re.match(rf"(\w+)-(\w+) r-xp .* {re.escape(file)}$", line)
        if found:
            return _Text(int(found[1], 16), int(found[2], 16))
    raise AssertionError(f"{file} is not mapped")


def _be_doomed(order: dict[str, Any], library: ctypes.CDLL, text: _Text) -> None:
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    gc.disable()
    name: str = order["limiter"]
    operation = next(one for one in OPERATIONS if one.name == order["operation"])
    doomed = Doomed(name)
    operation.prepare(doomed)
    say({"pid": os.getpid()})
    hear()
    recorded = (ctypes.c_uint64 * _ROOM)()
    if walk := order.get("walk"):
        directory = segment.directory().encode()
        library.walk_begin(text, directory, name.encode(), recorded, ctypes.c_uint64(_ROOM))
    elif stop := order["stop"]:
        offset, n, signal_there = stop
        library.stop_at(ctypes.c_uint64(text.begin + offset), ctypes.c_uint64(n), signal_there)
    found = operation.act(doomed)
    if walk:
        Path(walk).write_bytes(bytes(recorded)[: 8 * library.walk_end()])
    held_from = time.monotonic_ns()
    if isinstance(found, _core.Permit):
        doomed.permits.append(found)
    say({"outcome": found if isinstance(found, (bool, int)) else repr(found)})
    hear()
    lost = [permit.lost for permit in doomed.permits]
    held_until = time.monotonic_ns()
    for permit in doomed.permits:
        permit.release()
    say({"lost": lost, "held": [held_from, held_until]})
    os._exit(0)
