"""`shmlimit demo`: parses, runs the three kinds side by side, prints."""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from shmlimit.demo.evidence import Evidence
    from shmlimit.demo.run import Run

# Of the run: enough before for the queue to be full, enough after for the slot to be used again.
_KILL_AFTER = 0.35


@click.command("demo")
@click.option(
    "--seconds", type=click.FloatRange(5, 3600), default=20, show_default=True, help="How long the load runs."
)
@click.option("--workers", type=click.IntRange(2, 64), default=8, show_default=True, help="Processes in each pool.")
@click.option(
    "--limit", type=click.IntRange(1, 64), default=4, show_default=True, help="What the upstream serves at once."
)
@click.option(
    "--gate",
    type=click.Choice(["upstream", "one-per-poll"]),
    default="upstream",
    show_default=True,
    help="The limiter's gate rule.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=None, help="Of the upstream's random draws; a random one by default."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object, and nothing else.")
def demo(seconds: float, workers: int, limit: int, gate: str, seed: int | None, as_json: bool) -> None:
    """See the main job done: one key, a small cap, a pool of processes.

    Starts an emulated upstream and a pool of processes that call it over HTTP, three times side by side: through
    shmlimit, through a multiprocessing.Semaphore, and without a limiter. Kills one process of each in the middle of
    its call. Ends with the upstream's own figures.
    """
    if math.isnan(seconds):
        raise click.BadParameter("nan is not in the range 5<=x<=3600.", param_hint="'--seconds'")
    try:
        evidence = _run(
            seconds, workers, limit, gate, int.from_bytes(os.urandom(4), "big") if seed is None else seed, as_json
        )
    except ModuleNotFoundError as error:
        raise click.ClickException(f"the demo needs {error.name}: pip install 'shmlimit[demo]'") from None
    if as_json:
        click.echo(json.dumps({**{kind: asdict(one) for kind, one in evidence.items()}, "limit": limit}))
        return
    from rich.console import Console

    from shmlimit.demo import screen

    Console().print(screen.result(evidence, limit, seconds, workers))


def _run(seconds: float, workers: int, limit: int, gate: str, seed: int, quiet: bool) -> dict[str, Evidence]:
    from shmlimit.demo.run import KINDS, Run

    if not quiet:
        click.echo("Starting three upstreams and three pools of processes ...", err=True)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shmlimit-demo-")))
        # The demo's limiter is not one of the user's: its settings and its poller's log go with it.
        stack.callback(_set_state_directory, os.environ.get("SHMLIMIT_STATE_DIR"))
        _set_state_directory(str(directory / "state"))
        runs = [
            stack.enter_context(Run(kind, limit=limit, workers=workers, gate=gate, directory=directory, seed=seed))
            for kind in KINDS
        ]
        for run in runs:
            run.feed()
        end = time.monotonic() + seconds
        _watch(runs, end, seconds, quiet)
        return {run.kind: run.evidence(end) for run in runs}


def _set_state_directory(path: str | None) -> None:
    if path is None:
        del os.environ["SHMLIMIT_STATE_DIR"]
    else:
        os.environ["SHMLIMIT_STATE_DIR"] = path


def _watch(runs: list[Run], end: float, seconds: float, quiet: bool) -> None:
    """Until the end: show what happens, and kill a worker of each run in its time."""
    from rich.console import Console
    from rich.live import Live

    from shmlimit.demo import screen

    kill_at = end - seconds * (1 - _KILL_AFTER)
    console = Console(stderr=True, quiet=quiet or not os.isatty(2))
    with Live(console=console, auto_refresh=False, transient=True) as display:
        while (now := time.monotonic()) < end:
            for run in runs:
                if now >= kill_at and run.killed_at is None:
                    run.kill_one()
            if not console.quiet:
                display.update(screen.live(runs, end - now, now), refresh=True)
            time.sleep(min(0.25, end - now))
