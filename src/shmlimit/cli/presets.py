"""`shmlimit presets`: the providers that are known."""

from __future__ import annotations

import click

from shmlimit.cli.command import Command
from shmlimit.cli.plain import plain


@click.command("presets", cls=Command, short_help="List the providers that are known.")
def presets() -> int:
    """List the providers that --preset knows: name, address, description."""
    from shmlimit.usage import presets as known

    for name, one in known().items():
        click.echo(f"{plain(name)}\n  {plain(one['url'] or '(your own: --url)')}\n  {plain(one['description'])}")
    return 0
