"""The options that describe a usage source, and the source that they describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from shmlimit.cli.argument import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from shmlimit.usage import HttpUsage

_F = TypeVar("_F", bound="Callable[..., Any]")


def _refuse_key(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError(
            "a key on the command line is for everybody to read: put it into a variable or a file, and name that with "
            "--auth bearer:env:NAME or --auth bearer:file:PATH",
            context,
        )


_OPTIONS = (
    click.option("--preset", metavar="NAME", help="A provider that is known; see `shmlimit presets`."),
    click.option("--url", metavar="URL", help="Where the upstream says what it counts."),
    click.option(
        "--in-flight",
        metavar="POINTER",
        multiple=True,
        help="Field with the count, as /usage/concurrent_sessions; repeated, they add up.",
    ),
    click.option("--limit-pointer", "limit_pointer", metavar="POINTER", help="Field with the upstream's limit."),
    click.option("--hard-cap-pointer", "hard_cap", metavar="POINTER", help="Field with the count that is refused."),
    click.option(
        "--auth", metavar="REF", help="Where the key is: bearer:env:NAME, header:X-Api-Key:file:PATH and the like."
    ),
    click.option(
        "--format",
        "format_",
        type=click.Choice(["json", "prometheus", "headers", "events"]),
        help="Of answers.  [default: json]",
    ),
    click.option("--min-interval", type=SECONDS, help="Seconds between two polls at least.  [default: 0.15]"),
    click.option("--settle", type=SECONDS, help="Seconds that a start may take to show in the count.  [default: 1]"),
    click.option("--stale-after", type=SECONDS, help="Seconds for which a reading counts.  [default: 15]"),
    click.option("--poll-timeout", type=SECONDS, help="Seconds that one poll may take.  [default: 5]"),
    click.option("--api-key", hidden=True, expose_value=False, callback=_refuse_key),
)


def source_options(command: _F) -> _F:
    """Give a command the options that `build_source` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def build_source(
    *,
    preset: str | None,
    url: str | None,
    in_flight: tuple[str, ...],
    limit_pointer: str | None,
    hard_cap: str | None,
    auth: str | None,
    format_: str | None,
    min_interval: float | None,
    settle: float | None,
    stale_after: float | None,
    poll_timeout: float | None,
) -> HttpUsage | None:
    """Make the source that the options describe, blocking for local files at most; None if they describe none.

    Raises:
        click.UsageError: They do not go together.
        TypeError, ValueError: The source refuses one of them.
    """
    given: dict[str, Any] = {
        "in_flight": list(in_flight) or None,
        "limit": limit_pointer,
        "hard_cap": hard_cap,
        "auth": auth,
        "format": format_,
        "min_interval": min_interval,
        "settle": settle,
        "stale_after": stale_after,
        "timeout": poll_timeout,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if preset is None and url is None:
        if given:
            option = {"limit": "limit-pointer", "hard_cap": "hard-cap-pointer", "timeout": "poll-timeout"}
            first = next(iter(given))
            raise click.UsageError(
                f"--{option.get(first, first).replace('_', '-')} belongs to a usage source: give --preset or --url too"
            )
        return None
    # Brings httpx: only when there is a source.
    from shmlimit import usage

    if preset is not None:
        return usage.preset(preset, url=url, **given)
    if "in_flight" not in given:
        raise click.UsageError(f"--url {url} needs --in-flight POINTER: the field with the count")
    assert url is not None  # noqa: S101
    return usage.HttpUsage(url, **given)
