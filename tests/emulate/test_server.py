from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from shmlimit.emulate import EmulatorError, EmulatorProcess, EmulatorSettings, summary

from .conftest import GUARD, read_events, work_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import StartUpstream, Upstream

ENDLESS = 3600.0


@contextmanager
def emulator_by_hand(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command itself; it is gone at the end of the block whatever the test found."""
    with subprocess.Popen(
        [sys.executable, "-m", "shmlimit.emulate", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ready_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def levels(events: list[dict[str, Any]], *, own: bool) -> list[int]:
    """How many sessions of one side work after each of its starts and ends."""
    level, seen = 0, []
    for event in events:
        if event["own"] is own and event["event"] in ("start", "end"):
            level += 1 if event["event"] == "start" else -1
            seen.append(level)
    return seen


def follow_foreign(up: Upstream, starts: int) -> list[dict[str, Any]]:
    """Wait until *starts* foreign sessions have started, with nobody else at work, and end the run."""
    up.until(lambda truth: truth["started"] >= starts)
    up.emulator.stop()
    return up.events()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_an_emulator_with_work_in_flight_with_one_line_and_exit_code_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    truth = tmp_path / "truth"
    with emulator_by_hand("--ready-json", "--truth", str(truth), "--limit", "2") as process:
        ready = ready_line(process)
        assert ready["pid"] == process.pid
        with (
            httpx.Client(base_url=ready["url"], timeout=GUARD, trust_env=False) as client,
            client.stream("POST", "/v1/chat/completions", json=work_body(ENDLESS, stream=True)) as answer,
        ):
            # Kept in a variable: a dropped iterator closes the connection.
            lines = answer.iter_lines()
            assert next(lines).startswith("data: ")
            process.send_signal(number)
            _, errors = process.communicate(timeout=GUARD)
    assert process.returncode == 0
    first, last = errors.splitlines()
    assert first.startswith(f"emulating an upstream with limit 2 at {ready['url']} ")
    assert last.startswith("emulator ended: 0 sessions, 0 refused")
    events = read_events(truth)
    assert [event["event"] for event in events] == ["begin", "start", "end", "finish"]
    assert events[2]["outcome"] == "stopped"


def test_without_ready_json_stdout_stays_empty() -> None:
    with emulator_by_hand() as process:
        assert process.stderr is not None
        assert "emulating an upstream with limit 4 at http://127.0.0.1:" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=GUARD)
    assert (output, process.returncode) == ("", 0)


def test_a_port_in_use_is_one_line_and_exit_code_1_and_empties_no_log(tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    truth.write_text("precious\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with emulator_by_hand("--port", str(port), "--truth", str(truth)) as process:
            output, errors = process.communicate(timeout=GUARD)
    assert (process.returncode, output) == (1, "")
    assert errors.count("\n") == 1
    assert str(port) in errors
    assert "in use" in errors
    assert truth.read_text() == "precious\n"


def test_the_port_asked_for_is_the_port_served() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with EmulatorProcess(EmulatorSettings(port=port)) as emulator:
        assert emulator.url == f"http://127.0.0.1:{port}"
        assert httpx.get(emulator.url + "/healthz", trust_env=False).status_code == 200


def test_an_emulator_process_that_cannot_start_says_why(tmp_path: Path) -> None:
    settings = EmulatorSettings(truth=tmp_path / "missing" / "truth")
    with pytest.raises(EmulatorError, match=r"exit code 2.*cannot write the truth log"):
        EmulatorProcess(settings)


def test_leaving_the_block_ends_the_process_even_a_stopped_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shmlimit.emulate.process.STOP_WITHIN", 0.2)
    with EmulatorProcess(EmulatorSettings(truth=tmp_path / "truth")) as emulator:
        os.kill(emulator.pid, signal.SIGSTOP)
    with pytest.raises(ProcessLookupError):
        os.kill(emulator.pid, 0)
    emulator.stop()
    assert read_events(tmp_path / "truth", "finish") == []


def test_an_orderly_stop_finishes_the_log(upstream: StartUpstream) -> None:
    up = upstream()
    up.emulator.stop()
    assert [event["event"] for event in up.events()] == ["begin", "finish"]


def test_the_emulator_ends_when_the_process_that_started_it_dies(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal, sys\n"
        "from shmlimit.emulate import EmulatorProcess, EmulatorSettings\n"
        "emulator = EmulatorProcess(EmulatorSettings(truth=pathlib.Path(sys.argv[1])))\n"
        "print(emulator.url, emulator.pid, flush=True)\n"
        "sys.stdin.readline()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    truth = tmp_path / "truth"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(truth)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        url, pid = parent.stdout.readline().split()
        host, port = url.removeprefix("http://").split(":")
        try:
            with socket.create_connection((host, int(port)), timeout=GUARD) as connection:
                parent.communicate("die\n", timeout=GUARD)
                assert parent.returncode == -signal.SIGKILL
                assert connection.recv(1) == b""
        except BaseException:
            parent.kill()
            os.kill(int(pid), signal.SIGKILL)
            raise
    assert len(read_events(truth, "finish")) == 1


def test_a_killed_emulator_leaves_whole_lines(upstream: StartUpstream) -> None:
    up = upstream(limit=64, end_lag=0.01, hard_cap=100)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(call_until_gone, up) for _ in range(8)]
        up.until(lambda truth: truth["completed"] >= 50)
        os.kill(up.emulator.pid, signal.SIGKILL)
        for call in calls:
            call.result()
    assert up.emulator.truth_path is not None
    text = up.emulator.truth_path.read_text()
    assert text.endswith("}\n")
    assert len(up.events("end")) >= 50
    assert summary(text.splitlines()).sessions >= 50


def call_until_gone(up: Upstream) -> None:
    try:
        while True:
            up.work(0.001)
    except httpx.TransportError:
        pass


def test_the_log_replays_to_its_own_numbers_and_to_the_summary(upstream: StartUpstream) -> None:
    up = upstream(limit=3, hard_cap=4, end_lag=0.05, foreign="bursts:2:0.2")
    outcomes: list[int] = []

    def worker(number: int) -> None:
        chance = Random(number)
        for _ in range(12):
            answer = up.work(chance.uniform(0.01, 0.1), stream=chance.random() < 0.5, user=f"w{number}")
            outcomes.append(answer.status_code)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(worker, range(6)))
    up.until(lambda truth: truth["own_working"] == 0)
    up.emulator.stop()
    events = up.events()
    working = own_working = counted = 0
    previous = 0.0
    for event in events:
        kind = event["event"]
        change = (kind == "start") - (kind == "end")
        working += change
        own_working += change * (event["own"] is True)
        counted += (kind == "start") - (kind == "leave")
        assert (event["working"], event["counted"]) == (working, counted)
        assert counted <= 4
        assert event["t"] >= previous
        previous = event["t"]
        if kind == "refused":
            assert counted == 4
    assert events[-1]["event"] == "finish"
    assert own_working == 0
    assert up.emulator.truth_path is not None
    result = summary(up.emulator.truth_path.read_text().splitlines())
    assert (result.sessions, result.refused) == (outcomes.count(200), outcomes.count(429))
    assert result.sessions > 0
    assert result.refused > 0
    assert result.peak_in_flight == max(levels(events, own=True))
    assert result.foreign_sessions == sum(e["event"] == "start" and not e["own"] for e in events)
    lasted = sum(e["lasted"] for e in events if e["event"] == "end" and e["own"])
    assert result.utilisation == pytest.approx(lasted / (3 * result.duration))


def test_log_times_are_the_monotonic_clock_of_the_host(upstream: StartUpstream) -> None:
    up = upstream()
    before = time.monotonic()
    up.work(0)
    after = time.monotonic()
    (start,) = up.events("start")
    assert before <= start["t"] <= after


def test_a_steady_load_holds_its_sessions_and_leaves_the_rest(upstream: StartUpstream) -> None:
    up = upstream(limit=3, foreign="steady:2", report_lag=0)
    up.until(lambda truth: truth["foreign_working"] == 2)
    assert up.reported() == 2
    assert up.work(0.01).status_code == 200
    with up.client.stream("POST", "/v1/chat/completions", json=work_body(ENDLESS, stream=True)):
        assert up.work(0).status_code == 429
    up.emulator.stop()
    assert levels(up.events(), own=False) == [1, 2, 1, 0]
    assert {event["outcome"] for event in up.events("end") if not event["own"]} == {"stopped"}


def test_a_square_load_comes_and_goes(upstream: StartUpstream) -> None:
    events = follow_foreign(upstream(limit=4, foreign="square:2:0.5", end_lag=0), starts=6)
    seen = levels(events, own=False)
    assert max(seen) == 2
    assert seen.count(0) >= 3
    first = next(event for event in events if event["event"] == "start")
    assert first["t"] - events[0]["t"] >= 0.25
    assert (first["own"], first["worker"]) in [(False, "foreign-1"), (False, "foreign-2")]


def test_bursts_come_and_go(upstream: StartUpstream) -> None:
    events = follow_foreign(upstream(limit=4, foreign="bursts:3:0.4", end_lag=0), starts=9)
    seen = levels(events, own=False)
    assert max(seen) == 3
    assert seen.count(0) >= 3


def test_a_foreign_session_is_refused_at_the_cap_and_does_not_start(upstream: StartUpstream) -> None:
    up = upstream(limit=1, foreign="bursts:1:0.3", end_lag=0)
    deadline = time.monotonic() + GUARD
    is_ours = False
    while not is_ours:
        # A burst may hold the only slot just now.
        with up.client.stream("POST", "/v1/chat/completions", json=work_body(ENDLESS, stream=True)) as answer:
            is_ours = answer.status_code == 200
            while is_ours and not (refused := [e for e in up.events("refused") if not e["own"]]):
                assert time.monotonic() < deadline
    assert refused[0]["worker"] == "foreign-1"
    assert refused[0]["working"] == refused[0]["counted"] == 1
    own_start = next(event for event in up.events("start") if event["own"])
    assert refused[0]["t"] > own_start["t"]


def test_an_idle_emulator_uses_next_to_no_processor_time(upstream: StartUpstream) -> None:
    up = upstream(limit=16)
    streams = ThreadPoolExecutor(16)
    with streams:
        calls = [streams.submit(up.work, 2.0, stream=True) for _ in range(16)]
        up.until(lambda truth: truth["working"] == 16)
        before = processor_seconds(up.emulator.pid)
        for call in calls:
            call.result()
        used = processor_seconds(up.emulator.pid) - before
    # A loop that spins would use the whole two seconds.
    assert used < 1.0


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
