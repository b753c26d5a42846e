"""What may cross into the poller's process, and what it becomes there."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from shmlimit.errors import ShmlimitError
from shmlimit.usage import (
    HttpUsage,
    UpstreamBlocked,
    Usage,
    UsageError,
    UsageSource,
    describe,
    load_source,
    preset,
    presets,
)

from . import upstream_target
from .hostile_server import Exchange, answer

if TYPE_CHECKING:
    from .conftest import Serve

HERE = upstream_target.__name__


def load(attribute: str) -> Any:
    return load_source(describe(f"{HERE}:{attribute}"))


def test_a_function_is_asked_at_each_poll() -> None:
    source = load("three")
    assert [source.get_usage(), source.get_usage()] == [Usage(3.0), Usage(3.0)]


def test_none_from_a_function_stays_no_information() -> None:
    assert load("nothing").get_usage() is None


def test_an_exception_of_a_function_comes_through() -> None:
    with pytest.raises(RuntimeError, match="the ledger is closed"):
        load("broken").get_usage()


def test_anything_else_from_a_function_is_a_failed_poll() -> None:
    with pytest.raises(UsageError, match=r":text' returned str, expected Usage or None$"):
        load("text").get_usage()


def test_what_a_function_says_of_itself_in_attributes_the_source_says_too() -> None:
    assert load("lagging").settle == 2.0
    assert not hasattr(load("three"), "settle")


def test_a_class_is_made_once() -> None:
    before = upstream_target.Counting.made
    source = load("Counting")
    assert [source.get_usage(), source.get_usage()] == [Usage(1.0), Usage(2.0)]
    assert upstream_target.Counting.made == before + 1


def test_an_object_is_asked_itself() -> None:
    source = load("held.inner")
    upstream_target.held.inner.polls = 0
    source.get_usage()
    source.close()
    assert (upstream_target.held.inner.polls, upstream_target.held.inner.closed) == (1, True)


@pytest.mark.parametrize(
    ("target", "what"),
    [
        (f"{HERE}:absent", "cannot be imported"),
        (f"{HERE}:held.absent", "cannot be imported"),
        ("shmlimit_no_such_module:x", "cannot be imported"),
        (f"{HERE}:number", "is 3: expected a function"),
        (f"{HERE}:NoSource", "expected a function"),
    ],
)
def test_a_target_that_is_no_source_is_named(target: str, what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        load_source({"kind": "python", "target": target})
    assert target in str(caught.value)


def test_naming_a_source_does_not_import_it() -> None:
    name = "antigravity:fly"
    assert describe(name) == {"kind": "python", "target": name}
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("text", ["", "module", "module:", ":f", "a:b:c", "a b:c", "a:b()", "a/b:c", "1a:b", "a:b\n"])
def test_text_of_another_form_names_no_source(text: str) -> None:
    with pytest.raises(ValueError, match="expected 'module:function'"):
        describe(text)


@pytest.mark.parametrize("live", [upstream_target.Counting(), lambda: None, 5, None, {"kind": "http"}])
def test_a_live_object_cannot_cross(live: object) -> None:
    with pytest.raises(TypeError, match="'module:function'") as caught:
        describe(live)
    assert "process of its own" in str(caught.value)


def test_a_live_function_is_told_its_own_name() -> None:
    with pytest.raises(TypeError, match=f"name it, as '{HERE}:three'$"):
        describe(upstream_target.three)


@pytest.mark.parametrize(
    ("config", "kind", "what"),
    [
        (None, TypeError, "must be a dict, not NoneType"),
        ("http", TypeError, "must be a dict, not str"),
        ({}, ValueError, "kind is None: expected 'http' or 'python'"),
        ({"kind": "ftp"}, ValueError, "kind is 'ftp'"),
        ({"kind": "python"}, ValueError, "the setting 'target' alone, not: nothing"),
        ({"kind": "python", "target": "a:b", "x": 1}, ValueError, "not: target, x"),
        ({"kind": "python", "target": 5}, TypeError, "not int"),
        ({"kind": "python", "target": "a"}, ValueError, "expected 'module:function'"),
        ({"kind": "http", "in_flight": "/n"}, ValueError, "needs the setting 'url'"),
        ({"kind": "http", "url": "https://h.example/"}, ValueError, "needs the setting 'in_flight'"),
        ({"kind": "http", "url": "https://h.example/", "in_flight": "/n", "key": "s"}, ValueError, "'key'"),
    ],
)
def test_a_config_of_no_source_is_refused(config: Any, kind: type[Exception], what: str) -> None:
    with pytest.raises(kind) as caught:
        load_source(config)
    assert what in str(caught.value)


def test_every_kind_of_source_fits_the_protocol() -> None:
    assert isinstance(HttpUsage("https://h.example/", in_flight="/n"), UsageSource)
    assert isinstance(load("three"), UsageSource)
    assert isinstance(upstream_target.Counting(), UsageSource)
    assert not isinstance(upstream_target.NoSource(), UsageSource)


def test_errors_keep_what_they_say_through_pickle() -> None:
    plain = pickle.loads(pickle.dumps(UsageError("HTTP 429", retry_after=2.0)))
    assert (str(plain), plain.retry_after) == ("HTTP 429", 2.0)
    block = UpstreamBlocked("blocked", reason="cap_abuse", blocked_until=5.0, retry_after=1.0)
    again = pickle.loads(pickle.dumps(block))
    assert (str(again), again.reason, again.blocked_until, again.retry_after) == (
        "blocked",
        "cap_abuse",
        5.0,
        1.0,
    )
    assert isinstance(again, UsageError)
    assert isinstance(again, ShmlimitError)


UMANS = {
    "limits": {"concurrency": {"limit": 4, "hard_cap": 8}},
    "usage": {
        "concurrent_sessions": 1,
        "priority": {"low": True, "boxed_until": "2026-07-03T12:00:00+00:00", "reason": "cap_abuse"},
    },
}
KEY = "UMANS_API_KEY"


def test_the_preset_for_umans_reads_its_answer(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "umans-key")
    server = serve(answer(UMANS))
    with preset("umans", url=server.url()) as source:
        assert source.get_usage() == Usage(1.0, 4.0, 8.0, 1783080000.0, "cap_abuse", True)
    assert server.exchanges[0].header("Authorization") == "Bearer umans-key"


def test_the_preset_for_umans_needs_the_count_alone(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "umans-key")
    with preset("umans", url=serve(answer({"usage": {"concurrent_sessions": 2}})).url()) as source:
        assert source.get_usage() == Usage(2.0)


def test_the_preset_for_umans_takes_403_for_a_block(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "umans-key")
    body = {"error": {"type": "account_suspended", "message": "account_suspended until 2026-07-03T12:00:00Z"}}
    source = preset("umans", url=serve(answer(body, status=403)).url())
    with source, pytest.raises(UpstreamBlocked) as caught:
        source.get_usage()
    assert (caught.value.blocked_until, caught.value.reason) == (1783080000.0, "account_suspended")


def test_a_rate_limit_at_umans_is_no_block(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "umans-key")
    body = json.loads(json.dumps(UMANS).replace("cap_abuse", "rate_limited"))
    with preset("umans", url=serve(answer(body)).url()) as source:
        usage = source.get_usage()
    assert (usage.blocked_until, usage.blocked_reason) == (None, "rate_limited")


def test_a_preset_may_be_overridden() -> None:
    config = preset("umans", auth="basic:env:OTHER", timeout=1, limit=None, hard_cap=9).to_config()
    assert (config["auth"], config["timeout"], config["hard_cap"]) == ("basic:env:OTHER", 1.0, 9)
    assert "limit" not in config


def test_every_preset_makes_a_source_that_can_cross() -> None:
    known = presets()
    assert known["umans"]["url"] == "https://api.code.umans.ai/v1/usage"
    for name, summary in known.items():
        source = preset(name, url=summary["url"] or "https://mine.example/metrics")
        assert source.url == summary["url"] or "url of your" in str(_refusal(name))
        assert summary["description"]
        assert load_source(describe(source)).to_config() == source.to_config()


def _refusal(name: str) -> ValueError:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its text is what the caller looks at
        preset(name)
    return caught.value


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"^unknown preset 'humans': known presets are .*umans"):
        preset("humans")


@pytest.mark.parametrize("name", ["", "../presets/umans", "umans.json", "UMANS"])
def test_a_preset_is_no_path(name: str) -> None:
    with pytest.raises(ValueError, match="unknown preset"):
        preset(name)


def test_a_preset_is_chosen_by_text() -> None:
    with pytest.raises(TypeError, match="chosen by name, not by 5"):
        preset(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["api_key", "kind", "description"])
def test_an_unknown_argument_of_a_preset_is_named(option: str) -> None:
    with pytest.raises(TypeError, match=f"unknown argument '{option}'"):
        preset("umans", **{option: "x"})


def test_importing_the_package_or_making_a_source_does_not_import_httpx() -> None:
    code = (
        "import sys, shmlimit.usage as u; u.preset('umans'); u.presets()\n"
        "sys.exit(any(name in sys.modules for name in ('httpx', 'httpcore', 'ssl', 'click')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Newer Pythons warn of any fork beside threads; the ones here are the server's, and the child needs none.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.usefixtures("patient_connection")
def test_a_forked_child_polls_on_a_connection_of_its_own(serve: Serve) -> None:
    server = serve(lambda exchange: exchange.send(answer({"n": len(server.exchanges)})))
    with HttpUsage(server.url(), in_flight="/n") as source:
        source.get_usage()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if source.get_usage() == Usage(2.0) else 2
                source.close()
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        # The parent's connection still works, and is still the same.
        assert source.get_usage() == Usage(3.0)
    assert server.connections == 2


def test_a_script_may_answer_by_what_was_asked(serve: Serve) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(answer({"n": int(exchange.target.rpartition("/")[2])}))

    with HttpUsage(serve(script).url("/7"), in_flight="/n") as source:
        assert source.get_usage() == Usage(7.0)
