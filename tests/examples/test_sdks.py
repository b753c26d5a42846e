"""The official clients behind one limit, in many processes, against the emulated upstream."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from shmlimit import Limiter
from shmlimit.emulate.process import EmulatorProcess
from shmlimit.emulate.settings import EmulatorSettings
from shmlimit.emulate.truth import summary
from tests.examples import calls
from tests.support.processes import HANG, ROOT, Worker, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = {
    "openai_pool.py": "openai",
    "openai_async.py": "openai",
    "anthropic_pool.py": "anthropic",
    "anthropic_async.py": "anthropic",
    "litellm_async.py": "litellm",
    "inspect_eval.py": "inspect_ai",
}
CALLS = 16
QUIET = ("openai", "anthropic")
# LiteLLM warns of its own models when it is imported, and of unclosed sessions that are not ours.
NOISY = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """An upstream that refuses nobody."""
    with EmulatorProcess(EmulatorSettings(limit=1000)) as emulator:
        yield emulator.url


def need(library: str) -> None:
    """Skip, with the reason, where a client is not installed."""
    extra = "test-large" if library in ("litellm", "inspect_ai") else "test"
    pytest.importorskip(library, reason=f"{library} is not installed: pip install '.[{extra}]'")


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs_and_causes_no_refusal(
    example: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(EXAMPLES[example])
    truth = tmp_path / "truth.jsonl"
    monkeypatch.setenv("UMANS_API_KEY", "any")
    # An end that counts on would be for the gate, whose poller may come late on a busy machine: tests/poller has that.
    settings = EmulatorSettings(limit=4, end_lag=0, report_lag=1.0, session_median=0.3, truth=truth, seed=1)
    with EmulatorProcess(settings) as emulator:
        environment = {
            **os.environ,
            "LIMITER": name,
            "BASE_URL": emulator.url,
            "OPENAI_BASE_URL": f"{emulator.url}/v1",
            "OPENAI_API_KEY": "any",
            "ANTHROPIC_BASE_URL": emulator.url,
            "ANTHROPIC_API_KEY": "any",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "INSPECT_LOG_DIR": str(tmp_path / "logs"),
        }
        result = subprocess.run(
            [sys.executable, str(ROOT / "examples" / example), str(CALLS)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=HANG * 2,
            check=False,
        )
    print(result.stderr)
    assert result.returncode == 0
    assert f"{CALLS} answers" in result.stdout
    seen = summary(truth.read_text().splitlines())
    assert seen.refused == 0
    assert seen.sessions == CALLS
    assert Limiter(name).status().counters.granted == CALLS


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "library", [*QUIET, *(pytest.param(one, marks=NOISY) for one in ("litellm", "litellm-anthropic"))]
)
def test_each_call_holds_one_permit_until_its_answer_is_read(
    library: str, is_stream: bool, is_async: bool, name: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(library.partition("-")[0])
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    limiter = Limiter(name, limit=2, cooldown=0)
    held_at_pieces: list[int] = []
    text = calls.ask(
        library,
        limiter,
        url,
        is_stream=is_stream,
        is_async=is_async,
        duration=0.2,
        on_piece=lambda: held_at_pieces.append(limiter.status().held),
    )
    assert text.startswith("word " if is_stream else "Done.")
    assert (set(held_at_pieces) == {1}) is is_stream
    assert (limiter.status().held, limiter.status().counters.granted) == (0, 1)


@pytest.mark.parametrize("library", QUIET)
def test_the_client_s_own_retry_takes_a_permit_of_its_own(library: str, name: str, tmp_path: Path) -> None:
    need(library)
    truth = tmp_path / "truth.jsonl"
    limiter = Limiter(name, limit=2, cooldown=0)
    with (
        EmulatorProcess(EmulatorSettings(limit=1, end_lag=0, retry_after="2", truth=truth)) as emulator,
        httpx.Client(base_url=emulator.url, timeout=HANG) as somebody,
    ):
        with somebody.stream("POST", "/v1/messages", json={"stream": True, "duration": calls.ENDLESS}):
            worker = Worker(calls.ask_and_say, library, name, emulator.url)
            wait_for(lambda: somebody.get("/truth").json()["refused"] == 1)
        with worker:
            assert worker.hear() == "Done."
    seen = summary(truth.read_text().splitlines())
    now = limiter.status()
    assert (seen.sessions, now.counters.granted) == (1, 1 + seen.refused)
    assert (now.held, now.limit, now.configured_limit) == (0, 1, 2)


@pytest.mark.parametrize("library", QUIET)
def test_no_permit_in_time_is_a_time_out_of_the_client_which_it_retries(library: str, name: str, url: str) -> None:
    sdk = pytest.importorskip(library)
    limiter = Limiter(name, limit=0)
    way = calls.WAYS[library](limiter, url, 0, timeout=0)
    with way.client() as client, pytest.raises(sdk.APITimeoutError):
        way.call(client.with_options(max_retries=1), False)
    assert limiter.status().counters.timeouts == 2


@pytest.mark.parametrize("library", [*QUIET, "litellm"])
def test_a_client_that_dies_in_mid_stream_gives_its_permit_back(
    library: str, name: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(library)
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    limiter = Limiter(name, limit=1, cooldown=0)
    with Worker(calls.stream_and_say, library, name, url) as worker:
        assert worker.hear() == "first piece"
        assert limiter.status().held == 1
        worker.kill()
        limiter.acquire(timeout=HANG).release()
    assert limiter.status().counters.reaped == 1
