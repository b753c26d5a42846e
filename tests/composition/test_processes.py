"""In processes that are killed, interrupted and forked: nothing is lost, and nothing locks up."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter, Permits, acquire_all, acquire_any
from tests.support.processes import HANG, IMPORTABLE, Worker, hear, say, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.composition.conftest import Pair

CROWD = 8


def take(how: str, pair: Pair) -> Permits:
    return acquire_all([(limiter, 1) for limiter in pair]) if how == "all" else acquire_any(pair)


def hold_until_told(how: str, *names: str) -> None:
    first, second = (Limiter(name) for name in names)
    permits = take(how, (first, second))
    say("held")
    hear()
    permits.release()


@pytest.mark.parametrize("how", ["all", "any"])
def test_killed_while_it_holds_it_gives_all_back(pair: Pair, how: str) -> None:
    with Worker(hold_until_told, how, *(limiter.name for limiter in pair)) as worker:
        assert worker.hear() == "held"
        worker.kill()
        with acquire_all([(limiter, 1) for limiter in pair], timeout=HANG):
            pass


@pytest.mark.parametrize("how", ["all", "any"])
def test_killed_while_it_waits_it_is_in_nobodys_way(pair: Pair, how: str) -> None:
    holders = [limiter.acquire() for limiter in pair]
    with Worker(hold_until_told, how, *(limiter.name for limiter in pair)) as worker:
        wait_for(lambda: any(limiter.status().queued for limiter in pair))
        worker.kill()
        for holder in holders:
            holder.release()
        with acquire_all([(limiter, 1) for limiter in pair], timeout=HANG):
            pass


def interrupted_in_a_wait(how: str, *names: str) -> None:
    """Wait until Ctrl-C; what is held and queued when it comes, with the traceback alive."""
    first, second = (Limiter(name) for name in names)
    say("begun")
    try:
        take(how, (first, second))
    except KeyboardInterrupt:
        say([(now.queued, now.held) for now in (first.status(), second.status())])
    hear()


@pytest.mark.parametrize("how", ["all", "any"])
@pytest.mark.parametrize("full", [0, 1])
def test_ctrl_c_ends_the_wait_and_leaves_nothing(pair: Pair, how: str, full: int) -> None:
    holders = [limiter.acquire() for limiter in pair]
    if how == "all":
        holders[1 - full].release()
    with Worker(interrupted_in_a_wait, how, *(limiter.name for limiter in pair)) as worker:
        assert worker.hear() == "begun"
        wait_for(lambda: pair[full].status().queued)
        worker.process.send_signal(signal.SIGINT)
        expected = [[0, 1], [0, 1]]
        if how == "all":
            expected[1 - full] = [0, 0]
        assert worker.hear() == expected
        worker.say()
        assert worker.end() == 0
    for holder in holders:
        holder.release()


def interrupted_again_and_again(how: str, times: int, *names: str) -> None:
    """Signals at any moment of a call that is admitted soon: either it returns or it raises, never both."""
    first, second = (Limiter(name) for name in names)
    chance = random.Random(1)
    interrupted = 0

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    take(how, (first, second)).release()  # what is imported only now does not always survive a signal
    signal.signal(signal.SIGALRM, interrupt)
    while interrupted < times:
        permits = None
        try:
            signal.setitimer(signal.ITIMER_REAL, chance.choice([1e-5, 1e-4, 1e-3]) * chance.uniform(1, 10))
            permits = take(how, (first, second))
        except KeyboardInterrupt:
            interrupted += 1
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            interrupted += 1
        if permits is not None:
            permits.release()
    pids = []
    for now in (first.status(), second.status()):
        pids += [holder.pid for holder in now.holders] + [waiter.pid for waiter in now.waiters]
    say(pids.count(os.getpid()))


def hand_round(*names: str) -> None:
    """Take and give back, one by one, until killed."""
    pair = [Limiter(name) for name in names]
    while True:
        for limiter in pair:
            with limiter:
                time.sleep(0.0003)


@pytest.mark.parametrize("how", ["all", "any"])
def test_interrupted_at_any_moment_it_holds_or_raises(pair: Pair, how: str) -> None:
    names = [limiter.name for limiter in pair]
    with ExitStack() as stack:
        busy = [stack.enter_context(Worker(hand_round, *order)) for order in (names, names[::-1])]
        worker = stack.enter_context(Worker(interrupted_again_and_again, how, 100, *names))
        assert worker.hear() == 0  # places and permits of its own
        assert worker.end() == 0
        for one in busy:
            one.kill()
    for limiter in pair:
        limiter.reap()


def fork_with_permits(*names: str) -> None:
    """The parent has waited, and holds; the child's are inert, and it waits on its own."""
    first, second = (Limiter(name) for name in names)
    say("waits")
    inherited = take("all", (first, second))
    child = os.fork()
    if child:
        hear()
        inherited.release()
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return
    say([inherited.touch(), inherited.lost, inherited.release()])
    with acquire_any([first, second]), acquire_all([(first, 0.5), (second, 0.5)]):
        say("own")
    os._exit(0)


