"""Every system call of every operation fails, at each of its calls, with each plausible errno: once, and from then on.

It ends in success or in a clean error, leaves nothing behind, and can be done again at once. `--long` tries all of the
faults; a short run those that were once not handled, and a sample of the others that changes by the day.
"""

from __future__ import annotations

import errno
import math
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults import listener, subject
from tests.faults.bench import Bench
from tests.faults.fault import Fault, faults
from tests.faults.operations import OPERATIONS
from tests.support.processes import Worker, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAMPLE = 30
"""How many faults of an operation are tried in a short run besides those in _FOUND."""

_FOUND = {
    "create": {"fallocate:EINTR", "fchmod:EPERM", "fcntl:EACCES", "openat:EINTR", "openat:EMFILE", "read:EIO"},
    "attach": {"fcntl:ENOLCK", "newfstatat:EIO", "openat:EINTR", "openat:EMFILE", "read:EIO"},
    "acquire in a forked child": {"newfstatat:EIO", "openat:EMFILE"},
    "park": {"futex:EPERM"},
    "poll": {"futex:EPERM", "prlimit64:EPERM"},
    "run": {"rt_sigtimedwait:EINTR"},
}
"""What was once a wrong error, a leak, or worse."""


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, state: Path) -> Iterator[Worker]:
    if missing := listener.missing():
        pytest.skip(missing)
    monkeypatch.setenv("SHMLIMIT_STATE_DIR", str(state))
    with Worker(subject.serve) as worker:
        yield worker


@pytest.fixture
def state() -> Iterator[Path]:
    """In memory: settings are saved thousands of times."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="test-state-") as directory:
        yield Path(directory) / "state"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_call_that_fails_is_a_clean_error_or_none_and_leaves_nothing(
    operation: str, worker: Worker, name: str, state: Path, is_long: bool, seconds: float | None
) -> None:
    bench = Bench(worker, operation, name, state)
    seed = int(time.time() // 86400)
    possible = faults(bench.calls())
    random.Random(f"{operation} {seed}").shuffle(possible)
    possible.sort(key=lambda fault: not _was_found(operation, fault))
    known = sum(_was_found(operation, fault) for fault in possible)
    end = math.inf if seconds is None else time.monotonic() + seconds / len(OPERATIONS)
    tried = 0
    for fault in possible if is_long or seconds else possible[: known + _SAMPLE]:
        if time.monotonic() > end:
            break
        bench.disturb(fault)
        tried += 1
    print(f"{operation}: {tried} of {len(possible)} faults, seed {seed}")


def test_a_wait_whose_futexes_are_denied_ends_with_that_error(worker: Worker, name: str, state: Path) -> None:
    bench = Bench(worker, "park", name, state)
    # On a busy machine its few milliseconds may be over before it sleeps.
    wait_for(lambda: bench.disturb(Fault("futex", "EPERM", 1, lasts=True)).get("errno") == errno.EPERM)


def _was_found(operation: str, fault: Fault) -> bool:
    return f"{fault.call}:{fault.error}" in _FOUND.get(operation, ())
