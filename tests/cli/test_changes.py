"""Commands that change a limiter: each does so, and says in one line what changed."""

from __future__ import annotations

import os
import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from shmlimit import Limiter, limiters, segment, status
from shmlimit.cli import main
from shmlimit.status import Status
from tests.support.processes import wait_for

from .invocation import shmlimit, started

NAMED = ["status", "run", "create", "set", "pause", "resume", "reset", "reap", "poll", "destroy", "doctor"]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    return Say(capsys)


class Say:
    """Runs a command line that succeeds; the line it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str, code: int = 0) -> str:
        assert main(arguments) == code
        out, err = self._capsys.readouterr()
        assert (out if code else err) == ""
        line = err if code else out
        assert line.count("\n") == 1
        return line


def read(name: str) -> Status:
    found = status(name)
    assert isinstance(found, Status)
    return found


def test_create_makes_a_limiter_with_all_its_settings(name: str, say: Say) -> None:
    line = say(
        *("create", name, "--limit", "5", "--cooldown", "1.5", "--slot-timeout", "off", "--gate", "one-per-poll"),
        *("--slots", "16", "--url", "https://example.com/usage", "--in-flight", "/a", "--in-flight", "/b"),
        *("--on-stale", "closed", "--auth", "bearer:env:KEY", "--limit-pointer", "/limit"),
    )
    now = read(name)
    assert (now.limit, now.cooldown, now.slot_timeout) == (5, 1.5, None)
    assert (now.gate, now.on_stale, now.usage.state) == ("one-per-poll", "closed", "stale")
    assert line == f"{name}: created, limit 5\n"


def test_creating_it_again_alike_changes_nothing_and_differently_is_an_error(name: str, say: Say) -> None:
    say("create", name, "--limit", "5")
    assert "exists already" in say("create", name, "--limit", "5")
    assert "limit 5, not 6" in say("create", name, "--limit", "6", code=1)
    assert read(name).limit == 5


def test_creating_it_again_after_a_change_of_what_is_not_named_is_no_error(name: str, say: Say) -> None:
    say("create", name, "--limit", "5", "--slot-timeout", "7", "--gate", "one-per-poll")
    assert "exists already" in say("create", name, "--limit", "5")


def test_set_changes_what_is_named_and_nothing_else(name: str, say: Say) -> None:
    Limiter(name, limit=5, cooldown=1, slot_timeout=9)
    assert say("set", name, "--limit", "7") == f"{name}: limit 5 -> 7\n"
    assert say("set", name, "--cooldown", "0") == f"{name}: cooldown 1 -> 0 s\n"
    assert say("set", name, "--slot-timeout", "off") == f"{name}: slot time-out 9 s -> off\n"
    now = read(name)
    assert (now.limit, now.cooldown, now.slot_timeout) == (7, 0, None)


SOURCE = ("--url", "https://example.com/usage", "--in-flight", "/a", "--limit-pointer", "/limit")


def test_create_and_set_follow_the_upstreams_limit(name: str, say: Say) -> None:
    line = say("create", name, "--limit", "upstream", "--headroom", "2", *SOURCE)
    assert line == f"{name}: created, limit 0 (until the upstream tells its own)\n"
    assert read(name).headroom == 2
    assert "exists already, limit 0 (until the upstream tells its own)" in say(
        "create", name, "--limit", "upstream", "--headroom", "2"
    )
    assert say("set", name, "--limit", "3") == f"{name}: limit 0 -> 3\n"
    assert read(name).headroom is None
    assert say("set", name, "--limit", "upstream") == f"{name}: limit 3 -> the upstream's own\n"
    assert (read(name).limit, read(name).headroom) == (3, 0)
    say("set", name, "--limit", "upstream", "--headroom", "1")
    assert read(name).headroom == 1


def test_what_cannot_be_followed_is_said_and_changes_nothing(name: str, say: Say) -> None:
    assert "usage source" in say("create", name, "--limit", "upstream", code=2)
    assert name not in limiters()
    Limiter(name, limit=4)
    assert "usage source" in say("set", name, "--limit", "upstream", code=2)
    assert "--limit upstream" in say("set", name, "--headroom", "1", code=2)
    assert "--limit upstream" in say("set", name, "--limit", "3", "--headroom", "1", code=2)
    assert "headroom" in say("set", name, "--limit", "upstream", "--headroom", "-1", code=2)
    assert (read(name).limit, read(name).headroom) == (4, None)


def test_pause_admits_nobody_until_resume(name: str, say: Say) -> None:
    limiter = Limiter(name, limit=1)
    assert "paused until `shmlimit resume" in say("pause", name)
    assert read(name).paused
    assert read(name).paused_until is None
    assert limiter.try_acquire() is None
    assert "resumed" in say("resume", name)
    with limiter:
        assert not read(name).paused
    assert "was not paused" in say("resume", name)


def test_pause_takes_seconds(name: str, say: Say) -> None:
    Limiter(name, limit=1)
    assert "paused for 1000 s" in say("pause", name, "1000")
    assert read(name).paused_until is not None


def test_reset_restores_what_a_429_lowered(name: str, say: Say) -> None:
    limiter = Limiter(name, limit=4)
    limiter.report_429()
    assert read(name).limit == 3
    assert say("reset", name) == f"{name}: limit 3 -> 4, resumed\n"
    assert (read(name).limit, read(name).paused) == (4, False)
    assert say("reset", name) == f"{name}: nothing to reset\n"


def test_reap_takes_back_what_is_overdue(name: str, say: Say) -> None:
    limiter = Limiter(name, limit=1, slot_timeout=1e-6)
    permit = limiter.acquire()
    taken = {say("reap", name)}
    while f"{name}: 1 permit taken back\n" not in taken:
        # The clock of time-outs is coarse.
        taken.add(say("reap", name))
    assert taken <= {f"{name}: 0 permits taken back\n", f"{name}: 1 permit taken back\n"}
    assert permit.release() is False


def test_destroy_refuses_while_it_is_used_and_obeys_force(name: str, say: Say) -> None:
    limiter = Limiter(name, limit=1)
    ended = shmlimit("destroy", name)
    assert ended.returncode == 1
    assert "in use" in ended.stderr
    assert name in limiters()
    assert "destroyed" in say("destroy", name, "--force")
    assert name not in limiters()
    limiter.close()


def test_settings_come_back_after_destroy_unless_forgotten(name: str, say: Say) -> None:
    say("create", name, "--limit", "4", "--cooldown", "2")
    say("destroy", name, "--force")
    say("create", name, "--limit", "4")
    assert read(name).cooldown == 2
    say("destroy", name, "--force", "--forget")
    say("create", name, "--limit", "4")
    assert read(name).cooldown != 2


@pytest.mark.parametrize("command", [one for one in NAMED if one not in {"run", "create"}])
def test_a_limiter_that_is_not_there_is_3_and_named(name: str, say: Say, command: str) -> None:
    options = ["--limit", "1"] if command == "set" else []
    assert repr(name) in say(command, name, *options, code=3)
    assert name not in limiters()


def test_poll_says_that_there_is_no_source(name: str) -> None:
    Limiter(name, limit=1)
    ended = shmlimit("poll", name)
    assert ended.returncode == 2
    assert "no usage source" in ended.stderr


class _Count(BaseHTTPRequestHandler):
    """An upstream that counts three sessions."""

    def do_GET(self) -> None:
        body = b'{"sessions": 3}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def test_poll_reads_the_count_until_it_is_interrupted(name: str) -> None:
    limiter = Limiter(name, limit=4)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Count) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        try:
            with limiter, started("poll", name, "--url", url, "--in-flight", "/sessions") as poller:
                wait_for(lambda: read(name).usage.count == 3)
                assert read(name).poller == poller.pid
                os.kill(poller.pid, signal.SIGINT)
                assert poller.end() == 130
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("command", [one for one in NAMED if one not in {"run", "create", "destroy", "doctor"}])
def test_a_segment_of_garbage_is_a_failure_of_one_line(name: str, say: Say, command: str) -> None:
    path = Path(segment.path_of(name))
    path.write_bytes(b"\xff" * 8192)
    path.chmod(0o600)
    options = ["--limit", "1"] if command == "set" else []
    assert name in say(command, name, *options, code=1)
    assert path.read_bytes() == b"\xff" * 8192


def test_presets_lists_the_providers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    out = capsys.readouterr().out
    assert "umans\n  https://" in out
    assert "ollama" in out


def test_version_and_help_succeed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("shmlimit ")
    assert main(["--help"]) == 0
    assert "Exit codes:" in capsys.readouterr().out


@pytest.mark.parametrize("command", [*NAMED, "presets", "emulate", "demo"])
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"Usage: shmlimit {command}" in out
    assert max(len(line) for line in out.splitlines()) <= 80
