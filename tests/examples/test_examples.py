"""Every example runs, against the emulated upstream, and causes no refusal."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from shmlimit import Limiter, destroy
from shmlimit.emulate.process import EmulatorProcess
from shmlimit.emulate.settings import EmulatorSettings
from shmlimit.emulate.truth import summary
from tests.support.processes import HANG, ROOT, Worker, say

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = ROOT / "examples"
CALLS = {"openai_pool.py": 16, "openai_async.py": 16}


def test_every_example_is_tried_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(CALLS)


@pytest.mark.parametrize("example", CALLS)
def test_an_example_runs_and_causes_no_refusal(
    example: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openai")
    truth = tmp_path / "truth.jsonl"
    monkeypatch.setenv("UMANS_API_KEY", "any")
    settings = EmulatorSettings(limit=4, report_lag=1.0, session_median=0.3, truth=truth, seed=1)
    with EmulatorProcess(settings) as emulator:
        environment = {
            **os.environ,
            "LIMITER": name,
            "OPENAI_BASE_URL": f"{emulator.url}/v1",
            "OPENAI_API_KEY": "any",
        }
        result = subprocess.run(
            [sys.executable, str(EXAMPLES / example), str(CALLS[example])],
            env=environment,
            capture_output=True,
            text=True,
            timeout=HANG * 2,
            check=False,
        )
    print(result.stderr)
    assert result.returncode == 0
    assert f"{CALLS[example]} answers" in result.stdout
    seen = summary(truth.read_text().splitlines())
    assert seen.refused == 0
    assert seen.sessions == CALLS[example]


def stream_and_say(name: str, url: str) -> None:
    import httpx
    import openai

    from shmlimit.httpx import LimitedTransport

    http: Any = httpx.Client(transport=LimitedTransport(Limiter(name)), timeout=HANG)
    client = openai.OpenAI(http_client=http, base_url=f"{url}/v1", api_key="any")
    message = {"role": "user", "content": "x"}
    stream = client.chat.completions.create(
        model="any",
        stream=True,
        messages=[message],  # type: ignore[list-item]
        extra_body={"duration": 3600},
    )
    next(iter(stream))
    say("first piece")
    for _ in stream:
        pass


def test_a_client_that_dies_in_mid_stream_gives_its_permit_back(name: str) -> None:
    pytest.importorskip("openai")
    limiter = Limiter(name, limit=1, cooldown=0)
    with EmulatorProcess(EmulatorSettings(limit=4)) as emulator, Worker(stream_and_say, name, emulator.url) as worker:
        assert worker.hear() == "first piece"
        assert limiter.status().held == 1
        worker.kill()
        limiter.acquire(timeout=HANG).release()
    limiter.close()
    destroy(name)
