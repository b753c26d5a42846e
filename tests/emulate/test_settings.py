from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import fields
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shmlimit.emulate import SCENARIOS, EmulatorSettings, scenario
from shmlimit.emulate.command import emulate
from shmlimit.emulate.faults import UsageFault, fault_in_force
from shmlimit.emulate.foreign import ForeignLoad, Visit
from shmlimit.emulate.retry_after import RetryAfter

if TYPE_CHECKING:
    from pathlib import Path

REFUSED: list[tuple[str, Any]] = [
    ("limit", 0),
    ("limit", -1),
    ("limit", 8001),
    ("limit", True),
    ("limit", 4.0),
    ("limit", "4"),
    ("hard_cap", 3),
    ("hard_cap", 16_001),
    ("end_lag", -0.1),
    ("end_lag", 2.1),
    ("end_lag", math.nan),
    ("end_lag", True),
    ("start_lag", 3.0),
    ("report_lag", -1.0),
    ("report_lag", math.inf),
    ("noise", 1.1),
    ("noise", math.nan),
    ("noise", -0.1),
    ("retry_after", "soon"),
    ("retry_after", "-1"),
    ("retry_after", "1.5"),
    ("retry_after", "86401"),
    ("retry_after", "date:"),
    ("retry_after", ":5"),
    ("retry_after", ""),
    ("box_after", -1),
    ("box_seconds", 0.0),
    ("session_median", 0.0),
    ("session_median", math.inf),
    ("first_byte", -1.0),
    ("foreign", "some"),
    ("foreign", "steady"),
    ("foreign", "steady:0"),
    ("foreign", "steady:-1"),
    ("foreign", "steady:1.5"),
    ("foreign", "steady:2:3"),
    ("foreign", "steady:5"),
    ("foreign", "square:2"),
    ("foreign", "square:2:0"),
    ("foreign", "square:2:nan"),
    ("foreign", "square:2:inf"),
    ("foreign", "bursts:1:x"),
    ("usage_faults", ("down@5",)),
    ("usage_faults", ("down@15-5",)),
    ("usage_faults", ("down@5-5",)),
    ("usage_faults", ("down@-5",)),
    ("usage_faults", ("down@0-inf",)),
    ("usage_faults", ("down:1",)),
    ("usage_faults", ("slow",)),
    ("usage_faults", ("slow:0",)),
    ("usage_faults", ("slow:nan",)),
    ("usage_faults", ("status:200",)),
    ("usage_faults", ("status:600",)),
    ("usage_faults", ("status:x",)),
    ("usage_faults", ("broken",)),
    ("usage_faults", ("",)),
    ("foreign", "step:2"),
    ("foreign", "ramp:2:0"),
    ("usage_faults", ("replicas",)),
    ("usage_faults", ("skew:0",)),
    ("limit_changes", ("1",)),
    ("limit_changes", ("0@5",)),
    ("limit_changes", ("1@-5",)),
    ("limit_changes", ("1@inf",)),
    ("weights", ("model",)),
    ("weights", ("=1",)),
    ("weights", ("model=0",)),
    ("cap_error", 0.5),
    ("queue_depth", -1),
    ("queue_timeout", -1.0),
    ("refresh", math.inf),
    ("edge", 1.5),
    ("busy", -0.5),
    ("overload", math.nan),
    ("abort", True),
    ("box", "5"),
    ("box", "7-5"),
    ("box_lag", -1.0),
    ("phantom", -1.0),
    ("keep_cancelled", "yes"),
    ("min_hold", math.nan),
    ("feed", "umans"),
    ("api_key_env", "not-a-name"),
    ("api_key_env", ""),
    ("port", -1),
    ("port", 65_536),
    ("seed", -1),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_value_that_is_not_allowed_is_named_and_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"must be|at most") as caught:
        EmulatorSettings(**{name: value})
    message = str(caught.value)
    assert "\n" not in message
    if name != "api_key_env":
        assert repr(value[0] if isinstance(value, tuple) else value) in message


def test_what_may_be_a_key_is_not_echoed() -> None:
    with pytest.raises(ValueError, match="environment variable") as caught:
        EmulatorSettings(api_key_env="sk-canary")
    assert "canary" not in str(caught.value)


def test_every_setting_reaches_the_command_line_and_comes_back_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = EmulatorSettings(
        limit=3,
        hard_cap=6,
        end_lag=0.125,
        start_lag=0.5,
        report_lag=1.5,
        noise=0.25,
        retry_after="date:3",
        box_after=7,
        box_seconds=8.5,
        session_median=0.75,
        first_byte=0.0,
        foreign="square:2:1.5",
        feed="zenrows",
        cap_error=-2,
        limit_changes=("1@5", "4@7.5"),
        queue_depth=3,
        queue_timeout=1.25,
        refresh=2.0,
        edge=0.5,
        busy=0.25,
        overload=0.125,
        box="1.5-2.5",
        box_lag=1.0,
        abort=0.75,
        phantom=3.0,
        keep_cancelled=True,
        min_hold=0.5,
        weights=("light=0.5", "a=b=2.0"),
        usage_faults=("down@5-15", "slow:2.5"),
        api_key_env="SOME_KEY",
        truth=tmp_path / "a log",
        port=1234,
        seed=99,
    )
    unlike = [field.name for field in fields(settings) if getattr(settings, field.name) == field.default]
    assert unlike == [], "every setting is another than the default here"
    seen: list[EmulatorSettings] = []

    def remember(**values: Any) -> EmulatorSettings:
        seen.append(EmulatorSettings(**values))
        raise ValueError("enough")

    monkeypatch.setattr("shmlimit.emulate.command.EmulatorSettings", remember)
    CliRunner().invoke(emulate, settings.to_arguments())
    assert seen == [settings]


