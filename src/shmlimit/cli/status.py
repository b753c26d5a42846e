"""`shmlimit status`: what the limiters look like now."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

import click

from shmlimit.cli.argument import LIMITER_NAME
from shmlimit.cli.command import Command
from shmlimit.cli.outcome import SIGNALLED, USAGE_UNKNOWN

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from shmlimit.status import Status

_INTERVAL = 1.0
# Where there is no terminal nothing is cut or wrapped: wide enough for every line.
_WIDTH_UNBOUNDED = 1000
_WIDTH_MIN = 40


@click.command("status", cls=Command, short_help="Show one limiter, or all.")
@click.argument("name", type=LIMITER_NAME, required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object (with NAME) or a list of them.")
@click.option("--watch", is_flag=True, help="Show it anew every second, until Ctrl-C.")
def status(name: str | None, as_json: bool, watch: bool) -> int:
    """Show the limiter NAME with its holders and its queue; without NAME all limiters in one table.

    Exits 3 if there is no limiter NAME, 4 if its usage source is stale or failing.
    """
    if as_json and watch:
        raise click.UsageError("--json and --watch exclude each other: give one of them")
    if watch:
        return _watch(name)
    from shmlimit import status as read

    found = read(name)
    if isinstance(found, list):
        _name_unreadable(found)
    if as_json:
        _print_json(found)
    else:
        _print(_console(), _picture(found))
    return USAGE_UNKNOWN if not isinstance(found, list) and found.usage.state in {"stale", "failing"} else 0


def _name_unreadable(found: list[Status]) -> None:
    from shmlimit import limiters

    for name in sorted(set(limiters()) - {one.name for one in found}):
        click.echo(f"shmlimit: limiter {name!r} cannot be read; `shmlimit doctor {name}` says why", err=True)


def _print_json(found: Status | list[Status]) -> None:
    from shmlimit.status import to_json

    one_or_all = [one.to_dict() for one in found] if isinstance(found, list) else found.to_dict()
    click.echo(to_json(one_or_all))


def _picture(found: Status | list[Status]) -> RenderableType:
    from shmlimit.cli import table

    return table.overview(found) if isinstance(found, list) else table.detail(found)


def _console() -> Console:
    from rich.console import Console

    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    # Not rich's own reading of COLUMNS, which takes 0 at its word.
    width = max(shutil.get_terminal_size().columns, _WIDTH_MIN) if is_terminal else _WIDTH_UNBOUNDED
    return Console(width=width, highlight=False, markup=False, emoji=False)


def _print(console: Console, picture: RenderableType) -> None:
    with console.capture() as capture:
        console.print(picture, soft_wrap=not console.is_terminal)
    # Cells are filled up to their column's width, which is of no use at the end of a line.
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _watch(name: str | None) -> int:
    """Until Ctrl-C; a limiter that is destroyed meanwhile is LimiterNotFound, as it would be at the beginning."""
    from rich.live import Live

    from shmlimit import status as read

    found = read(name)
    console = _console()
    for signo in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signo, _leave)
    try:
        if not console.is_terminal:
            while True:
                _print(console, _picture(found))
                time.sleep(_INTERVAL)
                found = read(name)
        # The size is the terminal's from now on, also after it has changed.
        console = type(console)(highlight=False, markup=False, emoji=False)
        with Live(_picture(found), console=console, screen=True, auto_refresh=False) as display:
            while True:
                display.update(_picture(found), refresh=True)
                time.sleep(_INTERVAL)
                found = read(name)
    except KeyboardInterrupt:
        return 0


def _leave(signo: int, _: Any) -> NoReturn:
    """End as the signal says, but give the terminal its screen back."""
    raise SystemExit(SIGNALLED + signo)
