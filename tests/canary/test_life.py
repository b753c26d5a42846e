"""The key in use, from the first program to the poller's crash: it is in the requests, and in nothing else."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from shmlimit import cli
from shmlimit.status import to_json
from tests.canary.conftest import be_good, be_idle
from tests.canary.lives import create_and_hold, fail_in_every_way, wait_and_hold
from tests.canary.traces import Traces
from tests.cli.invocation import become, shmlimit
from tests.poller.callers import poller_of, pollers, reading
from tests.support.processes import HANG, Worker, state_of, wait_for
from tests.usage.reflections import FAILING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.canary import Canary
    from tests.usage.hostile_server import HostileServer, Script

VARIABLE = "SHMLIMIT_TEST_KEY"
WAYS = ["bearer:env", "header:X-Api-Key:env", "query:key:env", "basic:file"]
# One that says nothing at all only takes time.
TELLING = {way: script for way, script in FAILING.items() if way != "silent"}
# Every upstream that says the key back for one way of presenting it, for the others those that it matters to.
FEW = ("reflect", "cut", "rewritten")
SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Keeper:
    """Where the key is: for programs that are started with it, and in which files it may be."""

    def __init__(self, way: str, canary: Canary, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._secret = canary.password if way.startswith("basic") else canary.key
        self.file = directory / "key"
        self.is_variable = way.endswith("env")
        if self.is_variable:
            self.auth = f"{way}:{VARIABLE}"
        else:
            self.file.touch(0o600)
            self.file.write_text(self._secret)
            self.auth = f"{way}:{self.file}"

    def start(self, *arguments: Any, **popen: Any) -> Worker:
        """Start a worker that has the key, if only in its environment."""
        with self._monkeypatch.context() as patch:
            if self.is_variable:
                patch.setenv(VARIABLE, self._secret)
            return Worker(*arguments, **popen)


@pytest.fixture(params=WAYS)
def keeper(request: pytest.FixtureRequest, canary: Canary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    return Keeper(request.param, canary, tmp_path, monkeypatch)


@contextmanager
def printing_to(path: Path) -> Iterator[dict[str, Any]]:
    """For Popen: everything that the program prints goes to that file."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        yield {"stdout": file, "stderr": subprocess.STDOUT}


