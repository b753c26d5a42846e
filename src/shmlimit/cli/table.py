"""What `shmlimit status` draws: one table of all limiters, or one limiter with its holders and its queue."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from shmlimit.cli.limit import shown_limit
from shmlimit.cli.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from shmlimit.status import Holder, Status, UsageStatus, Waiter

_ROWS_MAX = 20
_STATE_STYLES = {"live": "green", "stale": "yellow", "failing": "red", "off": "dim"}


def overview(readings: Sequence[Status]) -> RenderableType:
    """Draw one row for each limiter."""
    if not readings:
        return Text("no limiters here; `shmlimit create NAME --limit N` makes one")
    table = _table()
    table.add_column("limiter", overflow="fold")
    for column in ("limit", "in use", "cooling", "foreign", "queue"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("usage", no_wrap=True)
    table.add_column("note", overflow="fold")
    for one in readings:
        table.add_row(
            plain(one.name),
            _number(one.limit),
            _number(one.in_flight),
            _number(one.cooling),
            _number(one.foreign),
            _number(one.queued),
            _usage_word(one.usage),
            _note(one),
        )
    return table


def _note(one: Status) -> Text:
    if one.paused:
        return Text("paused", "yellow")
    if one.auto_reduced:
        return Text(f"lowered from {one.auto_reduced_from}", "yellow")
    return Text(one.blocked_by or "")


def detail(one: Status) -> RenderableType:
    """Draw one limiter."""
    parts: list[RenderableType] = [Text(plain(one.name), "bold"), _facts(one)]
    if one.blocked_by is not None:
        parts += [Text(), Text(f"waiting because: {why_waiting(one)}", "yellow")]
    elif one.queued:
        parts += [Text(), Text("the first of the queue is being admitted")]
    if one.holders:
        parts += [Text(), *_holders(one.holders)]
    if one.waiters:
        parts += [Text(), *_waiters(one.waiters)]
    return Group(*parts)


def why_waiting(one: Status) -> str:
    """Say in words why the first waiter is not admitted."""
    waiting = _in_order(one.waiters)
    weight = waiting[0].weight if waiting else 1
    if one.limit == 0 and one.blocked_by == "full":
        closed = "the limiter is closed" if one.headroom is None else "until the upstream tells its own"
        return f"full - the limit is 0, {closed}"
    reasons = {
        "full": f"full - {_number(one.in_flight)} of {one.limit} in use, the first needs {_number(weight)}",
        "cooling": f"cooling - {one.cooling} released {_permits(one.cooling)} still count{_s(one.cooling)}",
        "foreign": _why_foreign(one),
        "paused": f"paused {_until(one)}",
        "stale": "stale - there is no fresh sample, and nobody is admitted without (on_stale closed)",
    }
    return reasons[one.blocked_by] if one.blocked_by else "nothing"


def _why_foreign(one: Status) -> str:
    if one.foreign == 0:
        return "foreign - the next sample that shows room admits the first of the queue"
    sessions = "session" if one.foreign == 1 else "sessions"
    verb = "is" if one.foreign == 1 else "are"
    return f"foreign - {_number(one.foreign)} {sessions} on the account {verb} not ours"


def _permits(count: int) -> str:
    return "permit" if count == 1 else "permits"


def _s(count: int) -> str:
    return "s" if count == 1 else ""


def _facts(one: Status) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")

    def row(fact: str, value: str | Text) -> None:
        grid.add_row(f"  {fact}", value)

    configured = "" if one.limit == one.configured_limit else f" (configured: {one.configured_limit})"
    row("limit", f"{shown_limit(one.limit, one.headroom)}{configured}")
    row("in use", f"{_number(one.in_flight)} ({one.held} held, {one.cooling} cooling)")
    row("foreign", _number(one.foreign))
    row("available", _number(one.available))
    row("queue", _number(one.queued))
    if one.paused:
        row("paused", Text(_until(one), "yellow"))
    if one.notice:
        row("notice", Text(plain(one.notice), "yellow"))
    row("usage", _usage(one.usage))
    if one.poller is not None:
        row("poller", f"pid {one.poller}")
    timeout = "off" if one.slot_timeout is None else f"{one.slot_timeout:g} s"
    row("settings", f"cooldown {one.cooldown:g} s, slot time-out {timeout}, gate {one.gate}, on stale {one.on_stale}")
    return grid


def _usage(usage: UsageStatus) -> Text:
    text = _usage_word(usage)
    if usage.state == "off":
        return text.append(" - no source, the cooldown alone decides")
    if usage.reason is not None:
        text.append(f" - {plain(usage.reason)}")
    if usage.count is not None and usage.age is not None:
        plural = "" if usage.count == 1 else "s"
        text.append(f"; {_number(usage.count)} session{plural} counted {_age(usage.age)} ago")
    return text


def _usage_word(usage: UsageStatus) -> Text:
    return Text(usage.state, _STATE_STYLES[usage.state])


def _until(one: Status) -> str:
    if one.paused_until is None:
        return f"until `shmlimit resume {plain(one.name)}`"
    left = max(0.0, one.paused_until - time.time())
    return f"until {time.strftime('%H:%M:%S', time.localtime(one.paused_until))}, for {_age(left)} more"


def _holders(holders: Iterable[Holder]) -> list[RenderableType]:
    ordered = sorted(holders, key=lambda holder: -holder.age)
    table = _people("held for", with_priority=False)
    for one in ordered[:_ROWS_MAX]:
        table.add_row(str(one.pid), plain(one.program), plain(one.label or ""), _number(one.weight), _age(one.age))
    return [Text(f"holders ({len(ordered)})", "bold"), table, *_more(len(ordered))]


def _waiters(waiters: Iterable[Waiter]) -> list[RenderableType]:
    ordered = _in_order(waiters)
    table = _people("waiting for", with_priority=True)
    for one in ordered[:_ROWS_MAX]:
        table.add_row(
            str(one.pid),
            plain(one.program),
            plain(one.label or ""),
            _number(one.weight),
            str(one.priority),
            _age(one.age),
        )
    return [Text(f"queue ({len(ordered)}), the first to go on top", "bold"), table, *_more(len(ordered))]


def _in_order(waiters: Iterable[Waiter]) -> list[Waiter]:
    # Sorting is stable: among equals the reading's own order, that of arrival, stands.
    return sorted(waiters, key=lambda waiter: (-waiter.priority, waiter.since))


def _more(count: int) -> list[RenderableType]:
    return [Text(f"  ... and {count - _ROWS_MAX} more", "dim")] if count > _ROWS_MAX else []


def _people(age: str, *, with_priority: bool) -> Table:
    table = _table()
    table.add_column("pid", justify="right", no_wrap=True)
    table.add_column("program", no_wrap=True)
    table.add_column("label", overflow="fold")
    table.add_column("weight", justify="right", no_wrap=True)
    if with_priority:
        table.add_column("priority", justify="right", no_wrap=True)
    table.add_column(age, justify="right", no_wrap=True)
    return table


def _table() -> Table:
    return Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)


def _number(value: float | None) -> str:
    return "unlimited" if value is None else f"{value:g}" if value < 1e6 else f"{value:.0f}"


def _age(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"
