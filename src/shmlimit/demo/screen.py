"""What a person sees of the demo: a live table while it runs, and the same table as its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from shmlimit.demo.evidence import Evidence
    from shmlimit.demo.run import Run
    from shmlimit.status import Status

TITLES = {"shmlimit": "shmlimit", "semaphore": "multiprocessing\nSemaphore", "unlimited": "no limiter"}


def live(runs: Sequence[Run], left: float, until: float) -> RenderableType:
    """The table so far, with what the limiter is doing now."""
    evidence = {run.kind: run.evidence(until) for run in runs}
    limiter = next((run.limiter for run in runs if run.limiter is not None), None)
    back = {run.kind: _reclaimed(run.kind, evidence[run.kind], "-" if run.killed_at is None else "...") for run in runs}
    table = _table(evidence, runs[0].limit, back, {run.kind: len(run.truth.open) for run in runs})
    now = Text(_now(limiter.status())) if limiter is not None else Text()
    return Group(table, now, Text(f"{left:4.0f} s left", style="dim"))


def result(evidence: Mapping[str, Evidence], limit: int, seconds: float, workers: int) -> RenderableType:
    """The table at the end, with what it means."""
    ours = evidence["shmlimit"]
    lines = [
        f"{workers} processes called an upstream that serves {limit} at once, for {seconds:g} s, each way",
        "side by side. In each, one process was killed (SIGKILL) in mid-call.",
        "All figures are from the upstream's own log.",
    ]
    if not ours.refused:
        lines.append(f"Through shmlimit: {ours.sessions} calls, none refused.")
    back = {kind: _reclaimed(kind, one, "never") for kind, one in evidence.items()}
    return Group(_table(evidence, limit, back, None), Text("\n".join(lines)))


def _table(
    evidence: Mapping[str, Evidence], limit: int, back: Mapping[str, str], in_flight: Mapping[str, int] | None
) -> Table:
    table = Table(title=f"upstream limit {limit}", title_justify="left")
    table.add_column("")
    for kind in evidence:
        table.add_column(TITLES[kind], justify="right")
    table.add_row("calls served", *(str(one.sessions) for one in evidence.values()))
    table.add_row("refused (429)", *(_refused(one.refused) for one in evidence.values()))
    if in_flight is not None:
        table.add_row("in flight now", *(str(in_flight[kind]) for kind in evidence))
    table.add_row("peak in flight", *(str(one.peak_in_flight) for one in evidence.values()))
    table.add_row("use of the cap", *(f"{one.utilisation:.0%}" for one in evidence.values()))
    table.add_row("killed worker's slot back", *(back[kind] for kind in evidence))
    return table


def _refused(count: int) -> Text:
    return Text(str(count), style="bold red" if count else "bold green")


def _reclaimed(kind: str, one: Evidence, without: str) -> str:
    if kind == "unlimited":
        return "-"
    return without if one.reclaim_ms is None else f"{one.reclaim_ms:,.0f} ms"


def _now(status: Status) -> str:
    waiting = f", {status.queued} waiting" if status.queued else ""
    why = f" (first one: {status.blocked_by})" if status.blocked_by else ""
    usage = "" if status.usage.count is None else f"; the upstream last said {status.usage.count:g}"
    return (
        f"shmlimit now: {status.held} held, {status.cooling} cooling, {status.foreign:g} foreign{waiting}{why}{usage}"
    )
