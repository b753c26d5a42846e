"""`shmlimit run`: hold one permit while a command runs."""

from __future__ import annotations

import warnings

import click

from shmlimit import Limiter
from shmlimit.cli.argument import EXIT_CODE, LABEL, LIMIT, LIMITER_NAME, PRIORITY, SECONDS, WEIGHT
from shmlimit.cli.child import Child, run_holding
from shmlimit.cli.command import Command
from shmlimit.cli.outcome import CANNOT_RUN, FAILED, NOT_FOUND
from shmlimit.cli.plain import one_line
from shmlimit.errors import AcquireTimeout, ConfigMismatchWarning


class _RunCommand(Command):
    """Takes its options before and after NAME, up to CMD; what begins with a dash after CMD is CMD's own."""

    allow_interspersed_args = False

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        before, rest = self._split(ctx, args)
        if not rest:
            return super().parse_args(ctx, args)
        between: list[str] = []
        name, command = rest[0], rest[1:]
        if before[-1:] != ["--"]:
            between, command = self._split(ctx, command)
        options = [*_without_end(before), *_without_end(between)]
        return super().parse_args(ctx, [*options, "--", name, *command])

    def _split(self, ctx: click.Context, args: list[str]) -> tuple[list[str], list[str]]:
        """Return the options at the front, and the rest."""
        values, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        first, others = values.get("name"), values.get("command")
        n_rest = isinstance(first, str) + (len(others) if isinstance(others, tuple) else 0)
        border = len(args) - n_rest
        return args[:border], args[border:]


def _without_end(options: list[str]) -> list[str]:
    return options[:-1] if options[-1:] == ["--"] else options


@click.command("run", cls=_RunCommand, options_metavar="[OPTIONS]", short_help="Hold one permit while a command runs.")
@click.argument("name", type=LIMITER_NAME)
@click.argument("command", metavar="-- CMD...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--limit", type=LIMIT, help="Create the limiter with this limit if it is not there.")
@click.option("-n", "--nonblock", is_flag=True, help="Do not wait for a permit.")
@click.option("-w", "--wait", type=SECONDS, help="Wait this long at most.  [default: for ever]")
@click.option(
    "-E",
    "--conflict-exit-code",
    type=EXIT_CODE,
    default=FAILED,
    show_default=True,
    help="Exit code when there was no permit (-n, -w).",
)
@click.option("--weight", type=WEIGHT, default=1.0, help="How much of the limit CMD takes.  [default: 1]")
@click.option("--priority", type=PRIORITY, default=0, show_default=True, help="Higher goes first.")
@click.option("--label", type=LABEL, help="Text for `status`.  [default: CMD's name]")
def run(
    name: str,
    command: tuple[str, ...],
    limit: int | None,
    nonblock: bool,
    wait: float | None,
    conflict_exit_code: int,
    weight: float,
    priority: int,
    label: str | None,
) -> int:
    """Hold one permit of NAME while CMD runs, and exit as CMD does.

    Waits for the permit for as long as it takes, or as -n and -w say. Signals (INT, TERM, HUP, QUIT, USR1, USR2, ALRM)
    go on to CMD; stopping and continuing (Ctrl-Z, fg) work as without `run`.

    CMD and what it starts inherit a file descriptor that keeps the permit out: if `run` alone is killed, the permit is
    given back when they have all ended. But nobody tells the watchdog then that CMD still works, nor while `run` is
    stopped: a permit is taken back when that has lasted for the limiter's slot time-out (see `shmlimit set`).
    """
    if nonblock and wait is not None:
        raise click.UsageError(f"--nonblock and --wait {wait:g} exclude each other: give one of them")
    if limit and weight > limit:
        raise click.UsageError(f"--weight {weight:g} is above --limit {limit:g}: it could never be admitted")
    limiter = _open(name, limit)
    try:
        permit = limiter.acquire(
            timeout=0 if nonblock else wait, weight=weight, priority=priority, label=label or _label_of(command)
        )
    except AcquireTimeout as error:
        click.echo(f"shmlimit: {one_line(str(error))}", err=True)
        return conflict_exit_code
    with permit:
        try:
            child = Child.start(command, limiter)
        except OSError as error:
            click.echo(f"shmlimit: {one_line(repr(command[0]))} cannot be run: {error.strerror}", err=True)
            return NOT_FOUND if isinstance(error, (FileNotFoundError, NotADirectoryError)) else CANNOT_RUN
        return run_holding(child, limiter, permit)


def _label_of(command: tuple[str, ...]) -> str:
    """What `status` shows besides the pid, which is this wrapper's."""
    return command[0].rpartition("/")[2]


def _open(name: str, limit: int | None) -> Limiter:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConfigMismatchWarning)
        limiter = Limiter(name, limit=limit)
    for one in caught:
        click.echo(f"shmlimit: {one_line(str(one.message))}", err=True)
    return limiter
