"""Where doomed processes come from: each is forked from one that has imported everything, for one trial.

So all trials have the same addresses, and one costs milliseconds.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shmlimit import LimiterNotFound, _core
from tests.stepper import way
from tests.stepper.arms import Arms
from tests.stepper.operation import Doomed
from tests.stepper.repertoire import OPERATIONS
from tests.support.processes import Worker, hear, say, state_of, wait_for

if TYPE_CHECKING:
    from tests.stepper.operation import Operation
    from tests.stepper.way import Arrival

_SET_PARENT_DEATH_SIGNAL = 1
_FUTEX = "202"
_RESTLESS = 2.0


class Nursery:
    """One doomed process at a time.

    Attributes:
        ways: For its users: the ways that are known.
        is_empty: No process is on its way.
    """

    def __init__(self, library: Path) -> None:
        self._worker = Worker(_serve, str(library))
        self._walked = library.with_name("walked")
        self._pid = 0
        self.is_empty = True
        self.ways: dict[tuple[str, bool], list[Arrival]] = {}

    def begin(
        self, name: str, operation: Operation, at: Arrival | None = None, signal_there: int = signal.SIGKILL
    ) -> None:
        """Start one, which prepares itself and waits for go(). It gets the signal as it arrives there."""
        self._start({"stop": None if at is None else [at.offset, at.n, signal_there]}, name, operation)

    def walk(self, name: str, operation: Operation, *, in_python: bool) -> None:
        """Start one that will record its way."""
        self._start({"walk": str(self._walked), "in_python": in_python}, name, operation)

    def _start(self, order: dict[str, Any], name: str, operation: Operation) -> None:
        state_directory = os.environ["SHMLIMIT_STATE_DIR"]
        self._worker.say({"limiter": name, "operation": operation.name, "state_directory": state_directory, **order})
        self.is_empty = False
        self._pid = self._worker.hear()["pid"]

    def go(self) -> None:
        self._worker.say()

    def walked(self) -> list[Arrival]:
        """The way that was recorded last."""
        return way.read(self._walked.read_bytes())

    def sleeps_before_it_speaks(self) -> bool:
        """Wait until it sleeps on a futex (True), or there is something to hear of it.

        One that walks may look so slowly that it is always time to look again: it never sleeps, and waits all the same.
        """
        awake_until = time.monotonic() + _RESTLESS
        wait_for(lambda: self._worker.has_said() or self._sleeps() or time.monotonic() > awake_until)
        return not self._worker.has_said()

    def _sleeps(self) -> bool:
        try:
            return Path(f"/proc/{self._pid}/syscall").read_text().startswith(_FUTEX) and state_of(self._pid) == "S"
        except OSError:
            return False

    def hear(self) -> dict[str, Any]:
        """What becomes of it: "outcome" when the operation has ended, "stopped", or "gone"."""
        heard: dict[str, Any] = self._worker.hear()
        self.is_empty = "gone" in heard
        return heard

    def thaw(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def kill(self) -> dict[str, Any]:
        os.kill(self._pid, signal.SIGKILL)
        return self.hear()

    def stop(self) -> dict[str, Any]:
        os.kill(self._pid, signal.SIGSTOP)
        return self.hear()

    def give_back(self) -> dict[str, Any]:
        """After its outcome: let it give back what it holds, and live on."""
        self._worker.say()
        return self.hear()

    def end(self) -> None:
        """After it gave back what it held: let it end."""
        self._worker.say()
        self.hear()

    def finish(self) -> None:
        """After its outcome: let it give back what it holds, and end."""
        self.give_back()
        self.end()

    def close(self) -> None:
        """End it, and with it whatever process is on its way."""
        self._worker.__exit__()


# ---- In the nursery.


def _serve(library: str) -> None:
    arms = Arms(library)
    gc.collect()
    gc.freeze()
    while True:
        order = hear()
        pid = os.fork()
        if not pid:
            _be_doomed(order, arms)
        _report_fate(pid)


def _report_fate(pid: int) -> None:
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            break
        say({"stopped": pid})
    say({"gone": os.waitstatus_to_exitcode(status)})


def _be_doomed(order: dict[str, Any], arms: Arms) -> None:
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    gc.disable()
    os.environ["SHMLIMIT_STATE_DIR"] = order["state_directory"]
    operation = next(one for one in OPERATIONS if one.name == order["operation"])
    doomed = Doomed(order["limiter"])
    operation.prepare(doomed)
    say({"pid": os.getpid()})
    hear()
    try:
        found = _act(operation, doomed, order, arms)
    except LimiterNotFound as error:
        found = error
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
    hear()
    os._exit(0)


def _act(operation: Operation, doomed: Doomed, order: dict[str, Any], arms: Arms) -> object:
    def act() -> object:
        return operation.act(doomed)

    if path := order.get("walk"):
        walk = arms.walk_python if order["in_python"] else arms.walk
        return walk(doomed.name, act, Path(path))
    if stop := order.get("stop"):
        offset, n, signal_there = stop
        if offset < 0:
            return arms.stop_in_python(n, signal_there, act)
        arms.stop_at(offset, n, signal_there)
    return act()
