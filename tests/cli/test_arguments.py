"""Bad input, for every option and argument: exit code 2, one line that names the value, and nothing changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from shmlimit import Limiter, limiters
from shmlimit.cli import main

from .invocation import shmlimit

if TYPE_CHECKING:
    from pathlib import Path

NAME = "NAME"  # replaced by the test's own

BAD_NAMES = ["", ".", "..", ".hidden", "a/b", "a\\b", "a\nb", "a b", "a%b", "a;b", "$a", "~", "é", "a" * 65, "\udcff"]
BAD_WHOLE = ["", "-1", "1.0", "1.5", "x", "nan", "inf", "8001", "9" * 40, "1_0", "٤", " 1", "0x1", str(2**64)]
BAD_SECONDS = ["", "-1", "x", "nan", "inf", "-inf", "1e300", "1_0", "٤", " 1", "1e999"]

NAMED_COMMANDS = {
    "status": [],
    "run": ["--", "true"],
    "create": ["--limit", "1"],
    "set": ["--limit", "1"],
    "pause": [],
    "resume": [],
    "reset": [],
    "reap": [],
    "poll": [],
    "destroy": [],
    "doctor": [],
}
OPTIONS = {
    ("create", "--limit"): BAD_WHOLE,
    ("create", "--cooldown"): BAD_SECONDS,
    ("create", "--slot-timeout"): [*BAD_SECONDS, "0", "OFF"],
    ("create", "--slots"): [*(bad for bad in BAD_WHOLE if bad != "8001"), "0", "8193"],
    ("create", "--gate"): ["", "x"],
    ("create", "--on-stale"): ["", "x"],
    ("create", "--preset"): ["", "nobody"],
    ("create", "--format"): ["", "xml"],
    ("create", "--min-interval"): BAD_SECONDS,
    ("create", "--poll-timeout"): BAD_SECONDS,
    ("set", "--limit"): BAD_WHOLE,
    ("set", "--cooldown"): BAD_SECONDS,
    ("set", "--slot-timeout"): [*BAD_SECONDS, "0"],
    ("run", "--limit"): BAD_WHOLE,
    ("run", "--wait"): BAD_SECONDS,
    ("run", "--conflict-exit-code"): ["", "-1", "256", "x", "1.0"],
    ("run", "--weight"): [*BAD_SECONDS, "0", "0.0001", "8001"],
    ("run", "--priority"): ["", "x", "1.5", str(2**31), str(-(2**31))],
    ("run", "--label"): ["\udcff"],
}


@pytest.fixture
def refuse(name: str, capsys: pytest.CaptureFixture[str], state_directory: Path) -> Refuse:
    return Refuse(name, capsys, state_directory)


class Refuse:
    """Checks that a command line is refused."""

    def __init__(self, name: str, capsys: pytest.CaptureFixture[str], state_directory: Path) -> None:
        self.name = name
        self._capsys = capsys
        self._state_directory = state_directory

    def __call__(self, *arguments: str) -> str:
        existing = self.name in limiters()
        before = Limiter(self.name).status() if existing else None
        code = main([self.name if one == NAME else one for one in arguments])
        out, err = self._capsys.readouterr()
        assert (code, out) == (2, "")
        assert err.startswith("shmlimit: ")
        assert err.count("\n") == 1
        assert err.endswith("\n")
        assert err.rstrip("\n").isprintable()
        if before is None:
            assert self.name not in limiters()
            assert not self._state_directory.exists()
        else:
            now = Limiter(self.name).status()
            assert (now.limit, now.cooldown, now.slot_timeout, now.paused) == (
                before.limit,
                before.cooldown,
                before.slot_timeout,
                before.paused,
            )
        return err


def shown(value: str) -> str:
    """How a message shows the value; a long one is cut."""
    return repr(value)[1:-1][:30] if value else "'"


@pytest.mark.parametrize("bad", BAD_NAMES, ids=ascii)
@pytest.mark.parametrize("command", NAMED_COMMANDS)
def test_a_bad_name_is_refused_by_every_command(refuse: Refuse, command: str, bad: str) -> None:
    assert shown(bad) in refuse(command, *([bad, *NAMED_COMMANDS[command]]))


@pytest.mark.parametrize(
    ("command", "option", "bad"),
    [(command, option, bad) for (command, option), values in OPTIONS.items() for bad in values],
    ids=ascii,
)
@pytest.mark.parametrize("exists", [False, True])
def test_a_bad_value_is_refused_and_changes_nothing(
    refuse: Refuse, command: str, option: str, bad: str, exists: bool
) -> None:
    if exists:
        Limiter(refuse.name, limit=3)
    others = {"create": ["--limit", "2"], "set": ["--limit", "2"], "run": ["--limit", "2"]}[command]
    if option == "--limit":
        others = []
    if option in {"--format", "--min-interval", "--poll-timeout"}:
        others += ["--preset", "umans"]
    tail = ["--", "true"] if command == "run" else []
    message = refuse(command, NAME, *others, option, bad, *tail)
    assert shown(bad) in message


@pytest.mark.parametrize("bad", BAD_SECONDS, ids=ascii)
def test_a_bad_pause_is_refused(refuse: Refuse, bad: str) -> None:
    Limiter(refuse.name, limit=3)
    assert shown(bad) in refuse("pause", "--", NAME, bad)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "command"),
        (["bogus"], "'bogus'"),
        (["--bogus"], "--bogus"),
        (["status", "--bogus"], "--bogus"),
        (["status", NAME, "extra"], "extra"),
        (["status", "--json", "--watch"], "--watch"),
        (["create"], "NAME"),
        (["create", NAME], "--limit"),
        (["create", NAME, "--limit"], "--limit"),
        (["create", NAME, "--limit", "2", "--limit", "3"], "--limit"),
        (["create", NAME, "--limit", "2", "--url", "https://example.com/"], "--in-flight"),
        (["create", NAME, "--limit", "2", "--in-flight", "/a"], "--in-flight"),
        (["create", NAME, "--limit", "2", "--auth", "bearer:env:KEY"], "--auth"),
        (["create", NAME, "--limit", "2", "--hard-cap-pointer", "/a"], "--hard-cap-pointer"),
        (["create", NAME, "--limit", "2", "--url", "ftp://example.com/", "--in-flight", "/a"], "ftp"),
        (["create", NAME, "--limit", "2", "--url", "http://example.com/", "--in-flight", "/a"], "http"),
        (["create", NAME, "--limit", "2", "--url", "https://example.com/", "--in-flight", "a"], "'a'"),
        (["create", NAME, "--limit", "2", "--on-stale", "closed"], "closed"),
        (["set", NAME], "--limit"),
        (["run"], "NAME"),
        (["run", NAME], "CMD"),
        (["run", NAME, "--"], "CMD"),
        (["run", NAME, "-n", "-w", "3", "--", "true"], "3"),
        (["run", NAME, "--bogus", "--", "true"], "--bogus"),
        (["run", NAME, "--limit", "2", "--weight", "3", "--", "true"], "3"),
        (["run", NAME, "-w", "1", "-w", "2", "--", "true"], "--wait"),
        (["demo", "--seconds", "1"], "1.0"),
        (["emulate", "--limit", "x"], "'x'"),
    ],
    ids=" ".join,
)
def test_what_does_not_go_together_is_refused(refuse: Refuse, arguments: list[str], expected: str) -> None:
    assert expected in refuse(*arguments)


@pytest.mark.parametrize("command", ["create", "poll"])
def test_a_key_on_the_command_line_is_refused_with_advice_and_never_repeated(refuse: Refuse, command: str) -> None:
    limit = ["--limit", "2"] if command == "create" else []
    for option, key in (("--api-key", "sk-secret123"), ("--auth", "bearer:sk-secret123"), ("--auth", "sk-secret123")):
        message = refuse(command, NAME, *limit, "--preset", "umans", option, key)
        assert "secret123" not in message
        assert "env:NAME" in message


def test_a_name_that_is_not_utf_8_is_refused_from_a_real_command_line() -> None:
    ended = shmlimit("status", b"\xff\xfe")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert r"\udcff" in ended.stderr


def test_an_argument_without_end_gives_a_message_that_ends() -> None:
    ended = shmlimit("status", "x" * 100_000)
    assert ended.returncode == 2
    assert len(ended.stderr) < 2000


def test_a_directory_of_segments_that_is_missing_is_a_failure_that_names_it(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    ended = shmlimit("status", env={**os.environ, "SHMLIMIT_DIR": missing})
    assert (ended.returncode, ended.stdout) == (1, "")
    assert missing in ended.stderr
    assert ended.stderr.count("\n") == 1
