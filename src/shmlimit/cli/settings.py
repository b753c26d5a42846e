"""`shmlimit set`, `pause`, `resume`, `reset` and `reap`: changes to a limiter that is there, each one line."""

from __future__ import annotations

import time

import click

from shmlimit.cli.argument import HEADROOM, LIMIT_OR_UPSTREAM, LIMITER_NAME, SECONDS, SLOT_TIMEOUT
from shmlimit.cli.command import Command
from shmlimit.cli.limit import upstreams_own


@click.command("set", cls=Command, short_help="Change a limiter's settings.")
@click.argument("name", type=LIMITER_NAME)
@click.option(
    "--limit",
    type=LIMIT_OR_UPSTREAM,
    help="Permits, 0 (closed) to 8000: restores what 429s lowered. `upstream`: the upstream's own limit from now on.",
)
@click.option("--headroom", type=HEADROOM, help="Permits less than the upstream's own limit, with --limit upstream.")
@click.option("--cooldown", type=SECONDS, help="How long a released permit still counts, from the next release on.")
@click.option(
    "--slot-timeout",
    type=SLOT_TIMEOUT,
    metavar="SECONDS|off",
    help="When the watchdog takes a permit back; `off`: never.",
)
def set_(
    name: str,
    limit: int | str | None,
    headroom: int | None,
    cooldown: float | None,
    slot_timeout: float | None,
) -> int:
    """Change the settings of the limiter NAME while it is used.

    A higher limit admits waiters at once; a lower one takes no permit away.
    """
    from shmlimit import Limiter

    source = click.get_current_context().get_parameter_source("slot_timeout")
    timeout_given = source is click.core.ParameterSource.COMMANDLINE
    if headroom is not None and not isinstance(limit, str):
        raise click.UsageError("--headroom belongs to --limit upstream: give that too")
    if limit is None and cooldown is None and not timeout_given:
        raise click.UsageError("nothing to set: give --limit, --cooldown or --slot-timeout")
    limiter = Limiter(name)
    before = limiter.status()
    changes = []
    if isinstance(limit, str):
        limiter.follow_upstream(headroom or 0)
        changes.append(f"limit {before.limit} -> {upstreams_own(headroom or 0)}")
    elif limit is not None:
        limiter.limit = limit
        changes.append(f"limit {before.limit} -> {limit}")
    if cooldown is not None:
        limiter.cooldown = cooldown
        changes.append(f"cooldown {before.cooldown:g} -> {cooldown:g} s")
    if timeout_given:
        limiter.slot_timeout = slot_timeout
        changes.append(f"slot time-out {_timeout(before.slot_timeout)} -> {_timeout(slot_timeout)}")
    click.echo(f"{name}: {', '.join(changes)}")
    return 0


def _timeout(seconds: float | None) -> str:
    return "off" if seconds is None else f"{seconds:g} s"


@click.command("pause", cls=Command, short_help="Admit nobody for a while.")
@click.argument("name", type=LIMITER_NAME)
@click.argument("seconds", type=SECONDS, required=False, metavar="[SECS]")
def pause(name: str, seconds: float | None) -> int:
    """Admit nobody to the limiter NAME for SECS seconds from now; without SECS until `shmlimit resume`.

    Permits that are out stay out.
    """
    from shmlimit import Limiter

    Limiter(name).pause(seconds)
    if seconds is None:
        click.echo(f"{name}: paused until `shmlimit resume {name}`")
    else:
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
        click.echo(f"{name}: paused for {seconds:g} s, until {until}")
    return 0


@click.command("resume", cls=Command, short_help="End a pause.")
@click.argument("name", type=LIMITER_NAME)
def resume(name: str) -> int:
    """End a pause of the limiter NAME."""
    from shmlimit import Limiter

    limiter = Limiter(name)
    paused = limiter.status().paused
    limiter.resume()
    click.echo(f"{name}: {'resumed' if paused else 'was not paused'}")
    return 0


@click.command("reset", cls=Command, short_help="End a pause, and restore a limit that 429s lowered.")
@click.argument("name", type=LIMITER_NAME)
def reset(name: str) -> int:
    """End a pause of the limiter NAME, and restore the limit that 429s lowered."""
    from shmlimit import Limiter

    limiter = Limiter(name)
    before = limiter.status()
    limiter.reset()
    changes = [f"limit {before.limit} -> {before.configured_limit}"] if before.auto_reduced else []
    if before.paused:
        changes.append("resumed")
    click.echo(f"{name}: {', '.join(changes) or 'nothing to reset'}")
    return 0


@click.command("reap", cls=Command, short_help="Take back what dead processes hold.")
@click.argument("name", type=LIMITER_NAME, required=False)
def reap(name: str | None) -> int:
    """Take back what dead processes and overdue permits hold; without NAME in all limiters.

    Waiters do this by themselves; it is never needed for the limit to hold.
    """
    from shmlimit import Limiter, limiters
    from shmlimit.errors import LimiterNotFound

    names = limiters() if name is None else [name]
    if not names:
        click.echo("there are no limiters")
    for one in names:
        try:
            n_permits = Limiter(one).reap()
        except LimiterNotFound:
            if name is not None:
                raise
            continue  # destroyed meanwhile
        click.echo(f"{one}: {n_permits} permit{'' if n_permits == 1 else 's'} taken back")
    return 0
