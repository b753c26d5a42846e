"""When the upstream's usage endpoint, or a source of one's own, does not answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter
from tests.poller import sources
from tests.poller.callers import reading
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.poller.conftest import Hold, Wait
    from tests.poller.upstream import Upstream

COOLDOWN = 0.05
SOURCE = "tests.poller.sources:said"


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with what the Python source says."""
    path = tmp_path / "answer"
    monkeypatch.setenv(sources.ANSWER, str(path))
    return path


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("None", "the source returned no information"),
        ("raise RuntimeError('out of order')", "RuntimeError: out of order"),
        ("raise UsageError('HTTP 500')", "HTTP 500"),
        ("7", "the source 'tests.poller.sources:said' returned int, expected Usage or None"),
        ("Usage('3')", "the count '3' is not a number of sessions"),
        ("Usage(True)", "the count True is not a number of sessions"),
        ("Usage(float('nan'))", "the count nan is not a number of sessions"),
        ("Usage(10**400)", "is not a number of sessions"),
        ("Usage(-1)", "the count -1 is not a number of sessions"),
        ("raise OSError('\\udcff\\x1b[2J')", "OSError: ??[2J"),
    ],
)
def test_a_source_without_information_leaves_the_cooldown_alone_and_status_says_why(
    name: str, answer: Path, hold: Hold, wait: Wait, said: str, reason: str
) -> None:
    answer.write_text(said)
    (permit,) = hold(Limiter(name, limit=1, cooldown=COOLDOWN, usage=SOURCE))
    waiter = wait()
    usage = wait_for(lambda: (now := reading(name).usage).state == "failing" and now)
    assert reason in usage.reason
    assert usage.count is None
    assert reading(name).foreign == 0
    released = time.monotonic()
    permit.release()
    waiter.permit()
    assert time.monotonic() - released >= COOLDOWN


def test_a_python_source_that_finds_its_tongue_is_heard(name: str, answer: Path, hold: Hold, wait: Wait) -> None:
    answer.write_text("None")
    hold(Limiter(name, limit=1, cooldown=COOLDOWN, usage=SOURCE))
    wait()
    wait_for(lambda: reading(name).usage.state == "failing")
    answer.write_text("Usage(3.5)")
    wait_for(lambda: reading(name).usage.state == "live")
    assert reading(name).usage.count == 3.5
    assert reading(name).usage.reason is None


@pytest.mark.parametrize("fault", [500, 302, "drop", "hang"])
def test_an_outage_stops_nothing_and_ends_by_itself(
    name: str, upstream: Upstream, hold: Hold, wait: Wait, fault: int | str
) -> None:
    limiter = Limiter(name, limit=1, cooldown=COOLDOWN, usage=upstream.usage(timeout=0.3))
    (permit,) = hold(limiter)
    waiter = wait()
    wait_for(lambda: reading(name).usage.state == "live")
    if fault == "hang":
        upstream.hold()
    else:
        upstream.fault = fault
    wait_for(lambda: reading(name).usage.state == "failing")
    for _ in range(10):
        permit.release()
        following = wait()
        permit, waiter = waiter.permit(), following
    assert reading(name).usage.state == "failing"
    assert reading(name).usage.count == 0, "the last good answer, with its age"
    upstream.fault = None
    upstream.go_on()
    wait_for(lambda: reading(name).usage.state == "live")
    permit.release()
    waiter.permit()


def test_foreign_sessions_of_before_an_outage_hold_nobody_back(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    limiter = Limiter(name, limit=1, cooldown=COOLDOWN, usage=upstream.usage())
    (permit,) = hold(limiter)
    upstream.count = 5
    waiter = wait()
    wait_for(lambda: reading(name).foreign > 0)
    permit.release()
    upstream.wait_for_polls(2)
    assert not waiter.is_admitted
    upstream.fault = 500
    waiter.permit()


def test_closed_on_stale_admits_nobody_without_a_fresh_sample_and_somebody_after_one(
    name: str, upstream: Upstream, wait: Wait
) -> None:
    limiter = Limiter(name, limit=1, cooldown=COOLDOWN, on_stale="closed", usage=upstream.usage())
    assert limiter.try_acquire() is None
    upstream.hold()
    waiter = wait()
    upstream.wait_until_held()
    now = reading(name)
    assert not waiter.is_admitted
    assert (now.in_flight, now.available, now.queued, now.blocked_by) == (0, 0, 1, "stale")
    upstream.go_on()
    waiter.permit()


def test_closed_on_stale_admits_nobody_during_an_outage(name: str, upstream: Upstream, wait: Wait) -> None:
    Limiter(name, limit=1, cooldown=COOLDOWN, on_stale="closed", usage=upstream.usage())
    upstream.fault = 500
    waiter = wait()
    upstream.wait_for_polls(2)
    assert not waiter.is_admitted
    assert reading(name).blocked_by == "stale"
    assert reading(name).usage.reason == "HTTP 500"
    upstream.fault = None
    waiter.permit()


def test_a_missing_key_is_said_by_its_variables_name(
    name: str, upstream: Upstream, hold: Hold, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHMLIMIT_TEST_KEY", raising=False)
    usage = upstream.usage(auth="bearer:env:SHMLIMIT_TEST_KEY")
    (permit,) = hold(Limiter(name, limit=1, cooldown=COOLDOWN, usage=usage))
    waiter = wait()
    wait_for(lambda: reading(name).usage.state == "failing")
    assert reading(name).usage.reason == "the environment variable SHMLIMIT_TEST_KEY is not set"
    assert upstream.requests == []
    permit.release()
    waiter.permit()


def test_a_source_that_cannot_be_imported_is_said_and_not_tried_again_every_second(
    name: str, tmp_path: Path, hold: Hold, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    (tmp_path / "broken_source.py").write_text(
        f"open({str(started)!r}, 'a').write('x')\nraise LookupError('not\\ntoday')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    (permit,) = hold(Limiter(name, limit=1, cooldown=COOLDOWN, usage="broken_source:get"))
    waiter = wait()
    wait_for(lambda: reading(name).usage.state == "failing")
    now = reading(name)
    assert now.usage.reason == "the source cannot be loaded: LookupError: not?today"
    began = time.monotonic()
    wait_for(lambda: time.monotonic() > began + 2.5)
    assert started.read_text() == "x", "it stays elected for a while"
    assert reading(name).poller == now.poller
    permit.release()
    waiter.permit()