def test_an_unset_hard_cap_is_the_limit() -> None:
    assert EmulatorSettings(limit=7).cap == 7
    assert EmulatorSettings(limit=7, hard_cap=14).cap == 14


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--limit", "0"], "0"),
        (["--limit", "many"], "many"),
        (["--hard-cap", "3"], "3"),
        (["--noise", "2"], "2"),
        (["--foreign", "steady:x"], "steady:x"),
        (["--usage-fault", "slow"], "slow"),
        (["--port", "70000"], "70000"),
        (["--truth", "/nowhere/at/all"], "/nowhere/at/all"),
        (["--api-key-env", "SHMLIMIT_NOT_SET"], "SHMLIMIT_NOT_SET"),
        (["--scenario", "panic"], "panic"),
        (["--bogus"], "--bogus"),
        (["stray"], "stray"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(arguments: list[str], named: str) -> None:
    result = CliRunner().invoke(emulate, arguments)
    assert result.exit_code == 2
    assert named in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_without_the_extra_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("shmlimit.emulate.server", "shmlimit.emulate.app"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = CliRunner().invoke(emulate, [])
    assert result.exit_code == 1
    assert "install shmlimit[demo]" in result.stderr
    assert result.stderr.count("\n") == 1


def test_importing_the_package_loads_neither_the_server_nor_click() -> None:
    program = (
        "import sys, shmlimit.emulate, shmlimit.emulate.account\n"
        "print([name for name in ('starlette', 'uvicorn', 'click', 'httpx') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


@pytest.mark.parametrize(
    ("text", "header"),
    [("1", "1"), ("0", "0"), ("none", None), ("absurd", "10000000000"), ("86400", "86400")],
)
def test_retry_after_says_what_was_asked(text: str, header: str | None) -> None:
    assert RetryAfter.parse(text).header(0.0) == header


def test_retry_after_as_a_date_lies_its_seconds_ahead() -> None:
    value = RetryAfter.parse("date:5").header(1_700_000_000.0)
    assert value is not None
    assert parsedate_to_datetime(value).timestamp() == 1_700_000_005
    assert value.endswith(" GMT")


def test_a_steady_load_is_one_visit_without_an_end() -> None:
    load = ForeignLoad.parse("steady:3")
    assert load.sessions == 3
    assert [load.visit(0), load.visit(1)] == [Visit(0.0, math.inf), None]


def test_a_square_load_is_there_for_the_second_half_of_each_period() -> None:
    load = ForeignLoad.parse("square:2:10")
    assert [load.visit(n) for n in range(2)] == [Visit(5, 10), Visit(15, 20)]


def test_bursts_are_half_a_second_or_half_their_interval() -> None:
    load = ForeignLoad.parse("bursts:2:3")
    assert [load.visit(n) for n in range(2)] == [Visit(3, 3.5), Visit(6, 6.5)]
    assert ForeignLoad.parse("bursts:2:0.5").visit(0) == Visit(0.5, 0.75)


def test_no_foreign_load_is_no_visit() -> None:
    assert ForeignLoad.parse("none").visit(0) is None


def test_a_fault_is_in_force_from_its_start_until_before_its_end() -> None:
    fault = UsageFault.parse("down@5-15")
    assert [fault.is_in_force(t) for t in (0, 4.999, 5, 14.999, 15)] == [False, False, True, True, False]
    assert UsageFault.parse("html").is_in_force(1e9)


def test_of_several_faults_the_first_in_force_shows() -> None:
    faults = [UsageFault.parse(text) for text in ("down@5-15", "html@10-20", "null@30-31")]
    kinds = [fault.kind if (fault := fault_in_force(faults, t)) else None for t in (0, 6, 12, 16, 25, 30)]
    assert kinds == [None, "down", "down", "html", None, "null"]


def test_scenarios_are_listed_with_what_happens_there() -> None:
    result = CliRunner().invoke(emulate, ["--list-scenarios"])
    assert result.exit_code == 0
    for name, one in SCENARIOS.items():
        assert f"{name}\n  {one.description}\n" in result.output


def test_a_scenario_replaces_defaults_and_gives_way_to_options(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[EmulatorSettings] = []

    def remember(name: str, **values: Any) -> EmulatorSettings:
        seen.append(scenario(name, **values))
        raise ValueError("enough")

    monkeypatch.setattr("shmlimit.emulate.command.named_upstream", remember)
    CliRunner().invoke(emulate, ["--scenario", "foreign-step", "--limit", "8", "--seed", "3"])
    assert seen == [EmulatorSettings(limit=8, foreign="step:3:5", seed=3)]


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_is_a_valid_upstream(name: str) -> None:
    assert scenario(name) != EmulatorSettings()


@pytest.mark.parametrize(
    ("text", "visits"),
    [
        ("step:2:3", [Visit(3.0, math.inf), Visit(3.0, math.inf)]),
        ("ramp:2:3", [Visit(3.0, math.inf), Visit(6.0, math.inf)]),
    ],
)
def test_foreign_sessions_that_come_to_stay(text: str, visits: list[Visit]) -> None:
    load = ForeignLoad.parse(text)
    assert [load.visit(0, client) for client in range(2)] == visits
    assert load.visit(1) is None
