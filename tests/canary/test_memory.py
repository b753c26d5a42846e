"""The poller's memory holds the key: no core file shows it, and no debugger of the same user."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter, _core, poller
from tests.canary.lives import create_and_hold, usage_of, wait_and_hold
from tests.canary.traces import Traces, memory_of
from tests.poller.callers import poller_of, reading
from tests.support.processes import HANG, Worker, hear, say, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.canary import Canary
    from tests.usage.hostile_server import HostileServer

VARIABLE = "SHMLIMIT_TEST_KEY"
AUTH = f"bearer:env:{VARIABLE}"
# Root reads any memory; without its capabilities it is a user as any other.
WITHOUT_CAPABILITIES = ("setpriv", "--bounding-set", "-all")


@pytest.fixture
def key_in_environment(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, canary.key)


def poll(name: str, directory: str = "/", line_taken_away: str | None = None) -> None:
    """In a worker: be the poller, where core files may be of any size, with one line of defence less."""
    os.chdir(directory)
    lift_bound_on_cores()
    if line_taken_away == "bound":
        resource.setrlimit = lambda *_: None
    if line_taken_away == "undumpable":
        _core.make_undumpable = lambda: None
    poller.run(name)


def hold_the_key(directory: str = "/") -> None:
    """In a worker: a program like any other that has the key in its environment."""
    os.chdir(directory)
    lift_bound_on_cores()
    say()
    hear()


def become_within(prefix: list[str], target: str, *arguments: str) -> None:
    """In a worker: go on as another of these functions, started by that command."""
    worker = [sys.executable, "-m", "tests.support.processes", __name__, target, json.dumps(arguments), *sys.argv[4:6]]
    os.execvp((*prefix, *worker)[0], [*prefix, *worker])


def lift_bound_on_cores() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def crash(worker: Worker) -> bool:
    """End it by a signal that dumps core; whether the kernel says that it did."""
    os.kill(worker.pid, signal.SIGABRT)
    _, status = os.waitpid(worker.pid, 0)
    worker.process.returncode = -os.WTERMSIG(status)
    assert os.WTERMSIG(status) == signal.SIGABRT
    return os.WCOREDUMP(status)


def polls(name: str, upstream: HostileServer, worker: Worker) -> bool:
    return reading(name).poller == worker.pid and reading(name).usage.state == "live" and bool(upstream.exchanges)


@pytest.mark.usefixtures("key_in_environment")
@pytest.mark.parametrize("line_taken_away", ["bound", "undumpable"])
def test_either_line_of_defence_alone_keeps_a_poller_that_crashes_from_leaving_a_core_file(
    name: str, canary: Canary, upstream: HostileServer, tmp_path: Path, line_taken_away: str
) -> None:
    try:
        lift_bound_on_cores_of_a_child()
    except subprocess.CalledProcessError:
        pytest.skip("core files are bounded here")
    with Worker(hold_the_key, str(tmp_path)) as control:
        control.hear()
        if not crash(control):
            pytest.skip("nobody's core is dumped here")
    traces = Traces()
    traces.add_files(tmp_path)
    if not traces.findings(canary) and line_taken_away == "undumpable":
        pytest.skip("core files go elsewhere here, whatever their bound")
    for left in tmp_path.glob("*core*"):
        left.unlink()

    limiter = Limiter(name, limit=1, usage=usage_of(upstream.url(), AUTH))
    with limiter.acquire(timeout=0), Worker(poll, name, str(tmp_path), line_taken_away) as worker:
        wait_for(lambda: polls(name, upstream, worker))
        assert not crash(worker)
    assert not list(tmp_path.glob("*core*"))


def lift_bound_on_cores_of_a_child() -> None:
    program = "import resource as r; r.setrlimit(r.RLIMIT_CORE, (r.RLIM_INFINITY, r.RLIM_INFINITY))"
    subprocess.run([sys.executable, "-c", program], check=True, stderr=subprocess.DEVNULL)


@pytest.mark.usefixtures("key_in_environment")
def test_a_debugger_of_the_same_user_is_kept_from_the_pollers_memory_and_environment(
    name: str, canary: Canary, upstream: HostileServer, tmp_path: Path
) -> None:
    without = WITHOUT_CAPABILITIES if os.geteuid() == 0 else ()
    if without and shutil.which(without[0]) is None:
        pytest.skip("needs setpriv, as root reads any memory")

    def look_at(pid: int) -> str:
        program = (
            "import sys\n"
            "from tests.canary.traces import memory_of\n"
            "pid, key = int(sys.argv[1]), sys.stdin.buffer.read()\n"
            "for look in (lambda: memory_of(pid), lambda: open(f'/proc/{pid}/environ', 'rb').read()):\n"
            "    try: print('found' if key in look() else 'not found')\n"
            "    except PermissionError: print('refused')\n"
        )
        done = subprocess.run(
            [*without, sys.executable, "-c", program, str(pid)],
            input=canary.key.encode(),
            env={**{k: v for k, v in os.environ.items() if k != VARIABLE}, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            timeout=HANG,
            check=True,
        )
        return " ".join(done.stdout.decode().split())

    limiter = Limiter(name, limit=1, usage=usage_of(upstream.url(), AUTH))
    with limiter.acquire(timeout=0), Worker(become_within, without, hold_the_key.__name__) as control:
        control.hear()
        if look_at(control.pid) != "found found":
            pytest.skip("no process may look into another one here")
        with Worker(become_within, without, poll.__name__, name) as worker:
            wait_for(lambda: polls(name, upstream, worker))
            assert look_at(worker.pid) == "refused refused"


def test_the_memory_of_everybody_but_the_poller_is_without_the_key(
    name: str, canary: Canary, upstream: HostileServer, tmp_path: Path
) -> None:
    """What a core file of a holder, a waiter or the program that made the limiter would hold."""
    key_file = tmp_path / "key"
    key_file.touch(0o600)
    key_file.write_text(canary.key)
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    auth = f"bearer:file:{key_file}"
    with ExitStack() as stack:
        holder = stack.enter_context(Worker(create_and_hold, name, upstream.url(), auth, **silent))
        assert holder.hear() == "held"
        waiter = stack.enter_context(Worker(wait_and_hold, name, **silent))
        assert waiter.hear() == "queued"
        pid = poller_of(name)
        wait_for(lambda: reading(name).usage.state == "live")
        traces = Traces()
        try:
            for each in (holder.pid, waiter.pid):
                traces.add_memory(each)
            if os.geteuid() == 0:
                assert canary.found_in(memory_of(pid)), "root finds it where it is"
        except PermissionError:
            pytest.skip("no process may look into another one here")
        traces.add_segment(name)
        traces.add_environments()
        traces.add_command_lines()
    assert not traces.findings(canary), "\n".join(traces.findings(canary))
