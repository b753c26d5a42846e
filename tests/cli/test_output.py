"""Where the output goes, and what happens when it cannot go there."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shmlimit import Limiter
from tests.support.processes import HANG, wait_for

from .invocation import shmlimit, started

PRINTING = [["status"], ["status", "NAME"], ["status", "NAME", "--json"], ["presets"], ["doctor", "NAME"], ["--help"]]


@pytest.fixture
def limiter(name: str) -> Limiter:
    return Limiter(name, limit=1)


def of(limiter: Limiter, arguments: list[str]) -> list[str]:
    return [limiter.name if one == "NAME" else one for one in arguments]


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_full_device_is_one_line_and_1(limiter: Limiter, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = shmlimit(*of(limiter, arguments), stdout=full)
    assert ended.returncode == 1
    assert ended.stderr == "shmlimit: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_broken_pipe_ends_quietly(limiter: Limiter, arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    ended = shmlimit(*of(limiter, arguments), stdout=write)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_closed_standard_streams_are_no_error(limiter: Limiter, arguments: list[str]) -> None:
    line = [sys.executable, "-m", "shmlimit.cli", *of(limiter, arguments)]
    ended = subprocess.run(["sh", "-c", 'exec "$@" <&- >&-', "-", *line], stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_an_error_that_nobody_can_read_still_has_its_exit_code(name: str) -> None:
    with Path("/dev/full").open("w") as full:
        assert shmlimit("status", name, stderr=full).returncode == 3
    line = [sys.executable, "-m", "shmlimit.cli", "status", name]
    assert subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "-", *line], check=False).returncode == 3


def test_a_locale_without_the_characters_shows_them_escaped_and_json_stays_json(limiter: Limiter) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "latin-1", "LC_ALL": "C"}
    with limiter.permit(label="a → b"):
        ended = shmlimit("status", limiter.name, env=env)
        assert r"a \u2192 b" in ended.stdout
        line = [sys.executable, "-m", "shmlimit.cli", "status", limiter.name, "--json"]
        out = subprocess.run(line, env=env, stdout=subprocess.PIPE, check=True).stdout
        assert json.loads(out.decode())["holders"][0]["label"] == "a → b"


@pytest.mark.parametrize("columns", ["0", "1", "x", ""])
def test_odd_widths_are_no_error(limiter: Limiter, columns: str) -> None:
    master, slave = pty.openpty()
    try:
        ended = shmlimit("status", limiter.name, stdout=slave, env={**os.environ, "COLUMNS": columns})
        assert (ended.returncode, ended.stderr) == (0, "")
        assert limiter.name in os.read(master, 65536).decode()
    finally:
        os.close(slave)
        os.close(master)


def test_run_imports_neither_httpx_nor_rich(limiter: Limiter) -> None:
    script = (
        "import sys; from shmlimit.cli import main; "
        f"assert main(['run', {limiter.name!r}, '--', 'true']) == 0; "
        "print(sorted({'httpx', 'rich', 'shmlimit.usage', 'shmlimit.poller', 'asyncio'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True).stdout == b"[]\n"


class Terminal:
    """A terminal and what has been shown there so far."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        self.shown = b""

    def shows(self, what: bytes) -> bool:
        """Read what there is."""
        while select.select([self.master], [], [], 0)[0]:
            self.shown += os.read(self.master, 65536)
        return what in self.shown


@pytest.mark.parametrize(("signo", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_watch_redraws_until_it_is_told_to_end_and_leaves_the_terminal_as_it_was(
    limiter: Limiter, monkeypatch: pytest.MonkeyPatch, signo: signal.Signals, code: int
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with started("status", limiter.name, "--watch", stdout=terminal.slave, stderr=subprocess.PIPE) as watch:
        wait_for(lambda: terminal.shows(b"(0 held"))
        with limiter:
            wait_for(lambda: terminal.shows(b"(1 held"))
            os.kill(watch.pid, signo)
            _, err = watch.process.communicate(timeout=HANG)
            assert (watch.end(), err.strip()) == (code, b"")
    terminal.shows(b"")
    os.close(terminal.slave)
    os.close(terminal.master)
    # The screen of before, and the cursor.
    assert terminal.shown.rindex(b"\x1b[?1049l") > terminal.shown.rindex(b"\x1b[?1049h")
    assert terminal.shown.rindex(b"\x1b[?25h") > terminal.shown.rindex(b"\x1b[?25l")


def test_watch_leaves_when_the_limiter_is_destroyed(limiter: Limiter) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started("status", limiter.name, "--watch", **pipes) as watch:
        assert watch.process.stdout is not None
        assert watch.process.stdout.readline().decode().strip() == limiter.name
        assert shmlimit("destroy", limiter.name, "--force").returncode == 0
        _, err = watch.process.communicate(timeout=HANG)
        assert watch.end() == 3
        assert limiter.name in err.decode()
