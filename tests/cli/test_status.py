"""`shmlimit status`: what a person reads, what a program reads, and the exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from shmlimit import Limiter, Status
from shmlimit.cli import main, table
from shmlimit.status import Holder, UsageStatus, Waiter, unlimited_status

from .invocation import shmlimit

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "[red]x[/red] \x1b[2J\x07\u202e:smile:"


def drawn(one: Status | list[Status], width: int = 80) -> str:
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(table.overview(one) if isinstance(one, list) else table.detail(one))
    return capture.get()


def reading(**changes: Any) -> Status:
    return replace(unlimited_status("umans"), limit=4, configured_limit=4, available=4.0, slot_timeout=300.0, **changes)


def waiter(pid: int, *, priority: int = 0, since: float = 0.0, label: str | None = None, weight: float = 1) -> Waiter:
    return Waiter(pid=pid, program="python", label=label, weight=weight, age=3.0, priority=priority, since=since)


def holder(pid: int, *, label: str | None = None, program: str = "python") -> Holder:
    return Holder(pid=pid, program=program, label=label, weight=1, age=12.0, priority=0)


@pytest.fixture
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No limiters but this test's."""
    directory = tmp_path / "segments"
    directory.mkdir(mode=0o700)
    monkeypatch.setenv("SHMLIMIT_DIR", str(directory))


