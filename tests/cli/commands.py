"""Commands for `shmlimit run` to run: functions that talk to the test as its workers do."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from tests.support.processes import hear, say

if TYPE_CHECKING:
    from types import FrameType


def exit_when_told() -> None:
    """Say this process's id, then exit with the code that is heard; answer any other word with itself."""
    say(os.getpid())
    while not isinstance(word := hear(), int):
        say(word)
    sys.exit(word)


def tell_signals(*names: str) -> None:
    """Say each of these signals as it comes, until told to end."""

    def tell(signo: int, _: FrameType | None) -> None:
        say(signal.Signals(signo).name)

    for name in names or ("SIGINT", "SIGUSR1"):
        signal.signal(signal.Signals[name], tell)
    exit_when_told()


def leave_a_child() -> None:
    """Leave a child behind that says its id once this process has ended, and ends when told to."""
    if os.fork():
        exit_when_told()
    parent = os.getppid()
    say("forked")
    while os.getppid() == parent:
        time.sleep(0.002)
    exit_when_told()


def signal_own_group() -> None:
    """Send a SIGUSR1 to the whole group, with `run` in it, and tell how often it came here."""

    def tell(signo: int, _: FrameType | None) -> None:
        say(signal.Signals(signo).name)

    signal.signal(signal.SIGUSR1, tell)
    signal.signal(signal.SIGUSR2, tell)
    os.killpg(os.getpgrp(), signal.SIGUSR1)
    exit_when_told()
