"""The command line: parse, call the library, print. Each command has a file of its own, imported when it is used."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import click

from shmlimit.cli.command import Group
from shmlimit.cli.outcome import EXIT_CODES, FAILED, INTERRUPTED, describe, exit_code_of
from shmlimit.cli.plain import one_line
from shmlimit.errors import ShmlimitError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "shmlimit"]

_COMMANDS = {
    "status": ("shmlimit.cli.status:status", "Show limiters: what is in use, by whom, why others wait."),
    "run": ("shmlimit.cli.run:run", "Run a command while holding a permit."),
    "create": ("shmlimit.cli.lifecycle:create", "Create a limiter."),
    "set": ("shmlimit.cli.settings:set_", "Change a limiter's settings."),
    "pause": ("shmlimit.cli.settings:pause", "Admit nobody for a while."),
    "resume": ("shmlimit.cli.settings:resume", "End a pause."),
    "reset": ("shmlimit.cli.settings:reset", "End a pause, and restore a limit that 429s lowered."),
    "reap": ("shmlimit.cli.settings:reap", "Take back what dead processes hold."),
    "poll": ("shmlimit.cli.poll:poll", "Read the upstream's count for a limiter, in the foreground."),
    "destroy": ("shmlimit.cli.lifecycle:destroy", "Remove a limiter."),
    "doctor": ("shmlimit.cli.doctor:doctor", "Check this host and the limiters on it."),
    "presets": ("shmlimit.cli.presets:presets", "List the providers that are known."),
    "emulate": ("shmlimit.emulate.command:emulate", "Emulate an upstream on loopback."),
    "demo": ("shmlimit.demo.command:demo", "See the main job done, end to end."),
}


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    # Costs a scan of the installed packages: only when it is asked for.
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"shmlimit {version('shmlimit')}")
    except PackageNotFoundError:
        click.echo("shmlimit (not installed: run from its source)")
    context.exit()


@click.group(
    "shmlimit",
    cls=Group,
    # Without a command: one line and exit code 2, as for every other mistake.
    no_args_is_help=False,
    commands_at=_COMMANDS,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Print the version."
)
def shmlimit() -> None:
    r"""Share one concurrency limit among all processes of this host, by name.

    \b
      shmlimit create umans --limit 4
      shmlimit run umans -- python worker.py
      shmlimit status umans --watch
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (None: this process's own), blocking until it has ended, and return its exit code.

    Every failure is one line on stderr; `shmlimit --help` lists the codes.
    """
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(logging.Formatter("shmlimit: %(message)s"))
    # A character that the terminal's encoding lacks is shown escaped rather than ending the command.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = shmlimit.main(arguments, prog_name="shmlimit", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (click.ClickException, ShmlimitError, OSError, TypeError, ValueError) as error:
        _discard_output()
        _say(describe(error))
        return exit_code_of(error)
    return int(code or 0)


def _say(message: str) -> None:
    try:
        click.echo(f"shmlimit: {one_line(message)}", err=True)
    except OSError:
        # Nobody can be told; the exit code still says it.
        return


def _discard_output() -> None:
    """What is left in stdout's buffer cannot be written; without this the interpreter tries again as it ends."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
