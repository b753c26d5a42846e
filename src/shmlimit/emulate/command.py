"""`shmlimit emulate`: parses, serves, prints; the emulator itself lives beside this file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from shmlimit.emulate.scenarios import SCENARIOS
from shmlimit.emulate.scenarios import scenario as named_upstream
from shmlimit.emulate.settings import EmulatorSettings
from shmlimit.emulate.truth import TruthLog

_Function = TypeVar("_Function", bound=Callable[..., Any])

_DEFAULTS = EmulatorSettings()
_UNSAID = click.core.ParameterSource.DEFAULT
# What the extra [demo] brings, with what those packages need themselves.
_DEMO_MODULES = ("starlette", "uvicorn", "h11", "anyio")


class SettingError(click.ClickException):
    """An option has a value that is not allowed: one line, exit code 2."""

    exit_code = 2


class _OneLineCommand(click.Command):
    """A command whose usage errors are one line, without the usage text in front."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise SettingError(error.format_message()) from None


def _seconds(name: str, default: float, text: str) -> Callable[[_Function], _Function]:
    return click.option(name, type=float, default=default, show_default=True, metavar="SECONDS", help=text)


def _probability(name: str, text: str) -> Callable[[_Function], _Function]:
    return click.option(name, type=float, default=0.0, show_default=True, metavar="P", help=f"Probability {text}")