@pytest.mark.usefixtures("own_directory")
def test_no_limiters_is_a_friendly_line_and_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 0
    assert "no limiters here" in capsys.readouterr().out
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.usefixtures("own_directory")
def test_all_limiters_are_rows_of_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    limiters = [Limiter(name, limit=limit) for name, limit in (("a", 1), ("b" * 64, 8000))]
    assert main(["status"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["limiter", "limit"]
    assert [row.split()[:2] for row in rows] == [["a", "1"], ["b" * 64, "8000"]]
    assert main(["status", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["a", "b" * 64]
    del limiters


def test_one_limiter_is_shown_with_its_holders(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    limiter = Limiter(name, limit=3)
    with limiter.permit(weight=2, label="agent 7"):
        assert main(["status", name]) == 0
        out = capsys.readouterr().out
        assert "agent 7" in out
        assert "2 (1 held, 0 cooling)" in out
        assert main(["status", name, "--json"]) == 0
        one = json.loads(capsys.readouterr().out)
        assert set(one) == set(limiter.status().to_dict())
        assert (one["held"], one["holders"][0]["label"]) == (1, "agent 7")


def test_a_limiter_that_is_not_there_is_3_and_stdout_stays_empty(name: str) -> None:
    for options in ([], ["--json"], ["--watch"]):
        ended = shmlimit("status", name, *options)
        assert (ended.returncode, ended.stdout) == (3, "")
        assert name in ended.stderr


def test_a_source_without_a_fresh_sample_is_4_and_no_source_is_0(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["create", name, "--limit", "2", "--preset", "umans"])
    capsys.readouterr()
    assert main(["status", name]) == 4
    assert "stale - no poll yet" in capsys.readouterr().out
    assert main(["status", name, "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["usage"]["state"] == "stale"
    assert main(["destroy", name, "--force", "--forget"]) == 0
    main(["create", name, "--limit", "2"])
    assert main(["status", name]) == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"blocked_by": "full", "in_flight": 4.0}, "full - 4 of 4 in use"),
        ({"blocked_by": "cooling", "cooling": 1}, "cooling - 1 released permit still counts"),
        ({"blocked_by": "cooling", "cooling": 2}, "cooling - 2 released permits still count"),
        ({"blocked_by": "foreign", "foreign": 1.0}, "foreign - 1 session on the account is not ours"),
        ({"blocked_by": "foreign", "foreign": 2.0}, "foreign - 2 sessions on the account are not ours"),
        ({"blocked_by": "foreign"}, "foreign - the next sample that shows room"),
        ({"blocked_by": "paused", "paused": True}, "paused until `shmlimit resume umans`"),
        ({"blocked_by": "stale"}, "stale - there is no fresh sample"),
    ],
    ids=str,
)
def test_it_says_in_words_why_the_first_waits(changes: dict[str, Any], words: str) -> None:
    assert f"waiting because: {words}" in drawn(reading(queued=1, waiters=(waiter(1),), **changes))


def test_a_closed_limiter_says_so() -> None:
    closed = replace(reading(queued=1, waiters=(waiter(1),), blocked_by="full"), limit=0)
    assert "the limit is 0, the limiter is closed" in drawn(closed)


def test_waiters_are_shown_in_the_order_in_which_they_go() -> None:
    waiters = (waiter(11, since=5), waiter(12, since=4), waiter(13, priority=1, since=9), waiter(14, since=4))
    lines = drawn(reading(queued=4, waiters=waiters)).splitlines()
    assert [line.split()[0] for line in lines[-4:]] == ["13", "12", "14", "11"]


def test_of_many_waiters_the_first_are_shown_and_the_rest_counted() -> None:
    waiters = tuple(waiter(1000 + one, since=one) for one in range(50))
    picture = drawn(reading(queued=50, waiters=waiters))
    assert "1019" in picture
    assert "1020" not in picture
    assert "... and 30 more" in picture
    assert "more" not in drawn(reading(queued=20, waiters=waiters[:20]))


def test_what_labels_and_programs_hold_is_shown_harmlessly(name: str) -> None:
    one = reading(
        holders=(holder(1, label=HOSTILE, program=HOSTILE),),
        waiters=(waiter(2, label=HOSTILE),),
        usage=UsageStatus(None, None, "failing", HOSTILE),
    )
    picture = drawn(one, 300)
    assert picture.count(r"[red]x[/red] \x1b[2J\x07\u202e:smile:") == 4
    assert all(line.isprintable() for line in picture.splitlines())
    with Limiter(name, limit=1).permit(label=HOSTILE):
        ended = shmlimit("status", name)
        assert r"[red]x[/red] \x1b[2J\x07\u202e:smile:" in ended.stdout
        assert json.loads(shmlimit("status", name, "--json").stdout)["holders"][0]["label"] == HOSTILE


def test_the_facts_are_there() -> None:
    picture = drawn(
        replace(
            reading(
                in_flight=2.5,
                held=2,
                cooling=1,
                foreign=1.0,
                auto_reduced=True,
                auto_reduced_from=4,
                notice="limit lowered from 4 to 3",
                poller=4711,
                usage=UsageStatus(3.0, 0.4, "live", None),
            ),
            limit=3,
        )
    )
    for fact in ("3 (configured: 4)", "2.5 (2 held, 1 cooling)", "limit lowered from 4 to 3", "pid 4711"):
        assert fact in picture
    assert "live; 3 sessions counted 0.4 s ago" in picture


def test_it_fits_80_columns() -> None:
    people = {"holders": tuple(holder(4_000_000 + one, label="x" * 48) for one in range(3))}
    one = reading(
        queued=2,
        notice="limit lowered from 4 to 3 after a 429 (2026-01-01 00:00:00); `shmlimit reset umans` restores it",
        usage=UsageStatus(3.0, 10.0, "failing", "HTTP 500 " * 20),
        waiters=(waiter(4_000_000, label="w" * 48), waiter(4_000_001, priority=-(2**31) + 1)),
        blocked_by="full",
        **people,
    )
    for picture in (drawn(one), drawn([one, replace(one, name="n" * 64)])):
        assert max(len(line) for line in picture.splitlines()) <= 80
    for whole in ("4000000", "weight", "waiting for"):
        assert whole in drawn(one)


def test_a_pipe_gets_neither_colour_nor_wrapped_or_padded_lines(name: str) -> None:
    limiter = Limiter(name, limit=1)
    with limiter.permit(label="x" * 48):
        ended = shmlimit("status", name)
    assert "\x1b" not in ended.stdout
    assert "x" * 48 in ended.stdout
    assert all(line == line.rstrip() for line in ended.stdout.splitlines())


@pytest.mark.parametrize(
    ("limit", "headroom", "shown"),
    [
        (4, None, "  limit      4\n"),
        (4, 0, "4 (the upstream's own)\n"),
        (4, 2, "4 (the upstream's own less 2)\n"),
        (0, 2, "0 (until the upstream tells its own)\n"),
    ],
)
def test_whose_limit_it_is_is_shown(name: str, limit: int, headroom: int | None, shown: str) -> None:
    now = replace(unlimited_status(name), limit=limit, configured_limit=limit, headroom=headroom)
    assert shown in "\n".join(line.rstrip() for line in drawn(now).splitlines()) + "\n"
