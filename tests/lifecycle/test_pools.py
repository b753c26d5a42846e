"""One limiter for the workers of a pool, however they are started."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import tempfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from shmlimit import Limiter, LimiterNotFound
from tests.support.processes import Worker, say, wait_for

JOBS = 24
LIMIT = 2
METHODS = ["fork", "spawn", "forkserver"]


def _count_inside(limiter: Limiter, directory: str) -> int:
    """How many are inside with us, counted by the files each puts there."""
    with limiter:
        own = tempfile.mkstemp(dir=directory)[1]
        inside = len(list(Path(directory).iterdir()))
        Path(own).unlink()
    return inside


def _mark_of_death(directory: str) -> Path:
    return Path(directory).with_name("died")


def _die_inside(limiter: Limiter, directory: str) -> None:
    with limiter:
        _mark_of_death(directory).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def _report(limiter: Limiter, counted: list[int]) -> None:
    now = limiter.status()
    say({"jobs": len(counted), "peak": max(counted), "granted": now.counters.granted, "in_flight": now.in_flight})


def _use_pool(name: str, method: str, directory: str) -> None:
    limiter = Limiter(name)
    with multiprocessing.get_context(method).Pool(4) as pool:
        _report(limiter, pool.starmap(_count_inside, [(limiter, directory)] * JOBS))
        pool.apply_async(_die_inside, (limiter, directory))
        counted = pool.starmap(_count_inside, [(limiter, directory)] * JOBS)
        wait_for(_mark_of_death(directory).exists)  # leaving the pool ends a worker that has not come to it yet
        say(counted)


def _use_executor(name: str, method: str, directory: str) -> None:
    limiter = Limiter(name)
    context: Any = multiprocessing.get_context(method)
    with ProcessPoolExecutor(4, mp_context=context) as executor:
        _report(limiter, list(executor.map(_count_inside, [limiter] * JOBS, [directory] * JOBS)))
        try:
            executor.submit(_die_inside, limiter, directory).result()
        except BrokenProcessPool:
            with limiter.permit(weight=LIMIT):  # what the dead one held is back
                say([1])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", [_use_pool, _use_executor])
def test_a_process_pool_keeps_the_limit_and_survives_a_killed_worker(
    name: str, method: str, target: Any, tmp_path: Path
) -> None:
    limiter = Limiter(name, limit=LIMIT, cooldown=0)
    inside = tmp_path / "inside"
    inside.mkdir()
    with Worker(target, name, method, str(inside)) as worker:
        first = worker.hear()
        assert 1 <= first.pop("peak") <= LIMIT
        assert first == {"jobs": JOBS, "granted": JOBS, "in_flight": 0.0}
        assert max(worker.hear()) <= LIMIT
        assert worker.end() == 0
    limiter.reap()
    assert limiter.status().in_flight == 0
    assert limiter.status().counters.reaped == 1


def test_a_thread_pool_keeps_the_limit(name: str, tmp_path: Path) -> None:
    limiter = Limiter(name, limit=LIMIT, cooldown=0)
    inside = tmp_path / "inside"
    inside.mkdir()
    with ThreadPoolExecutor(8) as executor:
        counted = list(executor.map(_count_inside, [limiter] * 200, [str(inside)] * 200))
    assert max(counted) <= LIMIT
    now = limiter.status()
    assert (now.counters.granted, now.in_flight, now.counters.self_heals) == (200, 0.0, 0)


def test_a_limiter_pickles_by_name(name: str) -> None:
    limiter = Limiter(name, limit=1, cooldown=0)
    again = pickle.loads(pickle.dumps(limiter))
    assert again.name == name
    with limiter:
        assert again.try_acquire() is None
    assert again.acquire(timeout=0).release()


def test_a_pickled_limiter_needs_its_segment_unless_missing_is_ok(name: str) -> None:
    unlimited = pickle.loads(pickle.dumps(Limiter(name, missing_ok=True)))
    assert unlimited.limit is None
    pickled = pickle.dumps(Limiter(name, limit=1))
    assert unlimited.limit == 1
    unlimited.close()
    import shmlimit

    shmlimit.destroy(name)
    with pytest.raises(LimiterNotFound, match=name):
        pickle.loads(pickled)
