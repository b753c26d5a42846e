"""`shmlimit doctor`: does everything work here, one line for each check."""

from __future__ import annotations

import click

from shmlimit.cli.argument import LIMITER_NAME
from shmlimit.cli.command import Command
from shmlimit.cli.outcome import FAILED
from shmlimit.cli.plain import one_line


@click.command("doctor", cls=Command, short_help="Check this host and the limiters on it.")
@click.argument("name", type=LIMITER_NAME, required=False)
def doctor(name: str | None) -> int:
    """Check this host and the limiter NAME (without NAME: all of them), changing nothing.

    Each line begins with ok, warning or FAILED, and says what to do. Exits 1 if anything FAILED.
    """
    from shmlimit.cli import health

    failed = False
    for finding in health.examine(name):
        failed = failed or finding.level == "FAILED"
        click.echo(f"{finding.level:<7}  {one_line(finding.text)}")
    return FAILED if failed else 0