@pytest.mark.parametrize("keeper", ["bearer:env", "basic:file"], indirect=True)
def test_a_life_with_every_kind_of_failure_leaves_the_key_nowhere(
    name: str,
    canary: Canary,
    keeper: Keeper,
    upstream: HostileServer,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    traces = Traces()
    output = tmp_path / "output"
    failing = TELLING if keeper.auth == f"bearer:env:{VARIABLE}" else {way: TELLING[way] for way in FEW}
    with ExitStack() as stack:
        outlets = [stack.enter_context(printing_to(output / who)) for who in ("holder", "waiter", "bystander")]
        holder = stack.enter_context(Worker(create_and_hold, name, upstream.url(), keeper.auth, **outlets[0]))
        assert holder.hear() == "held"
        waiter = stack.enter_context(keeper.start(wait_and_hold, name, **outlets[1]))
        assert waiter.hear() == "queued"
        pid = poller_of(name)
        wait_for(lambda: reading(name).usage.state == "live")
        bystander = stack.enter_context(Worker(wait_and_hold, name, **outlets[2]))
        assert bystander.hear() == "queued"
        for script in failing.values():
            poll_in_vain(name, upstream, script)
            traces.add_segment(name)
            traces.add("status", repr(reading(name)) + to_json(reading(name).to_dict()))
            assert cli.main(["status", name]) == 4
            assert cli.main(["status", "--json", name]) == 4
            recover(name, upstream)
        # The blocks paused it.
        for arguments in (["resume", name], ["doctor", name], ["set", name, "--cooldown", "0"], ["reap", name]):
            assert cli.main(arguments) == 0
        traces.add("a second poller", shmlimit("poll", name, stderr=subprocess.STDOUT).stdout)
        upstream.script = be_idle
        for one in (holder, waiter, bystander):
            one.say()
            assert one.hear() in {"released", "held"}
        traces.add_command_lines()
        # On a busy machine a second one may have been started before the first was elected; it ends by itself.
        wait_for(lambda: pollers(name) == [pid])
        traces.add_environments(but=[pid, waiter.pid] if keeper.is_variable else [])
        os.kill(pid, signal.SIGABRT)
        wait_for(lambda: state_of(pid) in ("", "Z"))
        traces.add("standard output and error", "".join(capfd.readouterr()))
        traces.add_segment(name)
    traces.add_files(tmp_path, but=[keeper.file])
    assert upstream.exchanges
    assert all(canary.found_in(exchange.head) for exchange in upstream.exchanges), "the key was used"
    assert traces.holding(b"[secret]"), "the answers that held it were shown"
    assert traces.holding(b"starts "), "the programs that were started were told"
    assert not traces.findings(canary), "\n".join(traces.findings(canary))


def poll_in_vain(name: str, upstream: HostileServer, script: Script) -> None:
    upstream.script = script
    wait_for(lambda: reading(name).usage.state == "failing")


def recover(name: str, upstream: HostileServer) -> None:
    upstream.script = be_good
    wait_for(lambda: reading(name).usage.state == "live")


def test_a_program_that_dies_of_a_failed_poll_does_not_show_the_key(
    canary: Canary, keeper: Keeper, upstream: HostileServer, tmp_path: Path
) -> None:
    scripts = itertools.cycle(TELLING.values())
    upstream.script = lambda exchange: next(scripts)(exchange)
    output = tmp_path / "output"
    # Twice as often as there are scripts: a poll may meet a connection that the last script has hung up.
    arguments = (upstream.url(), keeper.auth, 2 * len(TELLING))
    with printing_to(output / "program") as outlet, keeper.start(fail_in_every_way, *arguments, **outlet) as program:
        assert program.end() == 1
    traces = Traces()
    traces.add_files(output)
    assert len(upstream.exchanges) >= len(TELLING)
    assert all(canary.found_in(exchange.head) for exchange in upstream.exchanges)
    assert traces.holding(b"Traceback (most recent call last)")
    assert not traces.findings(canary), "\n".join(traces.findings(canary))


ARGUMENTS = [
    ["create", "{name}", "--limit", "1", "--api-key", "{key}"],
    ["create", "{name}", "--limit", "1", "--api-key={key}"],
    ["create", "{name}", "--limit", "1", "--url", "https://h.example/", "--in-flight", "/n", "--auth", "{key}"],
    ["create", "{name}", "--limit", "1", "--url", "https://h.example/", "--in-flight", "/n", "--auth", "bearer:{key}"],
    ["create", "{name}", "--limit", "1", "--url", "https://h.example/", "--in-flight", "/n", "--auth",
     "bearer:env:{key}"],
    ["create", "{name}", "--limit", "1", "--url", "https://u:{key}@h.example/", "--in-flight", "/n"],
    ["create", "{name}", "--limit", "1", "--url", "https://h.example/?api_key={key}", "--in-flight", "/n"],
    ["create", "{name}", "--limit", "1", "--url", "http://h.example/?x={key}", "--in-flight", "/n"],
    ["poll", "{name}", "--api-key", "{key}"],
    ["poll", "{name}", "--preset", "umans", "--auth", "{key}"],
    ["status", "{name}", "--api-key={key}"],
]  # fmt: skip


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda arguments: " ".join(arguments[:1] + arguments[4:]))
def test_a_key_on_the_command_line_is_refused_without_being_shown_or_kept(
    name: str, canary: Canary, arguments: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = [argument.format(name=name, key=canary.key) for argument in arguments]
    assert cli.main(told) == 2
    traces = Traces()
    output = "".join(capfd.readouterr())
    assert output
    traces.add("standard output and error", output)
    traces.add_files(tmp_path)
    assert not traces.findings(canary), "\n".join(traces.findings(canary))


@pytest.mark.parametrize("keeper", ["bearer:env", "basic:file"], indirect=True)
def test_a_poller_in_the_foreground_does_not_show_the_key(
    name: str, canary: Canary, keeper: Keeper, upstream: HostileServer, tmp_path: Path
) -> None:
    upstream.script = FAILING["reflect"]
    with Worker(create_and_hold, name, upstream.url(), keeper.auth, **SILENT) as holder:
        assert holder.hear() == "held"
        with keeper.start(become, ["poll", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as poller:
            wait_for(lambda: reading(name).usage.state == "failing")
            poller.process.send_signal(signal.SIGINT)
            shown, _ = poller.process.communicate(timeout=HANG)
        assert poller.end() == 130
    traces = Traces()
    traces.add("the poller's output", shown)
    assert traces.holding(b"[secret]")
    assert not traces.findings(canary), "\n".join(traces.findings(canary))


@pytest.mark.parametrize("keeper", ["query:key:env", "bearer:file"], indirect=True)
def test_what_is_known_of_a_source_can_be_shown(
    name: str, canary: Canary, keeper: Keeper, upstream: HostileServer
) -> None:
    """The reference, the place of the key, is no secret: it is what a person needs in order to mend it."""
    with Worker(create_and_hold, name, upstream.url(), keeper.auth, **SILENT) as holder:
        assert holder.hear() == "held"
        traces = Traces()
        traces.add_segment(name)
    assert traces.holding(json.dumps(keeper.auth).encode())
    assert not traces.findings(canary), "\n".join(traces.findings(canary))
