"""The command that `shmlimit run` runs: started with the permit's keep-alive, signalled, waited for."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from typing import TYPE_CHECKING

import click

from shmlimit.cli.arrival import Arrival, await_signal
from shmlimit.cli.outcome import SIGNALLED
from shmlimit.errors import ShmlimitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shmlimit import Limiter, Permit

_FORWARDED = frozenset(
    {
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGALRM,
        signal.SIGTSTP,
    }
)
_AWAITED = _FORWARDED | {signal.SIGCHLD, signal.SIGCONT}
# A terminal sends these to every process of its foreground group.
_FROM_TERMINAL = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP})
# Python starts with these ignored, which would be inherited.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_SI_KERNEL = 0x80
# Above what shell scripts open and close themselves: `exec 3>file` in the command would give up the permit.
_KEEPALIVE_MIN = 100
# Seconds between two touches at most, so that a slot time-out which somebody shortens is soon known.
_TOUCH_INTERVAL_MAX = 5.0


class Child:
    """A running command. While one lives the signals in _AWAITED are blocked in this process and waited for.

    Args:
        pid: The command's process.
        mask: This process's signal mask before they were blocked.
    """

    def __init__(self, pid: int, mask: Iterable[int]) -> None:
        self._pid = pid
        self._mask = mask
        self._is_stopped = False
        self._stop_wanted = False
        self._exit_code: int | None = None

    @classmethod
    def start(cls, command: Sequence[str], limiter: Limiter) -> Child:
        """Start a command with the signal mask that this process had, without waiting for it.

        Raises:
            OSError: It cannot be executed.
        """
        if not command[0]:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        attachment = limiter._attachment
        if attachment is None:
            raise RuntimeError(f"the limiter {limiter.name!r} has no segment to keep alive")
        # With SIGCHLD ignored, as some parents leave it, the kernel would throw the exit status away.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        keepalive = _inheritable(attachment.keepalive())
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
        try:
            pid = os.posix_spawnp(command[0], list(command), os.environ, setsigmask=mask, setsigdef=_IGNORED_BY_PYTHON)
        except BaseException:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            raise
        finally:
            # This process has its own; the copy is the command's.
            os.close(keepalive)
        child = cls(pid, mask)
        # What came while it was started may have missed it: forwarded wherever it came from, lest a Ctrl-C be lost.
        while (early := await_signal(_FORWARDED, 0)) is not None:
            child._stop_wanted = early.signo == signal.SIGTSTP
            child._send(early.signo)
        return child

    @property
    def exit_code(self) -> int | None:
        """The command's exit status, 128 + n if signal n ended it; None while it runs."""
        return self._exit_code

    def wait(self, seconds: float) -> None:
        """Block until a signal has come and is dealt with, or so many seconds have passed."""
        came = await_signal(_AWAITED, seconds)
        if came is not None and came.signo in _FORWARDED:
            self._forward(came)
        self._look()
        if came is not None and came.signo == signal.SIGCONT and self._is_stopped:
            self._send(signal.SIGCONT)
        if self._is_stopped and self._stop_wanted:
            self._stop_too()

    def restore_signals(self) -> None:
        """Let signals through again; those that nobody waited for any more are dropped, as the command has ended."""
        while await_signal(_AWAITED, 0) is not None:
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _forward(self, came: Arrival) -> None:
        if came.signo == signal.SIGTSTP:
            self._stop_wanted = True
        if not self._has_it_too(came):
            self._send(came.signo)

    def _has_it_too(self, came: Arrival) -> bool:
        """True if the command sent it, or the kernel did to the whole group, as for a Ctrl-C that was typed."""
        if came.pid == self._pid:
            return True
        if came.code != _SI_KERNEL:
            return False
        if came.signo == signal.SIGHUP:
            # A hang-up goes to the leader of the session alone; when that ends, to the group.
            return os.getsid(0) != os.getpid() and self._is_in_group()
        return came.signo in _FROM_TERMINAL and self._is_in_group()

    def _is_in_group(self) -> bool:
        return os.getpgid(self._pid) == os.getpgrp()

    def _send(self, signo: int) -> None:
        # Not reaped yet, so the pid cannot be anybody else's.
        if self._exit_code is None:
            os.kill(self._pid, signo)

    def _look(self) -> None:
        """Ask the kernel what has become of the command."""
        while self._exit_code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                self._is_stopped = True
            elif os.WIFCONTINUED(status):
                self._is_stopped = self._stop_wanted = False
            elif os.WIFSIGNALED(status):
                self._exit_code = SIGNALLED + os.WTERMSIG(status)
            else:
                self._exit_code = os.WEXITSTATUS(status)

    def _stop_too(self) -> None:
        """Stop until somebody continues this process, so that a shell sees the whole job stopped.

        Only after a SIGTSTP of its own: a command that another program stops and continues must not leave this one
        behind.
        """
        self._stop_wanted = False
        # SIGTSTP is blocked here, and would be dropped in an orphaned group.
        os.kill(os.getpid(), signal.SIGSTOP)


def _inheritable(keepalive: int) -> int:
    """Move the descriptor to a high number, where the command inherits it."""
    try:
        return fcntl.fcntl(keepalive, fcntl.F_DUPFD, _KEEPALIVE_MIN)
    except OSError:
        # So few descriptors are allowed that the number is out of bounds.
        return fcntl.fcntl(keepalive, fcntl.F_DUPFD, 3)
    finally:
        os.close(keepalive)


def run_holding(child: Child, limiter: Limiter, permit: Permit) -> int:
    """Wait for the command, telling the watchdog meanwhile that it works, and return its exit code."""
    kept = True
    while child.exit_code is None:
        child.wait(_touch_interval(limiter))
        if kept and not permit.touch():
            kept = False
            click.echo(
                f"shmlimit: the permit of {limiter.name!r} was taken back while the command runs on; "
                "see `--slot-timeout` of `shmlimit set`",
                err=True,
            )
    child.restore_signals()
    return child.exit_code


def _touch_interval(limiter: Limiter) -> float:
    """Read anew each time: somebody may change the slot time-out, and a segment that is gone must not end the wait."""
    try:
        slot_timeout = limiter.slot_timeout
    except (ShmlimitError, OSError):
        return _TOUCH_INTERVAL_MAX
    return _TOUCH_INTERVAL_MAX if slot_timeout is None else min(slot_timeout / 3, _TOUCH_INTERVAL_MAX)
