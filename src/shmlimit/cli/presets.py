"""`shmlimit presets`: the providers that are known."""

from __future__ import annotations

import click

from shmlimit.cli.command import Command
from shmlimit.cli.plain import plain


@click.command("presets", cls=Command, short_help="List the providers that are known.")
def presets() -> int:
    """List the providers that --preset knows, then those of whom only refusals are known."""
    from shmlimit import usage

    known = usage.presets()
    for name, one in known.items():
        click.echo(f"{plain(name)}\n  {plain(one['url'] or '(your own: --url)')}\n  {plain(one['description'])}")
    others = [name for name in usage.providers() if name not in known]
    click.echo(f"only their refusals (provider= of shmlimit.httpx): {plain(', '.join(others))}")
    return 0
