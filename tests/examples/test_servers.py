"""Servers with several worker processes behind one limit, one of them killed while it serves."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from shmlimit import Limiter
from shmlimit.emulate.process import EmulatorProcess
from shmlimit.emulate.settings import EmulatorSettings
from shmlimit.emulate.truth import summary
from tests.examples.program import Program, all_are_back, kill_holder
from tests.support.processes import HANG, wait_for

if TYPE_CHECKING:
    from pathlib import Path

APP = "fastapi_app.py"


def test_gunicorn_keeps_one_limit_while_a_worker_is_killed(name: str, tmp_path: Path) -> None:
    for module in ("fastapi", "gunicorn", "uvicorn_worker"):
        pytest.importorskip(module)
    limiter = Limiter(name, limit=4)
    truth, socket = tmp_path / "truth.jsonl", tmp_path / "app.sock"
    here = {"LIMITER": name, "XDG_RUNTIME_DIR": str(tmp_path)}  # gunicorn's control socket goes there
    command = ("gunicorn", "-w", "4", "-k", "uvicorn_worker.UvicornWorker", "-b", f"unix:{socket}")
    with (
        ThreadPoolExecutor(32) as visitors,
        httpx.Client(
            base_url="http://app",
            transport=httpx.HTTPTransport(uds=str(socket)),
            timeout=HANG,
            headers={"connection": "close"},
        ) as http,
        # What is counted is what is at work: the limit is shown by the peak, not by refusals.
        EmulatorProcess(EmulatorSettings(limit=100, truth=truth)) as emulator,
        Program(*command, f"{APP.removesuffix('.py')}:app", UPSTREAM=f"{emulator.url}/v1", **here) as server,
    ):

        def ask(duration: float) -> bool:
            try:
                return "choices" in http.post("/ask", json={"duration": duration}).json()
            except httpx.TransportError:
                return False  # it was with the worker that was killed

        server.hear("Application startup complete", times=4)
        doomed = visitors.submit(ask, 3600)
        (victim,) = wait_for(lambda: [one.pid for one in limiter.status().holders])
        asked = [visitors.submit(ask, 0.1) for _ in range(24)]
        wait_for(lambda: limiter.status().counters.granted >= 4)
        os.kill(victim, signal.SIGKILL)
        assert not doomed.result(HANG)
        for one in asked:
            one.result(HANG)
        assert all(visitors.map(ask, [0] * 12))
        assert http.get("/limiter").json()["held"] == 0
        assert limiter.status().counters.reaped >= 1
        assert all_are_back(limiter, 4)
        server.stop()
    assert summary(truth.read_text().splitlines()).peak_in_flight <= 4


def test_celery_s_prefork_workers_keep_one_limit_while_one_is_killed(name: str, tmp_path: Path) -> None:
    pytest.importorskip("celery")
    limiter = Limiter(name, limit=2, cooldown=0)
    here = {"LIMITER": name, "FOLDER": str(tmp_path / "celery"), "C_FORCE_ROOT": "1"}
    with (
        Program("celery", "-A", "celery_tasks", "worker", "--concurrency", "4", **here) as worker,
        Program.of("celery_tasks.py", "3600", *["0.05"] * 7, **here) as program,
    ):
        kill_holder(limiter, "3600 s")
        printed = program.end()
        assert all_are_back(limiter, 2)
        worker.stop()
    assert "a worker was killed\n7 of 8 calls answered, at most " in printed
    assert int(printed.split()[-3]) <= 2
