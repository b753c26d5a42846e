"""How a command ends: the exit codes, and what an error says."""

from __future__ import annotations

import errno
import os

import click

from shmlimit.errors import LimiterNotFound, ShmlimitError

FAILED = 1
WRONG_ARGUMENT = 2
NO_SUCH_LIMITER = 3
USAGE_UNKNOWN = 4
CANNOT_RUN = 126
NOT_FOUND = 127
SIGNALLED = 128
INTERRUPTED = 130

_OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})

EXIT_CODES = """\b
Exit codes:
  0    done
  1    failed; `run`: no permit (or the code that -E names)
  2    a wrong argument; nothing was changed
  3    there is no limiter NAME
  4    `status NAME`: its usage source is stale or failing
  130  interrupted (Ctrl-C)
`run` passes CMD's own code on: 128 + n if signal n ended it,
126 if CMD is not executable, 127 if there is no such command.
"""


def exit_code_of(error: Exception) -> int:
    """Return the exit code for an error that ended a command."""
    if isinstance(error, click.ClickException):
        return error.exit_code
    if isinstance(error, LimiterNotFound):
        return NO_SUCH_LIMITER
    # InvalidName and NeverAdmissible are ValueErrors too. An OSError is none of the arguments' fault.
    if isinstance(error, (TypeError, ValueError)):
        return WRONG_ARGUMENT
    return FAILED


def describe(error: Exception) -> str:
    """Return what an error says, without the traceback: for a failed system call what failed, and on which file."""
    if isinstance(error, click.UsageError):
        see = f"; see `{error.ctx.command_path} --help`" if error.ctx is not None else ""
        return f"{error.format_message().rstrip('.')}{see}"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError) and not isinstance(error, ShmlimitError) and error.strerror:
        if error.filename is not None:
            return f"{os.fsdecode(error.filename)}: {error.strerror}"
        # The library's own errors say which call failed; a bare one comes from writing the output.
        is_bare = error.errno in _OUTPUT_ERRORS and error.strerror == os.strerror(error.errno)
        return f"cannot write to standard output: {error.strerror}" if is_bare else error.strerror
    return str(error)
