"""The poller as a process: who starts it, what it outlives, who takes over from it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shmlimit
from shmlimit import Limiter, launch, statefile
from tests.poller.callers import holder_until_told, kill, poller_of, pollers, reading
from tests.support.processes import HANG, IMPORTABLE, Worker, state_of, wait_for

if TYPE_CHECKING:
    import pytest

    from tests.poller.conftest import Hold, Wait
    from tests.poller.upstream import Upstream

COOLDOWN = 0.05


def create(name: str, upstream: Upstream, limit: int = 1, **usage: Any) -> Limiter:
    return Limiter(name, limit=limit, cooldown=COOLDOWN, usage=upstream.usage(**usage))


def has_sample(name: str) -> bool:
    return reading(name).usage.state == "live"


def test_the_first_waiter_starts_it_and_many_waiters_start_one(name: str, upstream: Upstream, hold: Hold) -> None:
    (permit,) = hold(create(name, upstream))
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(holder_until_told, name)) for _ in range(6)]
        wait_for(lambda: reading(name).queued == 6)
        pid = poller_of(name)
        upstream.wait_for_request(3)
        wait_for(lambda: pollers(name) == [pid])
        permit.release()
        for _ in workers:
            holder = wait_for(lambda: next((worker for worker in workers if worker.has_said()), None))
            assert holder.hear() == "held"
            holder.say()
            assert holder.hear() == "released"
            workers.remove(holder)
            if not workers:
                break
        wait_for(lambda: pollers(name) == [pid])


def test_killed_it_is_replaced_when_it_is_needed_and_the_waiter_is_served(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    (permit,) = hold(create(name, upstream))
    waiter = wait()
    first = poller_of(name)
    wait_for(lambda: has_sample(name))
    kill(first)
    second = wait_for(lambda: (pid := reading(name).poller) != first and pid)
    asked = len(upstream.requests)
    upstream.wait_for_request(asked + 1)
    wait_for(lambda: pollers(name) == [second])
    permit.release()
    waiter.permit()


def test_killed_while_nobody_waits_it_is_not_replaced(name: str, upstream: Upstream, hold: Hold, wait: Wait) -> None:
    limiter = create(name, upstream)
    (permit,) = hold(limiter)
    waiter = wait()
    pid = poller_of(name)
    permit.release()
    held = waiter.permit()
    # On a busy machine a second one may have been started before the first was elected; it ends by itself.
    wait_for(lambda: pollers(name) == [pid])
    kill(pid)
    held.release()
    wait_for(lambda: limiter.status().cooling == 0)
    assert limiter.status().poller is None
    assert pollers(name) == []


def test_killed_in_the_middle_of_a_poll_it_leaves_the_waiter_to_the_next(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    (permit,) = hold(create(name, upstream))
    waiter = wait()
    wait_for(lambda: has_sample(name))
    upstream.hold()
    upstream.wait_until_held()
    kill(poller_of(name))
    permit.release()
    upstream.go_on()
    waiter.permit()


def test_stopped_it_blocks_nobody_for_ever_and_no_second_one_polls(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    (permit,) = hold(create(name, upstream))
    waiter = wait()
    pid = poller_of(name)
    wait_for(lambda: has_sample(name))
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: state_of(pid) == "T")
    released = time.monotonic()
    permit.release()
    # A fresh sample stands, so the slot waits for one that confirms it: 5 s at most.
    waiter.permit()
    assert time.monotonic() - released >= 5.0
    assert has_sample(name), "no earlier than that for want of a sample"
    wait_for(lambda: pollers(name) == [pid])
    assert reading(name).poller == pid
    os.kill(pid, signal.SIGCONT)


def test_stopped_while_the_upstream_was_full_it_blocks_until_its_sample_is_stale(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    (permit,) = hold(create(name, upstream, stale_after=1.5))
    upstream.count = 9
    waiter = wait()
    pid = poller_of(name)
    wait_for(lambda: reading(name).foreign > 0)
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: state_of(pid) == "T")
    permit.release()
    waiter.permit()
    now = reading(name)
    assert now.usage.state == "stale"
    assert now.usage.age is not None
    assert now.usage.age >= 1.499, "the gate keeps the time in whole milliseconds"
    os.kill(pid, signal.SIGCONT)


def test_it_goes_on_after_it_was_stopped(name: str, upstream: Upstream, hold: Hold, wait: Wait) -> None:
    (permit,) = hold(create(name, upstream))
    waiter = wait()
    pid = poller_of(name)
    wait_for(lambda: has_sample(name))
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: state_of(pid) == "T")
    permit.release()
    os.kill(pid, signal.SIGCONT)
    waiter.permit()
    assert reading(name).poller == pid


def test_it_outlives_whoever_started_it_and_leaves_no_zombie_there(
    name: str, upstream: Upstream, hold: Hold, wait: Wait
) -> None:
    hold(create(name, upstream))
    with Worker(holder_until_told, name) as starter:
        pid = poller_of(name)
        upstream.wait_for_request(1)
        assert children_of(starter.pid) == []
        assert os.getsid(pid) != os.getsid(starter.pid)
        starter.kill()
    wait()
    asked = len(upstream.requests)
    upstream.wait_for_request(asked + 2)
    wait_for(lambda: pollers(name) == [pid])


def children_of(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return found


def test_it_ends_when_the_limiter_is_destroyed(name: str, upstream: Upstream, hold: Hold) -> None:
    limiter = create(name, upstream)
    hold(limiter)
    with Worker(holder_until_told, name):
        pid = poller_of(name)
    shmlimit.destroy(name, force=True)
    wait_for(lambda: state_of(pid) in ("", "Z"))


def test_it_is_no_reason_to_refuse_destroy(name: str, upstream: Upstream) -> None:
    limiter = create(name, upstream)
    with limiter.acquire(timeout=0), Worker(holder_until_told, name):
        pid = poller_of(name)
    limiter.close()
    del limiter
    shmlimit.destroy(name)
    wait_for(lambda: state_of(pid) in ("", "Z"))


def test_its_log_is_in_the_state_directory_for_this_user_alone(
    name: str, upstream: Upstream, hold: Hold, wait: Wait, state_directory: Path
) -> None:
    upstream.fault = 500
    hold(create(name, upstream))
    wait()
    wait_for(lambda: reading(name).usage.state == "failing")
    log = state_directory / f"{name}.poller.log"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    # On a busy machine a second one may have been started before the first was elected, and say that.
    lines = [line for line in log.read_text().splitlines() if "another process polls already" not in line]
    assert len(lines) == 1
    assert lines[0].endswith(
        f"shmlimit poller of {name}: no information: HTTP 500; until there is, the cooldown alone decides"
    )


def test_a_log_that_has_grown_too_long_is_begun_anew(
    name: str, upstream: Upstream, hold: Hold, wait: Wait, state_directory: Path
) -> None:
    upstream.fault = 500
    hold(create(name, upstream))
    log = state_directory / f"{name}.poller.log"
    log.write_bytes(b"x" * (1 << 20) + b"y\n")
    wait()
    wait_for(lambda: reading(name).usage.state == "failing")
    assert "HTTP 500" in log.read_text()
    assert "x" * 9 not in log.read_text()


def test_a_state_directory_that_cannot_be_written_does_not_stop_it(
    name: str, upstream: Upstream, hold: Hold, wait: Wait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(create(name, upstream))
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    monkeypatch.setenv("SHMLIMIT_STATE_DIR", str(in_the_way))
    wait()
    wait_for(lambda: has_sample(name))


def test_a_log_that_is_a_symbolic_link_is_not_followed(
    name: str, upstream: Upstream, hold: Hold, wait: Wait, state_directory: Path, tmp_path: Path
) -> None:
    upstream.fault = 500
    hold(create(name, upstream))
    target = tmp_path / "precious"
    target.touch()
    (state_directory / f"{name}.poller.log").symlink_to(target)
    wait()
    wait_for(lambda: reading(name).usage.state == "failing")
    assert target.read_bytes() == b""


def test_without_a_home_or_an_interpreter_the_waiter_is_told_and_goes_on(
    name: str, upstream: Upstream, hold: Hold, wait: Wait, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    (permit,) = hold(create(name, upstream))
    monkeypatch.setattr(sys, "executable", "")
    waiter = wait()
    wait_for(lambda: "was not started" in caplog.text)
    assert "sys.executable is empty" in caplog.text
    permit.release()
    waiter.permit()


def test_a_user_without_a_home_directory_has_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(statefile, "make_directory", fail)
    assert launch._open_log("any") == subprocess.DEVNULL


def test_a_source_may_be_a_module_next_to_the_program(name: str, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.mkdir()
    (program / "next_to_it.py").write_text("from shmlimit import usage\ndef get(): return usage.Usage(7)\n")
    (program / "main.py").write_text(
        "import sys, threading, time\n"
        "from shmlimit import AcquireTimeout, Limiter\n"
        f"limiter = Limiter({name!r}, limit=1, usage='next_to_it:get')\n"
        "with limiter:\n"
        "    while limiter.status().usage.state != 'live':\n"
        "        try: limiter.acquire(timeout=0.2).release()\n"
        "        except AcquireTimeout: pass\n"
        "    print(limiter.status().usage.count, limiter.status().usage.reason)\n"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "../program/main.py"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": IMPORTABLE},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=True,
    )
    assert done.stdout == "7.0 None\n"