def _list_scenarios(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        for name, one in SCENARIOS.items():
            click.echo(f"{name}\n  {one.description}")
        context.exit(0)


@click.command("emulate", cls=_OneLineCommand)
@click.option("--scenario", metavar="NAME", help="A named upstream, in place of the defaults; other options win.")
@click.option(
    "--list-scenarios", is_flag=True, is_eager=True, expose_value=False, callback=_list_scenarios, help="List them."
)
@click.option("--limit", type=int, default=_DEFAULTS.limit, show_default=True, help="Soft cap on sessions.")
@click.option(
    "--hard-cap", type=int, default=None, help="Counted sessions that refuse a start (429).  [default: limit]"
)
@click.option("--cap-error", type=int, default=0, show_default=True, help="Enforced beyond the hard cap that is told.")
@click.option(
    "--limit-change",
    "limit_changes",
    multiple=True,
    metavar="N@SECONDS",
    help="The limit from then on, counted from the first session.",
)
@click.option("--queue-depth", type=int, default=0, show_default=True, help="Sessions above the cap that wait.")
@_seconds("--queue-timeout", _DEFAULTS.queue_timeout, "How long they wait before a 429.")
@_seconds("--end-lag", _DEFAULTS.end_lag, "Median time an ended session still counts, up to 2.")
@_seconds("--start-lag", _DEFAULTS.start_lag, "Median time until a start is reported, up to 2.")
@_seconds("--report-lag", _DEFAULTS.report_lag, "How old the reported count may be.")
@_seconds("--refresh", _DEFAULTS.refresh, "The report is made anew only so often.")
@_probability("--noise", "that a reported count is one off.")
@_probability("--edge", "of a 429 from the edge (cf-ray).")
@_probability("--busy", "of a 429 although there is room.")
@_probability("--overload", "of a 503.")
@_probability("--abort", "that an answer breaks off.")
@click.option(
    "--retry-after",
    default=_DEFAULTS.retry_after,
    show_default=True,
    help="Retry-After of a 429: SECONDS, none, date, date:SECONDS or absurd.",
)
@click.option(
    "--box-after",
    type=int,
    default=_DEFAULTS.box_after,
    show_default=True,
    metavar="N",
    help="More concurrency 429s than this box the account: 403 everywhere; 0 never does.",
)
@_seconds("--box-seconds", _DEFAULTS.box_seconds, "How long a boxed account stays boxed.")
@click.option("--box", metavar="START-END", help="The account is boxed then, counted from the first session.")
@_seconds("--box-lag", _DEFAULTS.box_lag, "How late a penalty shows in the usage answer.")
@_seconds("--phantom", _DEFAULTS.phantom, "How long a session whose client went away still counts.")
@click.option("--keep-cancelled", is_flag=True, help="One that is not streamed then counts to its natural end.")
@_seconds("--min-hold", _DEFAULTS.min_hold, "How long each session counts at least.")
@click.option("--weight", "weights", multiple=True, metavar="MODEL=WEIGHT", help="In the weighted report.")
@_seconds("--session-median", _DEFAULTS.session_median, "Median length of a session.")
@_seconds("--first-byte", _DEFAULTS.first_byte, "Time until a session's first byte.")
@click.option(
    "--foreign",
    default=_DEFAULTS.foreign,
    show_default=True,
    help="Others on the account: none, steady:K, step:K:AT, ramp:K:EVERY, square:K:PERIOD, bursts:K:EVERY.",
)
@click.option(
    "--feed",
    default=_DEFAULTS.feed,
    show_default=True,
    help="Answers to work tell the count in headers: none, elevenlabs or zenrows.",
)
@click.option(
    "--usage-fault",
    "usage_faults",
    multiple=True,
    metavar="KIND[:ARG][@START-END]",
    help="Usage endpoint fault, such as down@5-15, slow:2, status:500, html; may be repeated.",
)
@click.option("--api-key-env", metavar="NAME", help="Environment variable with the only accepted key.")
@click.option("--truth", type=click.Path(path_type=Path), metavar="FILE", help="Ground-truth log, overwritten.")
@click.option("--port", type=int, default=_DEFAULTS.port, show_default=True, help="Port on 127.0.0.1; 0 chooses one.")
@click.option("--seed", type=int, help="Makes the random draws repeatable.")
@click.option("--ready-json", is_flag=True, help="Print the URL and pid as one JSON line once ready.")
@click.option("--until-stdin-closes", is_flag=True, hidden=True)
@click.pass_context
def emulate(
    context: click.Context, /, ready_json: bool, until_stdin_closes: bool, scenario: str | None, **values: Any
) -> None:
    """Emulate an upstream with a concurrency limit on loopback.

    Serves POST /v1/chat/completions and /v1/messages, GET /v1/usage (as events: /v1/usage/stream), GET /healthz and GET
    /truth until Ctrl-C.
    """
    try:
        settings = EmulatorSettings(**values) if scenario is None else _of_scenario(scenario, context, values)
    except ValueError as error:
        raise SettingError(str(error)) from None
    api_key = _api_key(settings.api_key_env)
    try:
        from shmlimit.emulate.server import listen, serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _DEMO_MODULES:
            raise
        raise click.ClickException(f"the emulator needs {error.name}: install shmlimit[demo]") from None
    try:
        listener = listen(settings.port)
    except OSError as error:
        reason = error.strerror or str(error)
        raise click.ClickException(
            f"cannot listen on 127.0.0.1:{settings.port}: {reason}; choose another --port"
        ) from None
    # Opened only now: a second emulator on the same port must not empty the first one's log.
    with listener:
        truth = _truth_log(settings.truth)

        def announce(url: str) -> None:
            click.echo(_first_line(settings, url), err=True)
            if ready_json:
                click.echo(json.dumps({"url": url, "pid": os.getpid()}))

        account = serve(
            settings,
            listener,
            api_key=api_key,
            truth=truth,
            announce=announce,
            until_stdin_closes=until_stdin_closes,
        )
    click.echo(
        f"emulator ended: {account.completed} sessions, {account.refused} refused, "
        f"{account.aborted} aborted, peak {account.peak_own_working} in flight",
        err=True,
    )


def _of_scenario(name: str, context: click.Context, values: dict[str, Any]) -> EmulatorSettings:
    given = {one: value for one, value in values.items() if context.get_parameter_source(one) is not _UNSAID}
    return named_upstream(name, **given)


def _first_line(settings: EmulatorSettings, url: str) -> str:
    truth = f", truth in {settings.truth}" if settings.truth else ""
    return (
        f"emulating an upstream with limit {settings.limit} at {url} "
        f"(hard cap {settings.cap}, foreign load {settings.foreign}{truth}); Ctrl-C ends it"
    )


def _api_key(name: str | None) -> str | None:
    if name is None:
        return None
    key = os.environ.get(name, "")
    if not key:
        raise SettingError(f"api-key-env names {name}, which is not set: export it, or leave the option out")
    return key


def _truth_log(path: Path | None) -> TruthLog | None:
    if path is None:
        return None
    try:
        return TruthLog(path)
    except OSError as error:
        raise SettingError(f"cannot write the truth log {str(path)!r}: {error.strerror}; name another file") from None
