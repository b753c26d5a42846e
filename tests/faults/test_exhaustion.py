"""A process that may have too little of descriptors, memory or space in files: one more at a time until it works."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

import shmlimit
from shmlimit import Limiter, statefile
from tests.faults.belongings import attempt, belongings, more_than
from tests.faults.operations import LIMIT, OPERATIONS, SLOTS, Operation
from tests.lifecycle.books import all_is_free
from tests.support.processes import Worker, hear, say

_MEMORY_STEP = 32 << 10
_MEMORY_STEPS_MAX = 256


def _with_descriptors(spare: int, operation: Operation) -> dict[str, Any]:
    """Do it with so many free descriptors."""
    free = itertools.filterfalse(_is_open, itertools.count())
    return _with_limit(resource.RLIMIT_NOFILE, next(itertools.islice(free, spare, None)), operation)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _with_memory(steps: int, operation: Operation) -> dict[str, Any]:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return _with_limit(resource.RLIMIT_AS, pages * resource.getpagesize() + steps * _MEMORY_STEP, operation)


def _with_limit(which: int, soft: int, operation: Operation) -> dict[str, Any]:
    old = resource.getrlimit(which)
    resource.setrlimit(which, (soft, old[1]))
    try:
        return attempt(operation.run)
    finally:
        resource.setrlimit(which, old)


def _starve(of: str, operation_name: str, name: str) -> None:
    """Say what came of the operation with ever more of it; an empty outcome, at which it worked, is the last."""
    operation = OPERATIONS[operation_name](name)
    operation.prepare()
    operation.run()  # what is made once, as modules are, is there afterwards
    operation.undo()
    _clear(operation)
    for amount in itertools.count():
        before = belongings()
        outcome = {"descriptors": _with_descriptors, "memory": _with_memory}[of](amount, operation)
        if not outcome["kinds"]:
            operation.undo()
        say([amount, outcome, more_than(before, operation)])
        hear()
        if not outcome["kinds"]:
            return
        _clear(operation)


def _clear(operation: Operation) -> None:
    if not operation.is_created:
        with contextlib.suppress(FileNotFoundError):
            shmlimit.destroy(operation.name, force=True, forget=True)


def _strays(name: str, state: Path) -> list[str]:
    private = [entry for entry in os.listdir("/dev/shm") if f".{name}." in entry]  # noqa: PTH208
    return private + [entry.name for entry in state.glob(".*")]


@pytest.mark.parametrize("operation", ["create", "attach", "observe", "change", "destroy", "start a poller", "show"])
def test_with_too_few_descriptors_it_is_a_clean_error_until_there_are_enough(
    operation: str, name: str, state_directory: Path
) -> None:
    _feed("descriptors", operation, name, state_directory, {"EMFILE"})


@pytest.mark.parametrize("operation", ["create", "attach", "observe", "acquire", "change"])
def test_with_too_little_memory_it_is_a_clean_error_until_there_is_enough(
    operation: str, name: str, state_directory: Path
) -> None:
    _feed("memory", operation, name, state_directory, {"ENOMEM"})


def _feed(of: str, operation: str, name: str, state: Path, errors: set[str]) -> None:
    if OPERATIONS[operation].is_created:
        Limiter(name, limit=LIMIT, cooldown=0, slots=SLOTS).close()
    with Worker(_starve, of, operation, name) as worker:
        outcome: dict[str, Any] = {"kinds": ["not yet"]}
        while outcome["kinds"]:
            amount, outcome, left = worker.hear()
            assert amount < _MEMORY_STEPS_MAX
            assert not left, f"left with {amount} {of}: {left}, after {outcome}"
            assert not _strays(name, state)
            _is_clean(outcome, errors)
            worker.say()
        worker.end()
    print(f"{operation}: {amount} of {of} are enough")
    if name not in shmlimit.limiters():
        Limiter(name, limit=LIMIT, cooldown=0, slots=SLOTS).close()
    all_is_free(Limiter(name))


def _is_clean(outcome: dict[str, Any], errors: set[str]) -> None:
    if not outcome["kinds"] or outcome["kinds"][0] in ("MemoryError", "CommandFailed"):
        return
    assert "OSError" in outcome["kinds"], outcome
    assert "ShmlimitError" not in outcome["kinds"], outcome
    assert errno.errorcode[outcome["errno"]] in errors, outcome


def _write_little(name: str, size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    say(attempt(lambda: Limiter(f"{name}-2", limit=1, slots=SLOTS)))
    limiter = Limiter(name)
    limiter.limit = LIMIT - 1
    say(limiter.limit)


@pytest.mark.parametrize("size", [0, 16, 4096])
def test_where_files_must_be_small_none_is_left_half_written(name: str, size: int, state_directory: Path) -> None:
    Limiter(name, limit=LIMIT, slots=SLOTS)
    with Worker(_write_little, name, size) as worker:
        outcome = worker.hear()
        assert outcome["errno"] == errno.EFBIG
        assert f"{name}-2" in outcome["message"]
        assert worker.hear() == LIMIT - 1
        assert worker.end() == 0
    assert not _strays(name, state_directory)
    saved = statefile.read(name)
    assert saved is not None
    assert saved.limit == (LIMIT if size < 64 else LIMIT - 1)
    assert json.loads((state_directory / f"{name}.json").read_text())["limit"] == saved.limit
