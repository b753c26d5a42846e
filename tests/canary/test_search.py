"""The search finds a key in each place and form in which another test says that there is none."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter, statefile
from shmlimit.usage import HttpUsage
from tests.canary.traces import Traces, memory_of
from tests.support.canary import PIECE, Canary
from tests.support.processes import Worker, hear, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CANARY = Canary("cnry-7Vq2/x9+Kd4=Zt0w")


def in_the_segment(traces: Traces, name: str, _: Path) -> None:
    limiter = Limiter(name, limit=1)
    with limiter.acquire(timeout=0, label=CANARY.key):
        traces.add_segment(name)


def in_saved_settings(traces: Traces, name: str, _: Path) -> None:
    usage = HttpUsage("http://127.0.0.1:1/", in_flight=f"/{CANARY.key.replace('/', '~1')}")
    Limiter(name, limit=1, usage=usage)
    traces.add_files(statefile.directory())


def in_a_file(traces: Traces, name: str, directory: Path) -> None:
    (directory / "logs").mkdir()
    (directory / "logs" / "log").write_text(f"a line\nand {CANARY.key}\n")
    traces.add_files(directory)


def in_the_name_of_a_file(traces: Traces, name: str, directory: Path) -> None:
    (directory / CANARY.key.replace("/", "%2F")).touch()
    traces.add_files(directory)


def in_a_command_line(traces: Traces, name: str, _: Path) -> None:
    with Worker(wait_until_told, CANARY.key) as worker:
        worker.hear()
        traces.add_command_lines()


def in_an_environment(traces: Traces, name: str, _: Path) -> None:
    with Worker(wait_until_told, "") as worker:
        worker.hear()
        traces.add_environments()
    assert traces.findings(CANARY) == []
    os.environ["SHMLIMIT_TEST_KEY"] = CANARY.key
    try:
        with Worker(wait_until_told, "") as worker:
            worker.hear()
            traces.add_environments(but=[worker.pid])
            assert traces.findings(CANARY) == []
            traces.add_environments()
    finally:
        del os.environ["SHMLIMIT_TEST_KEY"]


def in_memory(traces: Traces, name: str, directory: Path) -> None:
    path = directory / "key"
    path.write_text(CANARY.key)
    with Worker(read_and_wait_until_told, str(path)) as worker:
        worker.hear()
        try:
            traces.add_memory(worker.pid)
        except PermissionError:
            pytest.skip("this process may not read the memory of its own children")


def in_a_traceback(traces: Traces, name: str, _: Path) -> None:
    try:
        raise LookupError(CANARY.key)
    except LookupError:
        traces.add("a traceback", traceback.format_exc())


def in_standard_error(traces: Traces, name: str, _: Path) -> None:
    program = "import os; raise SystemExit(os.environ['K'])"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "K": CANARY.key}, capture_output=True, check=False
    )
    traces.add("standard error", done.stderr)


def wait_until_told(_: str) -> None:
    say("here")
    hear()


def read_and_wait_until_told(path: str) -> None:
    with open(path) as file:  # noqa: PTH123
        key = file.read()
    say(len(key))
    hear()
    say(len(key))


PLACES = [
    in_the_segment, in_saved_settings, in_a_file, in_the_name_of_a_file, in_a_command_line, in_an_environment,
    in_memory, in_a_traceback, in_standard_error,
]  # fmt: skip


@pytest.mark.parametrize("plant", PLACES)
def test_a_planted_key_is_found(plant: Callable[[Traces, str, Path], None], name: str, tmp_path: Path) -> None:
    traces = Traces()
    plant(traces, name, tmp_path)
    assert traces.findings(CANARY)


@pytest.mark.parametrize("called", CANARY.forms())
def test_each_form_is_found_whole_and_in_pieces(called: str) -> None:
    form = CANARY.forms()[called]
    for piece in (form, form[:PIECE], form[-PIECE:], form[3 : 3 + PIECE]):
        traces = Traces()
        traces.add("here", f"<{piece}>".encode())
        assert any(called in finding for finding in traces.findings(CANARY))


def test_a_text_without_the_key_and_one_with_a_masked_key_are_clean() -> None:
    traces = Traces()
    traces.add("here", f"the key {CANARY.key[:4]}***{CANARY.key[-4:]} of {CANARY.user} is revoked")
    assert traces.findings(CANARY) == []


def test_a_process_may_read_its_own_memory() -> None:
    assert CANARY.key.encode() in memory_of(os.getpid())
