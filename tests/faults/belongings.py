"""What a step came to, and what a process has: so that what a failed step has left can be told."""

from __future__ import annotations

import os
import signal
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.operations import Operation

_SEGMENT = "/shmlimit."


def attempt(step: Callable[[], object]) -> dict[str, Any]:
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


def more_than(before: dict[str, Any], operation: Operation) -> dict[str, Any]:
    """What this process has more, or other, than before."""
    now = belongings()
    now["segment files"] = max(now["segment files"] - operation.opened, before["segment files"])
    return {key: [before[key], now[key]] for key in now if before[key] != now[key]}


def belongings() -> dict[str, Any]:
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
