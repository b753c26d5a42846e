"""A poller that is killed or stopped at a line of its own code, and the lines that it comes by."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shmlimit import poller
from shmlimit.poller import loop
from shmlimit.usage import UpstreamBlocked, Usage, UsageError
from tests.support.processes import say

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    Tracer = Callable[[FrameType, str, Any], Any]

SOURCE = "tests.poller.phases:count_of_this_process"
_WHERE = str(Path(poller.__file__).parent)


def count_of(pid: int) -> float:
    """A count by which one sees who has written it: below 1, so that it keeps nobody out."""
    return pid % 997 / 1000


_polls = 0


def count_of_this_process() -> Usage:
    """The source: every second poll fails, one of those because the account is blocked."""
    global _polls
    _polls += 1
    if _polls == 2:
        raise UsageError("one that failed")
    if _polls == 4:
        raise UpstreamBlocked("blocked", blocked_until=time.time() + 0.2)
    return Usage(count_of(os.getpid()))


count_of_this_process.min_interval = 0.05  # type: ignore[attr-defined]
count_of_this_process.stale_after = 0.5  # type: ignore[attr-defined]


def line_of(file: str, text: str) -> int:
    """The number of the one line that begins so."""
    lines = (Path(_WHERE) / file).read_text().splitlines()
    (found,) = [number for number, line in enumerate(lines, 1) if line.strip().startswith(text)]
    return found


def poll_until(name: str, file: str, line: int, signo: int, is_brief: bool) -> None:
    """In a worker: be the poller, and send oneself the signal before that line runs for the first time."""

    def act(_: str, found: int) -> None:
        if found == line:
            sys.settrace(None)
            os.kill(os.getpid(), signo)

    _poll(name, _tracer(act, file), is_brief)


def poll_and_tell(name: str, is_brief: bool) -> None:
    """In a worker: be the poller, and say in the end which lines ran, in the order in which they first did."""
    lines: dict[tuple[str, int], None] = {}
    _poll(name, _tracer(lambda file, line: lines.setdefault((file, line))), is_brief)
    sys.settrace(None)
    say(list(lines))


def _poll(name: str, tracer: Tracer, is_brief: bool) -> None:
    if is_brief:
        # It ends as soon as it finds itself alone.
        loop.Loop.__init__.__kwdefaults__.update(idle_after=0.0)  # type: ignore[union-attr]
        loop._LOOK_AFTER = 0.0
    sys.settrace(tracer)
    poller.run(name)


def _tracer(act: Callable[[str, int], object], only: str = "") -> Tracer:
    def trace_lines(frame: FrameType, event: str, _: Any) -> Tracer:
        if event == "line":
            act(Path(frame.f_code.co_filename).name, frame.f_lineno)
        return trace_lines

    def trace_calls(frame: FrameType, event: str, _: Any) -> Tracer | None:
        path = frame.f_code.co_filename
        return trace_lines if path.startswith(_WHERE) and path.endswith(only) else None

    return trace_calls