def test_in_a_forked_child_they_are_inert_and_it_waits_on_its_own(pair: Pair) -> None:
    a, b = pair
    with a.permit() as holder, Worker(fork_with_permits, a.name, b.name) as worker:
        assert worker.hear() == "waits"
        wait_for(lambda: a.status().queued)
        holder.release()
        assert worker.hear() == [False, True, False]
        wait_for(lambda: a.status().queued == b.status().queued == 1)
        a.limit = b.limit = 3
        assert worker.hear() == "own"
        worker.say()
        assert worker.hear() == 0
        assert worker.end() == 0


def test_a_program_that_has_waited_ends_without_a_word(pair: Pair) -> None:
    program = (
        "import sys, shmlimit, threading\n"
        "pair = [shmlimit.Limiter(name) for name in sys.argv[1:]]\n"
        "holder = pair[0].acquire()\n"
        "threading.Timer(0.05, holder.release).start()\n"
        "with shmlimit.acquire_all([(limiter, 1) for limiter in pair]): pass\n"
    )
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", program, *(limiter.name for limiter in pair)]
    result = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": IMPORTABLE}, capture_output=True, text=True, timeout=HANG, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def work_until_told(directory: str, seed: int, *names: str) -> None:
    """Hold both, either, or one after the other; whoever holds one locks its file: nobody else may have it locked."""
    # Opened first, so that a dying process lets go of them before it counts as dead.
    files = [os.open(f"{directory}/{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for name in names]
    pair = [Limiter(name) for name in names]
    of = {limiter.name: file for limiter, file in zip(pair, files, strict=True)}
    chance = random.Random(seed)

    def alone_with(permits: Permits, held: list[str]) -> None:
        for name in held:
            fcntl.flock(of[name], fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.sched_yield()
        for name in held:
            fcntl.flock(of[name], fcntl.LOCK_UN)

    for turn in range(1 << 30):
        kind = chance.choice(["all", "all", "any", "nested"])
        if kind == "all":
            with acquire_all([(limiter, 1) for limiter in chance.sample(pair, 2)]) as permits:
                alone_with(permits, [*names])
        elif kind == "any":
            with acquire_any(chance.sample(pair, 2)) as chosen:
                alone_with(chosen, [chosen.limiter.name])
        else:
            with pair[1], pair[0]:  # against the order of names
                pass
        if not turn % 5:
            say(turn)


def test_eight_processes_of_which_some_are_killed_keep_the_limits_and_go_on(pair: Pair, tmp_path: Path) -> None:
    chance = random.Random(7)
    names = [limiter.name for limiter in pair]

    with ExitStack() as stack:

        def start(seed: int) -> Worker:
            return stack.enter_context(Worker(work_until_told, str(tmp_path), seed, *names))

        workers = [start(seed) for seed in range(CROWD)]
        for seed in range(CROWD, 2 * CROWD):
            victim = chance.randrange(CROWD)
            workers[victim].hear()
            workers[victim].kill()
            workers[victim] = start(seed)
        for worker in workers:
            for _ in range(3):
                worker.hear()
        for worker in workers:
            worker.kill()
    for limiter in pair:
        limiter.reap()
