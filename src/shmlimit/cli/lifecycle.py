"""`shmlimit create` and `shmlimit destroy`: the beginning and the end of a limiter."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import click

from shmlimit.cli.argument import HEADROOM, LIMIT_OR_UPSTREAM, LIMITER_NAME, SECONDS, SLOT_TIMEOUT, SLOTS
from shmlimit.cli.command import Command
from shmlimit.cli.limit import shown_limit
from shmlimit.cli.source import build_source, source_options
from shmlimit.errors import ConfigMismatchWarning
from shmlimit.settings import DEFAULT_COOLDOWN, DEFAULT_SLOT_TIMEOUT, DEFAULT_SLOTS, GATES, ON_STALE


@click.command("create", cls=Command, short_help="Create a limiter.")
@click.argument("name", type=LIMITER_NAME)
@click.option(
    "--limit",
    type=LIMIT_OR_UPSTREAM,
    required=True,
    help="Permits, 0 (closed: everybody waits) to 8000; `upstream`: the upstream's own limit.",
)
@click.option("--headroom", type=HEADROOM, default=0, help="Permits less than the upstream's own limit.  [default: 0]")
@click.option(
    "--cooldown", type=SECONDS, help=f"How long a released permit still counts.  [default: {DEFAULT_COOLDOWN:g}]"
)
@click.option(
    "--slot-timeout",
    type=SLOT_TIMEOUT,
    default=DEFAULT_SLOT_TIMEOUT,
    metavar="SECONDS|off",
    help="When the watchdog takes back a permit that shows no sign of life; `off`: never.  "
    f"[default: {DEFAULT_SLOT_TIMEOUT:g}]",
)
@click.option("--gate", type=click.Choice(GATES), default=GATES[0], show_default=True, help="How samples admit.")
@click.option(
    "--on-stale",
    type=click.Choice(ON_STALE),
    default=ON_STALE[0],
    show_default=True,
    help="Without a fresh sample: admit by the cooldown alone, or nobody.",
)
@click.option("--slots", type=SLOTS, default=DEFAULT_SLOTS, show_default=True, help="Permits and waiters at most.")
@source_options
def create(
    name: str,
    limit: int | Literal["upstream"],
    headroom: int,
    cooldown: float | None,
    slot_timeout: float | None,
    gate: str,
    on_stale: str,
    slots: int,
    **source: Any,
) -> int:
    """Create the limiter NAME; it lasts until it is destroyed or the machine restarts.

    If it exists with these settings nothing happens; if it exists with others, that is an error. What reads the
    upstream's own count is either a preset (see `shmlimit presets`) or an address with the fields to read.
    """
    usage = build_source(**source)
    from shmlimit import Limiter, limiters

    existed = name in limiters()
    settings: dict[str, Any] = {"slot_timeout": slot_timeout, "gate": gate, "on_stale": on_stale}
    if existed:
        settings = {key: value for key, value in settings.items() if _is_given(key)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConfigMismatchWarning)
        limiter = Limiter(name, limit=limit, headroom=headroom, cooldown=cooldown, usage=usage, slots=slots, **settings)
    if caught:
        raise click.ClickException(" ".join(str(one.message) for one in caught))
    now = limiter.status()
    lowered = f" (limit {now.limit} in force: {now.notice})" if now.notice else ""
    limit_now = shown_limit(now.configured_limit, now.headroom)
    click.echo(f"{name}: {'exists already' if existed else 'created'}, limit {limit_now}{lowered}")
    return 0


def _is_given(option: str) -> bool:
    source = click.get_current_context().get_parameter_source(option)
    return source is click.core.ParameterSource.COMMANDLINE


@click.command("destroy", cls=Command, short_help="Remove a limiter.")
@click.argument("name", type=LIMITER_NAME)
@click.option("--force", is_flag=True, help="Also while processes use it: nobody is admitted by it any more.")
@click.option("--forget", is_flag=True, help="Forget the saved settings too.")
def destroy(name: str, force: bool, forget: bool) -> int:
    """Remove the limiter NAME.

    Its limit (also one that 429s lowered), cooldown and usage source are saved, and come back when it is created again
    with the same limit; --forget removes those too.
    """
    import shmlimit

    shmlimit.destroy(name, force=force, forget=forget)
    click.echo(f"{name}: destroyed{', and its settings forgotten' if forget else ''}")
    return 0
