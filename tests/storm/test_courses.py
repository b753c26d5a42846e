"""Storms: many processes that are killed, stopped, cancelled, forked and replaced while the settings change under them.

What is done is made of a seed, which is printed and repeated with SHMLIMIT_STORM_SEED; what comes of it is up to the
kernel. So a failed storm keeps its journals, and `python -m tests.storm.checker COURSE DIRECTORY` judges them again.
All courses together take 18 s, with `--minutes N` that long, with `--long` four hours and 64 callers each; `-rP` prints
what was done.
"""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter, segment
from shmlimit.cli import health
from tests.storm import upstream
from tests.storm.checker import Checker
from tests.storm.course import STORMS, Course
from tests.storm.director import HANG, Director
from tests.storm.history import NEVER, read
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

# Seconds of all courses together, and of one round: what it leaves in journals is judged, and then removed.
_SHORT = 18.0
_LONG = 4 * 3600.0
_ROUND = 20.0
_CROWD = 64


@pytest.fixture
def rounds(is_long: bool, seconds: float | None) -> list[float]:
    """How long each round of a course takes."""
    total = seconds or (_LONG if is_long else _SHORT)
    each = total / len(STORMS)
    n = max(1, round(each / _ROUND))
    return [each / n] * n


@pytest.mark.parametrize("course", STORMS, ids=lambda course: course.name)
def test_no_promise_is_broken_in_a_storm(
    course: Course, name: str, tmp_path: Path, rounds: list[float], is_long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(upstream.LIMITER, name)
    seed = int(os.environ.get("SHMLIMIT_STORM_SEED") or random.SystemRandom().getrandbits(32))
    if is_long:
        course = dataclasses.replace(course, callers=_CROWD)
    total: Counter[str] = Counter()
    for number, seconds in enumerate(rounds):
        directory = tmp_path / f"{seed}"
        directory.mkdir()
        print(f"{course.name}: round {number + 1} of {len(rounds)}, {seconds:.1f} s, SHMLIMIT_STORM_SEED={seed}")
        with Director(directory, name, course, seed) as director:
            director.run(seconds)
        history = read(directory, course)
        violations = Checker(history, course).violations()
        assert not violations, "\n".join([f"{len(violations)} violations, see {directory}:", *violations[:10]])
        everything_is_free(name, course)
        shutil.rmtree(directory)
        seed = random.Random(seed).getrandbits(32)
        total += history.deeds
        total["calls"] += len(history.calls)
        total["permits"] += sum(call.got < NEVER for call in history.calls)
    total["self-heals"] = Limiter(name).status().counters.self_heals
    # Who is killed or stopped between a release and the grant that it owes leaves that to a waiter's tick; few are.
    assert total["self-heals"] <= 2 + (total["kill"] + total["stop"]) / 10
    print(f"{course.name}: {sum(rounds):.0f} s, {', '.join(f'{what} {n}' for what, n in total.items())}")


def everything_is_free(name: str, course: Course) -> None:
    """Nobody is attached, holds or waits; the limit can be had in full, and no more."""
    limiter, attachment = Limiter(name), segment.attach(name)
    wait_for(attachment.audit)
    limiter.reap()
    limiter.reset()  # a caller's last report of a 429 may have come after the director's
    now = limiter.status()
    assert (now.held, now.queued, now.poller, attachment.living()) == (0, 0, None, [])
    permits = [limiter.acquire(timeout=HANG) for _ in range(course.limit)]
    for _ in range(course.slots):  # a slot for each attempt, if one left something behind
        assert limiter.try_acquire() is None
    for permit in permits:
        assert permit.release()
    assert not [finding for finding in health.examine(name) if finding.level == "FAILED"]
    if (poller := limiter.status().poller) is not None:
        os.kill(poller, signal.SIGKILL)
        wait_for(lambda: not attachment.poller_is_alive())
