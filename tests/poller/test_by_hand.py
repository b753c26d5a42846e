"""`python -m shmlimit.poller NAME`, as a person or systemd runs it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter, segment
from tests.poller.callers import reading
from tests.support.processes import HANG, wait_for

if TYPE_CHECKING:
    from tests.poller.conftest import Hold, Wait
    from tests.poller.upstream import Upstream


def poll(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shmlimit.poller", *arguments],
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )


def failed_in_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--on-demand"], ["--on-demand", "a", "b"], ["--help"], ["-x"]])
def test_wrong_arguments_exit_with_2_and_the_usage(arguments: list[str]) -> None:
    done = poll(*arguments)
    assert done.returncode == 2
    failed_in_one_line(done, "usage: python -m shmlimit.poller")


@pytest.mark.parametrize("bad", ["", "../etc", "a b", "%s", "x" * 65])
def test_a_name_that_no_limiter_can_have_exits_with_2(bad: str) -> None:
    done = poll(bad)
    assert done.returncode == 2
    failed_in_one_line(done, repr(bad), "cannot be a limiter's name")


def test_no_such_limiter_exits_with_2(name: str) -> None:
    done = poll(name)
    assert done.returncode == 2
    failed_in_one_line(done, name, "no such limiter")


def test_a_limiter_without_a_source_exits_with_2_and_is_not_touched(name: str) -> None:
    limiter = Limiter(name, limit=1)
    done = poll(name)
    assert done.returncode == 2
    failed_in_one_line(done, name, "no usage source")
    assert limiter.status().usage.state == "off"


def test_a_source_that_cannot_be_loaded_exits_with_2_and_status_says_why(name: str) -> None:
    limiter = Limiter(name, limit=1, usage="tests.poller.sources:nothing")
    done = poll(name)
    assert done.returncode == 2
    failed_in_one_line(done, "tests.poller.sources:nothing", "cannot be imported")
    assert limiter.status().usage.state == "failing"
    assert "cannot be imported" in (limiter.status().usage.reason or "")


def test_a_segment_that_is_corrupt_exits_with_2(name: str) -> None:
    Limiter(name, limit=1)
    with open(segment.path_of(name), "r+b") as file:  # noqa: PTH123
        file.write(b"?" * 8)
    done = poll(name)
    assert done.returncode == 2
    failed_in_one_line(done, name)


def test_a_second_one_exits_with_1_and_the_first_polls_on(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    hold(Limiter(name, limit=1, usage=upstream.usage()))
    first = subprocess.Popen([sys.executable, "-m", "shmlimit.poller", name])
    try:
        wait_for(lambda: reading(name).poller == first.pid)
        done = poll(name)
        assert done.returncode == 1
        failed_in_one_line(done, name, "another process polls already")
        wait()
        upstream.wait_for_polls(1)
        assert reading(name).poller == first.pid
        assert reading(name).usage.state == "live"
    finally:
        first.kill()
        first.wait(HANG)
