"""Many workers, one lagging counter: the whole system over HTTP, judged by the upstream's own log."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from shmlimit import Limiter
from shmlimit.emulate.process import EmulatorProcess
from shmlimit.emulate.settings import EmulatorSettings
from shmlimit.emulate.truth import TruthSummary, summary
from shmlimit.usage import preset
from tests.support.processes import Worker, hear, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WORKERS = 6
SECONDS = 8.0


def call_for(name: str, url: str, seconds: float, duration: float) -> None:
    """In a worker: one session after the other, from when all are there."""
    limiter = Limiter(name)
    with httpx.Client(timeout=60) as client:
        say("ready")
        hear()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with limiter:
                client.post(f"{url}/v1/chat/completions", json={"user": str(os.getpid()), "duration": duration})
    say("done")


def run_herd(name: str, tmp_path: Path, duration: float, **upstream: Any) -> TruthSummary:
    chosen: dict[str, Any] = {
        "limit": 4,
        "truth": tmp_path / "truth.jsonl",
        "seed": 1,
        **upstream,
    }
    with EmulatorProcess(EmulatorSettings(**chosen)) as emulator, ExitStack() as stack:
        limiter = Limiter(name, limit=4, usage=preset("umans", url=f"{emulator.url}/v1/usage"))
        workers = [stack.enter_context(Worker(call_for, name, emulator.url, SECONDS, duration)) for _ in range(WORKERS)]
        for worker in workers:
            assert worker.hear() == "ready"
        for worker in workers:
            worker.say()
        for worker in workers:
            assert worker.hear() == "done"
        assert limiter.status().counters.granted > WORKERS
        assert limiter.status().counters.queued_grants > 0
        assert limiter.status().counters.self_heals == 0
    return summary((tmp_path / "truth.jsonl").read_text().splitlines())


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMANS_API_KEY", "of-the-emulator")


@pytest.mark.parametrize(("lag", "duration"), [(1.0, 1.5), (2.0, 2.5)])
def test_a_herd_that_sees_old_numbers_causes_no_refusal(name: str, tmp_path: Path, lag: float, duration: float) -> None:
    seen = run_herd(name, tmp_path, duration, report_lag=lag)
    assert seen.refused == 0
    assert seen.peak_in_flight == 4, "and the limit was used"
    assert seen.peak_counted == 4
    assert seen.sessions > WORKERS


def test_foreign_sessions_that_come_and_go_leave_their_share(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    seen = run_herd(name, tmp_path, 1.5, foreign="square:2:6")
    record_property("refused", seen.refused)
    # A place that the others take between a sample and our start is nobody's fault; more than that would be the gate's.
    assert seen.refused <= 2 * seen.foreign_sessions
    assert seen.foreign_sessions > 0
    assert 2 <= seen.peak_in_flight <= 4
    assert seen.sessions > WORKERS
