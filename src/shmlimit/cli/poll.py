"""`shmlimit poll`: be a limiter's poller, in the foreground."""

from __future__ import annotations

from typing import Any

import click

from shmlimit.cli.argument import LIMITER_NAME
from shmlimit.cli.command import Command
from shmlimit.cli.source import build_source, source_options


@click.command("poll", cls=Command, short_help="Read the upstream's count for a limiter, in the foreground.")
@click.argument("name", type=LIMITER_NAME)
@source_options
def poll(name: str, **source: Any) -> int:
    """Read the upstream's own count for the limiter NAME until nobody has used it for 30 seconds.

    The first waiter starts a poller by itself; this is for a service manager, or to see what is wrong. Without options
    the source is the one that the limiter was created with. Exits 1 if another process polls already, 2 if there is no
    usable source.
    """
    usage = build_source(**source)
    from shmlimit.poller import run

    return run(name, source=usage)
