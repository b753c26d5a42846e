"""One limiter, one upstream, one poller process, and two callers that take turns."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from shmlimit import Limiter, Status
from tests.poller.callers import Turns
from tests.support.processes import HANG, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

COOLDOWN = 0.02


class Scene:
    """Use it as a context manager, so that nobody is left; a permit is out and a caller waits at every moment.

    Args:
        name: The limiter's.
        usage: What the poller asks; None: what the program in *arguments* names.
        log: Where the poller's output goes.
        on_stale: The limiter's setting.
    """

    def __init__(self, name: str, usage: Any, log: Path, on_stale: str = "open") -> None:
        self.name = name
        self._log = log
        self._limiter = Limiter(name, limit=1, cooldown=COOLDOWN, on_stale=on_stale, usage=usage)
        with log.open("wb") as output:
            self.poller = subprocess.Popen(
                [sys.executable, "-m", "shmlimit.poller", name],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        # A caller that found no poller would start one.
        wait_for(lambda: self.status().poller == self.poller.pid)
        self.turns = Turns(self._limiter)
        self.turns.queue()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.poller.kill()
        self.turns.end()
        self.poller.wait(HANG)

    def status(self) -> Status:
        return self._limiter.status()

    def wait_until_live(self) -> Status:
        """Wait for a good sample of the very poller that was started here."""
        now: Status = wait_for(lambda: self._if(self.status(), "live", ""))
        return now

    def wait_until_failing(self, reason: str) -> Status:
        """Wait for a failed poll whose reason matches.

        A busy machine may make another one late before, which is no news.
        """
        try:
            now: Status = wait_for(lambda: self._if(self.status(), "failing", reason))
        except AssertionError:
            raise AssertionError(f"expected failing for {reason!r}, found {self.status().usage}") from None
        return now

    def _if(self, now: Status, state: str, reason: str) -> Status | None:
        assert self.poller.poll() is None, f"the poller has ended: {self._log.read_text()}"
        assert now.poller in (self.poller.pid, None), f"poller {now.poller}, expected {self.poller.pid}"
        return now if now.usage.state == state and re.search(reason, now.usage.reason or "") else None

    def open_files(self) -> int | None:
        """How many the poller has open; None where its memory is too private for that to be read."""
        try:
            return len(os.listdir(f"/proc/{self.poller.pid}/fd"))  # noqa: PTH208
        except PermissionError:
            return None
