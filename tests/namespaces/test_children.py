"""Processes made in every way that Linux has: what they inherit is the parent's, and keeps no dead parent alive."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading

import pytest

from shmlimit import Limiter
from tests.lifecycle.books import all_is_free
from tests.support.processes import Worker, hear, say, wait_for

_SLEEPER = "import os, sys; os.write(1, b's'); sys.stdin.read()"
_CLONE_VFORK = 0x4000
_SYS_CLONE = {"x86_64": 56, "aarch64": 220}.get(os.uname().machine)


def _raw_clone() -> int:
    """A child of which libc knows nothing: no handler of pthread_atfork runs."""
    libc = ctypes.PyDLL(None, use_errno=True)
    child = libc.syscall(_SYS_CLONE, signal.SIGCHLD, None, None, None, None)
    assert child >= 0, os.strerror(ctypes.get_errno())
    return int(child)


def _spawn_and_hold(name: str, way: str) -> None:
    """Hold a permit, and start a process that outlives this one."""
    limiter = Limiter(name)
    permit = limiter.acquire()
    command = [sys.executable, "-I", "-S", "-c", _SLEEPER]
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    if way == "posix_spawn":
        standard_output = [(os.POSIX_SPAWN_DUP2, writer, 1)]
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=standard_output)
    elif way == "subprocess":
        pid = subprocess.Popen(command, stdout=writer, close_fds=False).pid
    else:
        pid = _raw_clone() if way == "clone" else os.fork()
        if not pid:
            os.dup2(writer, 1)
            if way != "fork without exec":
                os.execv(command[0], command)
            os.write(1, b"s")
            os.read(0, 1)
            os._exit(0)
    os.close(writer)
    assert os.read(reader, 1) == b"s"
    say(pid)
    hear()
    say(permit.release())


@pytest.mark.parametrize("way", ["posix_spawn", "subprocess", "fork", "fork without exec", "clone"])
def test_a_process_made_in_any_way_does_not_keep_a_killed_holders_permit(name: str, way: str) -> None:
    if way == "clone" and _SYS_CLONE is None:
        pytest.skip(f"the number of clone() is not known here for {os.uname().machine}")
    limiter = Limiter(name, limit=1, cooldown=0)
    stdin_reader, stdin_writer = os.pipe()  # the program ends when this test does
    with Worker(_spawn_and_hold, name, way, stdin=stdin_reader) as holder:
        os.close(stdin_reader)
        program = holder.hear()
        assert limiter.try_acquire() is None
        holder.kill()
        assert limiter.acquire(timeout=0).release()
        os.kill(program, 0)  # still there
    os.close(stdin_writer)
    wait_for(lambda: not _is_alive(program))
    assert limiter.status().counters.reaped == 1
    all_is_free(limiter)


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _clone_and_use(name: str) -> None:
    limiter = Limiter(name)
    permit = limiter.acquire()
    child = _raw_clone()
    if not child:
        found = [permit.touch(), permit.release(), limiter.status().held]
        own = limiter.acquire(timeout=5)
        found += [limiter.status().held, own.release()]
        say(found)
        os._exit(0)
    os.waitpid(child, 0)
    say([permit.lost, limiter.status().held, permit.release()])


@pytest.mark.skipif(_SYS_CLONE is None, reason="the number of clone() is not known here for this machine")
def test_a_raw_clone_is_a_participant_of_its_own_from_its_first_use_on(name: str) -> None:
    limiter = Limiter(name, limit=2, cooldown=0)
    with Worker(_clone_and_use, name) as worker:
        assert worker.hear() == [False, False, 1, 2, True]
        assert worker.hear() == [False, 1, True]
    all_is_free(limiter)


def _hand_over_every_descriptor(name: str) -> None:
    """Exec with all descriptors made inheritable, but those that close by themselves."""
    limiter = Limiter(name)
    limiter.acquire()
    mine = [entry for entry in os.listdir("/proc/self/fd") if "/shmlimit." in _target(entry)]  # noqa: PTH208
    say([os.get_inheritable(int(entry)) for entry in mine])
    hear()
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"])


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    except FileNotFoundError:
        return ""


def test_no_descriptor_of_a_segment_survives_exec(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(_hand_over_every_descriptor, name, stdin=subprocess.PIPE) as worker:
        assert worker.hear() == [False]
        worker.say()
        permit = limiter.acquire(timeout=60)
        assert worker.process.poll() is None
        permit.release()
        assert worker.process.stdin is not None
        worker.process.stdin.close()
        worker.end()
    all_is_free(limiter)


def _fork_from_threads(name: str, threads: int, rounds: int) -> None:
    """Each thread forks while the others acquire, attach and fork; each child uses the limiter at once."""
    limiter = Limiter(name)
    exits: list[int] = []

    def work() -> None:
        for _ in range(rounds):
            with limiter:
                child = os.fork()
                if not child:
                    permit = limiter.acquire(timeout=30)
                    os._exit(0 if permit.release() else 1)
            exits.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            Limiter(name).close()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    say([sorted(set(exits)), len(exits), limiter.status().held])


def test_threads_that_fork_while_others_acquire_hand_no_child_a_taken_lock(name: str) -> None:
    limiter = Limiter(name, limit=3, cooldown=0)
    with Worker(_fork_from_threads, name, 4, 10) as worker:
        assert worker.hear() == [[0], 40, 0]
    all_is_free(limiter)
